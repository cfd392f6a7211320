/** Zero-shot classification as a task: the class whose texts are the most similar to a picture. */
import { z } from "zod";
import type { Embeddings } from "../../arrays/embeddings.ts";
import { atPath, DataError } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import { classifierWeights } from "../../inference/classifier-weights.ts";
import type { EmbeddedDataset, Embedder } from "../../inference/embed-dataset.ts";
import type { TemplateChoice } from "../../inference/templates.ts";
import type { MetricRow } from "../metric-table.ts";
import { ClassAnswers } from "../class-answers.ts";
import { readClasses, type ClassDescription, type NamedClass } from "../read-classes.ts";
import { zeroShotClassification, type ZeroShotResult } from "../zero-shot.ts";
import {
  metricRows,
  taskFields,
  within,
  type MeasuredTask,
  type TaskContext,
  type TaskFields,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";

export interface ZeroShotTask extends TaskFields {
  kind: "zeroShot";
  classes: string | readonly ClassDescription[];
  /** Where a sample keeps its class: `label`, or a key of its JSON. */
  answer: string;
  templates: TemplateChoice;
}

export interface MeasuredZeroShot extends MeasuredTask<ZeroShotTask> {
  readonly kind: "zeroShot";
  readonly result: ZeroShotResult;
  /** First name of every class. */
  readonly labels: readonly string[];
  /** [N] index of the true class of every image. */
  readonly truths: Int32Array;
}

/** A class in a recipe. */
export const classSchema = z.union([
  z.string(),
  z.array(z.string()).min(1),
  z.strictObject({ key: z.string(), names: z.array(z.string()).min(1) }),
]);

const metrics = [
  {
    path: "top1",
    unit: "share",
    description: "Share of pictures whose first guess is right.",
  },
  {
    path: "top5",
    unit: "share",
    description: "Share of pictures with the right answer in the first five.",
  },
  {
    path: "meanPerClass",
    unit: "share",
    description: "Top-1 accuracy with every class counting the same.",
  },
] as const satisfies readonly TaskMetric[];

export const zeroShotTask = {
  kind: "zeroShot",
  schema: z
    .strictObject({
      kind: z.literal("zeroShot"),
      ...taskFields("zeroShot"),
      classes: z
        .union([z.string(), z.array(classSchema).min(2)])
        .describe("the classes in order, each with one or several names; or a file of them"),
      answer: z
        .string()
        .default("label")
        .describe(
          "where a sample keeps its class, by name or number: its label, or a key of its JSON",
        ),
      templates: z
        .union([z.enum(["bare", "photo", "simple"]), z.array(z.string()).min(1)])
        .default("photo")
        .describe("sentences that the class names are put into"),
    })
    .describe("classification by the names of the classes"),
  // Images with labels alone can be classified.
  captions: false,
  metrics,
  words: {
    zeroShot: "zero-shot",
    top1: "top-1 accuracy",
    top5: "top-5 accuracy",
    meanPerClass: "mean accuracy per class",
  },
  async check(task, outline, path): Promise<void> {
    const classes = await atPath(`${path}.classes`, () => readClasses(task.classes));
    answers(task, outline, classes);
  },
  async measure(
    task,
    { dataset, embedder, prefix, bootstrap }: TaskContext,
  ): Promise<MeasuredZeroShot> {
    const classes = readClasses(task.classes);
    const labels = classes.map(({ label }) => label);
    const weights = await weightsOf(task, classes, embedder);
    const truths = answers(task, dataset, classes);
    const result = zeroShotClassification({
      imageEmbeddings: dataset.imageEmbeddings,
      labels: truths,
      classWeights: weights,
      classNames: labels,
      similarities: embedder.similarities,
      bootstrap,
    });
    const { ranks, confusions, predictions } = result;
    return {
      kind: "zeroShot",
      task,
      title: task.title ?? task.name,
      ...{ result, labels, truths, confusions },
      rows: zeroShotRows(result, prefix),
      items: { [`${prefix}/top1`]: within(ranks, 1), [`${prefix}/top5`]: within(ranks, 5) },
      guesses: { labels, truths, ...predictions },
    };
  },
} satisfies TaskKind<ZeroShotTask, MeasuredZeroShot>;

/** Rows `<prefix>/top1`, `/top5`, `/meanPerClass`. */
export function zeroShotRows(result: ZeroShotResult, prefix = "val/zeroShot"): MetricRow[] {
  const { count } = result;
  return metricRows(
    metrics,
    prefix,
    metrics.map(({ path }) => ({ count, ...result[path] })),
  );
}

/** [C, D] */
async function weightsOf(
  { templates }: ZeroShotTask,
  classes: readonly NamedClass[],
  embedder: Embedder,
): Promise<Embeddings> {
  const { weights } = await classifierWeights({
    classes: classes.map(({ names }) => names),
    alike: true,
    templates,
    embedTexts: (texts) => Promise.resolve(embedder.embedTexts(texts)),
  });
  return weights;
}

function answers(
  task: ZeroShotTask,
  dataset: Pick<EmbeddedDataset, "keys" | "labels" | "metas">,
  classes: readonly NamedClass[],
): Int32Array {
  const index = new ClassAnswers(classes);
  const answersOf = dataset.keys.map((_, i) =>
    task.answer === "label" ? dataset.labels[i] : dataset.metas[i]?.[task.answer],
  );
  const found = answersOf.map((answer) => index.find(answer) ?? -1);
  const first = found.indexOf(-1);
  if (first < 0) return Int32Array.from(found);
  const key = dataset.keys[first] ?? "";
  const answer = answersOf[first];
  const received = answer === undefined ? "nothing" : formatJson(answer);
  const count = found.filter((place) => place < 0).length;
  const more = count === 1 ? "" : ` (so are ${count} of ${found.length} samples)`;
  throw new DataError(
    `Expected one of ${classes.length} classes for ${task.answer} of sample ${key} but received ` +
      `${received}: ${index.problem(answer)}${more}; add the class, or name another key as answer`,
    { source: key, key },
  );
}
