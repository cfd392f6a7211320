/** Classification of pictures with several labels each, ranked class by class. */
import { z } from "zod";
import { forEachRow } from "../../arrays/similarities.ts";
import { counted, DataError } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import { readTemplates } from "../../text/read-templates.ts";
import { chooseTemplates, describeTemplates, type TemplateChoice } from "../../text/templates.ts";
import { benchmarkTemplatesOf } from "../benchmark-folder.ts";
import { ClassAnswers } from "../class-answers.ts";
import { meanAveragePrecision } from "../metrics/average-precision.ts";
import { readClasses, type ClassDescription, type NamedClass } from "../read-classes.ts";
import {
  clustersOf,
  column,
  measuredRows,
  pick,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type SetOutline,
  type Statistic,
  type TaskFields,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";
import { classSchema, templatesSchema, weightsOf } from "./zero-shot-task.ts";

export interface MultilabelTask extends TaskFields {
  kind: "multilabel";
  classes: string | readonly ClassDescription[];
  /**
   * Key of a sample's record that has its labels: a number for each class, 1 where it has the label and else 0,
   * as `key.npy` holds them, or a list of names or numbers of classes.
   */
  answer: string;
  templates?: TemplateChoice | undefined;
}

type MeasuredMultilabel = MeasuredTask<MultilabelTask> & { readonly kind: "multilabel" };

const metrics: readonly TaskMetric[] = [
  {
    path: "mAP",
    unit: "share",
    description: "Average precision of each class over the pictures, averaged over classes.",
  },
];

export const multilabelTask = {
  kind: "multilabel",
  schema: z
    .strictObject({
      kind: z.literal("multilabel"),
      ...taskFields("multilabel"),
      classes: z.union([z.string(), z.array(classSchema).min(2)]).describe("as for zeroShot"),
      answer: z
        .string()
        .default("npy")
        .describe("key of a sample's JSON with a number for each class, or a list of classes"),
      templates: templatesSchema.optional().describe("as for zeroShot"),
    })
    .describe("classification of pictures with several labels"),
  captions: false,
  metrics,
  words: { multilabel: "several labels", mAP: "mean average precision" },
  check(task, outline): void {
    const classes = readClasses(task.classes);
    if (outline.isWhole) labelsOf(outline, task, classes);
    clustersOf(outline, task);
  },
  async measure(task, { dataset, embedder, prefix, bootstrap }): Promise<MeasuredMultilabel> {
    const classes = readClasses(task.classes);
    const chosen = chooseTemplates({
      given: task.templates && readTemplates(task.templates, `the templates of ${prefix}`),
      model: embedder.templates,
      data: benchmarkTemplatesOf(task.classes),
    });
    const weights = await weightsOf(embedder, classes, chosen.templates);
    const truth = labelsOf(dataset, task, classes);
    const count = dataset.keys.length;
    const score = new Float32Array(count * classes.length);
    const { similarities } = embedder;
    forEachRow(dataset.imageEmbeddings, weights, { similarities }, (image, row) => {
      score.set(row, image * classes.length);
    });
    const columns: ItemColumns = {
      keys: dataset.keys,
      ...clustersOf(dataset, task),
      columns: { truth, score },
    };
    const shares = classes.map((_, index) => shareOf(truth, index, classes.length));
    return {
      kind: "multilabel",
      task,
      title: task.title ?? task.name,
      notes: [
        `${counted(classes.length, "class", "classes")}; templates: ${describeTemplates(chosen)}`,
      ],
      facts: { classes: classes.length, ...chosen },
      rows: measuredRows({
        ...{ metrics, statistic, columns, prefix, bootstrap },
        // The precision of pictures in random order is the share of those that have the label.
        chance: () => shares.reduce((sum, share) => sum + share, 0) / shares.length,
        count: () => count,
      }),
      columns,
      items: {},
    };
  },
  statistic,
} satisfies TaskKind<MultilabelTask, MeasuredMultilabel>;

function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  const [targets, scores] = [column(items, "truth"), column(items, "score")];
  const classCount = scores.length / items.keys.length;
  const mean = meanAveragePrecision({ scores, targets, classCount });
  return pick(metrics, paths, (weights) => [mean(weights)]);
}

function shareOf(truth: Uint8Array, index: number, classes: number): number {
  let sum = 0;
  for (let at = index; at < truth.length; at += classes) sum += truth[at] as number;
  return sum / (truth.length / classes);
}

/** [N, C] 1 where a picture has the label. throws  DataError naming a sample without labels, or with others */
function labelsOf(
  { keys, metas }: Pick<SetOutline, "keys" | "metas">,
  { answer, name }: MultilabelTask,
  classes: readonly NamedClass[],
): Uint8Array {
  const index = new ClassAnswers(classes);
  const labels = new Uint8Array(keys.length * classes.length);
  for (const [i, key] of keys.entries()) {
    const value = metas[i]?.[answer];
    const isVector = answer === "npy";
    const places = Array.isArray(value)
      ? placesOf(value, index, { classes: classes.length, isVector })
      : undefined;
    if (places === undefined) {
      throw new DataError(
        `Expected ${counted(classes.length, "number")}, one for each class, or a list of classes for ` +
          `${answer} of sample ${key} (task ${name}) but received ${shown(value)}; correct it, or name ` +
          "another key as answer",
        { source: key, key },
      );
    }
    for (const place of places) labels[i * classes.length + place] = 1;
  }
  return labels;
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value) && value.length > 5) return `${value.length} values`;
  return formatJson(value).slice(0, 80);
}

/**
 * A vector has as many numbers as there are classes, each 0 or 1; another list is of classes, each once. What a
 * shard's `key.npy` holds is a vector.
 */
function placesOf(
  list: readonly unknown[],
  index: ClassAnswers,
  { classes, isVector }: { classes: number; isVector: boolean },
): number[] | undefined {
  // Blank values would be 0.
  const numbers = list.map((one) => (one === null || one === "" ? NaN : Number(one)));
  if (list.length === classes && numbers.every((one) => one === 0 || one === 1)) {
    return numbers.flatMap((one, place) => (one === 1 ? [place] : []));
  }
  if (isVector) return undefined;
  const places = new Set(list.map((one) => index.find(one)));
  return places.has(undefined) || places.size < list.length ? undefined : ([...places] as number[]);
}
