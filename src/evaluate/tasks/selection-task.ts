/** Image-caption selection: the right caption beside wrong ones, the right picture beside wrong ones. */
import { z } from "zod";
import { rowsAt } from "../../arrays/embeddings.ts";
import { captionsOf } from "../../data/tables/caption-cell.ts";
import { counted, DataError, didYouMean } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import type { EmbeddedDataset, Embedder } from "../../inference/features/embed-dataset.ts";
import { meanOf } from "../metrics/weighted.ts";
import {
  clustersOf,
  column,
  measuredRows,
  pick,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type Statistic,
  type TaskFields,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";

export interface SelectionTask extends TaskFields {
  kind: "selection";
  /** Key of a sample's record with one wrong caption or several, as in SugarCrepe. */
  negatives?: string | undefined;
  /** Key of a sample's record that pictures of one instance share: each has the others' captions beside its own, as in Winoground. */
  instance?: string | undefined;
}

type MeasuredSelection = MeasuredTask<SelectionTask> & { readonly kind: "selection" };

const metrics: readonly TaskMetric[] = [
  {
    path: "text",
    unit: "share",
    description: "Share of instances in which every picture is most like its own caption.",
  },
  {
    path: "image",
    unit: "share",
    description: "Share of instances in which every caption is most like its own picture.",
  },
  {
    path: "group",
    unit: "share",
    description: "Share of instances in which both hold.",
  },
];

export const selectionTask = {
  kind: "selection",
  schema: z
    .strictObject({
      kind: z.literal("selection"),
      ...taskFields("selection"),
      negatives: z
        .string()
        .optional()
        .describe("key of a sample's JSON with its wrong captions, as in SugarCrepe"),
      instance: z
        .string()
        .optional()
        .describe("key of a sample's JSON that pictures of one instance share, as in Winoground"),
    })
    .describe("choosing the right caption among wrong ones, and the right picture"),
  captions: true,
  metrics,
  words: {
    selection: "selection",
    text: "captions chosen",
    image: "pictures chosen",
    group: "both",
  },
  check(task, outline): void {
    checkKeys(task);
    if (!outline.isWhole) return;
    const instances = instancesOf(task, outline);
    clustersOf(outline, task, firstImages(instances));
  },
  measure(task, { dataset, embedder, prefix, bootstrap }): MeasuredSelection {
    checkKeys(task);
    const instances = instancesOf(task, dataset);
    const found = scores(instances, dataset, embedder);
    const columns: ItemColumns = {
      keys: instances.map(({ name }) => name),
      ...clustersOf(dataset, task, firstImages(instances)),
      columns: found,
    };
    const chance = chances(instances);
    return {
      kind: "selection",
      task,
      title: task.title ?? task.name,
      notes: [counted(instances.length, "instance")],
      facts: { instances: instances.length },
      rows: measuredRows({
        ...{ metrics, statistic, columns, prefix, bootstrap },
        chance: (path) => chance[path] ?? NaN,
        count: () => instances.length,
      }),
      columns,
      items: {
        [`${prefix}/text`]: Uint8Array.from(found.text),
        [`${prefix}/group`]: Uint8Array.from(found.group),
      },
    };
  },
  statistic,
} satisfies TaskKind<SelectionTask, MeasuredSelection>;

function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  const means = metrics.map(({ path }) => meanOf(column(items, path)));
  return pick(metrics, paths, (weights) => means.map((mean) => mean(weights)));
}

/** Pictures and the captions beside them; caption i is picture i's, further ones are no picture's. */
interface Instance {
  readonly name: string;
  readonly images: readonly number[];
  readonly negatives: readonly string[];
}

function checkKeys({ negatives, instance, name }: SelectionTask): void {
  if ((negatives === undefined) !== (instance === undefined)) return;
  throw new DataError(
    `Expected negatives or instance for task ${name} but received ` +
      `${negatives === undefined ? "neither" : "both"}; name the key of wrong captions, or of instances`,
    { source: name },
  );
}

/** throws  DataError for a sample without wrong captions, or an instance of one picture */
function instancesOf(
  { negatives, instance }: SelectionTask,
  { keys, metas }: Pick<EmbeddedDataset, "keys" | "metas">,
): Instance[] {
  if (negatives !== undefined) {
    return keys.map((name, i) => {
      const texts = captionsOf(metas[i]?.[negatives])?.filter((text) => text.trim() !== "");
      if (texts === undefined || texts.length === 0) throw nothing(negatives, name, metas[i]);
      return { name, images: [i], negatives: texts };
    });
  }
  const groups = new Map<string, number[]>();
  for (const [i, name] of keys.entries()) {
    const value = metas[i]?.[instance as string];
    if (value === undefined || value === null) throw nothing(instance as string, name, metas[i]);
    const key = formatJson(value);
    groups.set(key, [...(groups.get(key) ?? []), i]);
  }
  const alone = [...groups].find(([, images]) => images.length < 2);
  if (alone !== undefined) {
    const key = keys[alone[1][0] as number] ?? "";
    throw new DataError(
      `Expected at least two pictures for instance ${alone[0]} but found one, ${key}; correct ${instance}`,
      { source: key, key },
    );
  }
  return [...groups].map(([name, images]) => ({ name, images, negatives: [] }));
}

function firstImages(instances: readonly Instance[]): number[] {
  return instances.map(({ images }) => images[0] as number);
}

function nothing(key: string, sample: string, meta: Record<string, unknown> = {}): DataError {
  return new DataError(
    `Expected ${key} in the record of sample ${sample} but found none` +
      `${didYouMean(key, Object.keys(meta))}; correct the sample, or name another key`,
    { source: sample, key: sample },
  );
}

/** As CLIP_benchmark's image_caption_selection: of equal similarities the first is chosen. */
function scores(
  instances: readonly Instance[],
  { imageEmbeddings, textEmbeddings, imageOfText }: EmbeddedDataset,
  embedder: Embedder,
): { text: Uint8Array; image: Uint8Array; group: Uint8Array } {
  const wrong = instances.flatMap((one) => one.negatives);
  const wrongRows = wrong.length === 0 ? undefined : embedder.embedTexts(wrong);
  // The first caption of each picture is its own.
  const ownText = new Int32Array(imageEmbeddings.count).fill(-1);
  for (const [text, image] of imageOfText.entries()) {
    if (ownText[image] === -1) ownText[image] = text;
  }
  const [text, image, group] = [instances, instances, instances].map(
    (all) => new Uint8Array(all.length),
  ) as [Uint8Array, Uint8Array, Uint8Array];
  let next = 0;
  for (const [i, { images, negatives }] of instances.entries()) {
    const own = rowsAt(
      textEmbeddings,
      images.map((at) => ownText[at] as number),
    );
    const others = negatives.map(() => next++);
    const texts = wrongRows === undefined ? own : joined(own, rowsAt(wrongRows, others));
    const values = embedder.similarities(rowsAt(imageEmbeddings, images), texts);
    const at = (picture: number, caption: number): number =>
      values[picture * texts.count + caption] as number;
    text[i] = +images.every((_, own) => first(texts.count, (other) => at(own, other)) === own);
    image[i] = +images.every((_, own) => first(images.length, (other) => at(other, own)) === own);
    group[i] = text[i] & image[i];
  }
  return { text, image, group };
}

function joined(
  a: EmbeddedDataset["textEmbeddings"],
  b: EmbeddedDataset["textEmbeddings"],
): typeof a {
  const data = new Float32Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return { data, count: a.count + b.count, dim: a.dim };
}

/** The index of the largest of `count` values, the first of equal ones. */
function first(count: number, value: (index: number) => number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (value(i) > value(best)) best = i;
  return best;
}

/** Similarities in random order, each independent of the others. */
function chances(instances: readonly Instance[]): Record<string, number> {
  const mean = (of: (one: Instance) => number): number =>
    instances.reduce((sum, one) => sum + of(one), 0) / instances.length;
  const text = ({ images, negatives }: Instance): number =>
    (1 / (images.length + negatives.length)) ** images.length;
  const image = ({ images }: Instance): number => (1 / images.length) ** images.length;
  return {
    text: mean(text),
    image: mean(image),
    // Of two by two similarities both hold in 4 of 24 orders (Winoground, arXiv:2204.03162, section 4).
    group: mean((one) =>
      one.images.length === 2 ? 1 / 6 : one.images.length === 1 ? text(one) : NaN,
    ),
  };
}
