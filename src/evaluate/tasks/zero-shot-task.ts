/** Zero-shot classification as a task: the class whose texts are the most similar to a picture. */
import { z } from "zod";
import { rowsAt, type Embeddings } from "../../arrays/embeddings.ts";
import { atPath, counted, SettingError } from "../../errors.ts";
import { classifierWeights } from "../../inference/classifier-weights.ts";
import type { EmbeddedDataset, Embedder } from "../../inference/features/embed-dataset.ts";
import { readTemplates } from "../../text/read-templates.ts";
import { chooseTemplates, describeTemplates, type TemplateChoice } from "../../text/templates.ts";
import { benchmarkTemplatesOf } from "../benchmark-folder.ts";
import type { Likelihood } from "../metrics/probabilities.ts";
import { hitsWithin } from "../metrics/accuracy.ts";
import { readClasses, type ClassDescription, type NamedClass } from "../read-classes.ts";
import { leftOutText, trueClasses } from "../true-classes.ts";
import { zeroShotClassification, type ZeroShotResult } from "../zero-shot.ts";
import { calibrationColumns, type Labelled } from "./calibration-columns.ts";
import { groupFacts, groupsOf, type GroupsAsked } from "./metadata-groups.ts";
import {
  clustersOf,
  coverageOf,
  measuredRows,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type TaskContext,
  type TaskFields,
  type TaskKind,
} from "./task.ts";
import { chanceOf, metricsOf, statistic, zeroShotMetrics } from "./zero-shot-metrics.ts";

export interface ZeroShotTask extends TaskFields {
  kind: "zeroShot";
  classes: string | readonly ClassDescription[];
  /** Where a sample keeps its class: `label`, or a key of its JSON. */
  answer: string;
  /** Whether a picture whose class is not among `classes` is an error or left out. Default `fail`. */
  unknownLabels?: "fail" | "skip" | undefined;
  /** Default: the model's own, else those in the folder of `classes`, else `photo`. */
  templates?: TemplateChoice | undefined;
  /** Pictures by a value of their record: the worst of these groups is measured too. */
  groups?: GroupsAsked | undefined;
  /** Further metrics. */
  also?: readonly ("macroF1" | "calibration")[] | undefined;
}

export interface MeasuredZeroShot extends MeasuredTask<ZeroShotTask> {
  readonly kind: "zeroShot";
  readonly result: ZeroShotResult;
  /** First name of every class. */
  readonly labels: readonly string[];
  /** [N] index of the true class of every image that was measured. */
  readonly truths: Int32Array;
}

/** Templates in a recipe; `readTemplates` says what a text may be. */
export const templatesSchema: z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]> = z.union(
  [z.string().min(1), z.array(z.string().min(1)).min(1)],
);

/** A class in a recipe. */
export const classSchema = z.union([
  z.string(),
  z.array(z.string()).min(1),
  z.strictObject({ key: z.string(), names: z.array(z.string()).min(1) }),
]);

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
      unknownLabels: z
        .enum(["fail", "skip"])
        .default("fail")
        .describe(
          "a picture whose class is none of `classes` is an error, or left out and counted",
        ),
      templates: templatesSchema
        .optional()
        .describe(
          "for this task alone, see [inference.md](inference.md#templates); the model's own when absent",
        ),
      groups: z
        .strictObject({
          key: z.string().describe("key of a sample's JSON, such as `region`"),
          ignore: z.array(z.string()).optional().describe("values that are never the worst"),
        })
        .optional()
        .describe("groups of pictures, of which the worst is measured"),
      also: z
        .array(z.enum(["macroF1", "calibration"]))
        .optional()
        .describe("further metrics, see [evaluation.md](evaluation.md)"),
    })
    .describe("classification by the names of the classes"),
  // Images with labels alone can be classified.
  captions: false,
  metrics: zeroShotMetrics,
  metricsOf: (task: ZeroShotTask) => metricsOf(task),
  words: {
    zeroShot: "zero-shot",
    top1: "top-1 accuracy",
    top5: "top-5 accuracy",
    meanPerClass: "mean accuracy per class",
    macroF1: "macro F1",
    worstGroup: "worst group",
    calibrated: "calibrated",
    ece: "calibration error",
    adaptiveEce: "adaptive calibration error",
    brier: "Brier score",
    nll: "negative log likelihood",
  },
  async check(task, outline, path): Promise<void> {
    const classes = await atPath(`${path}.classes`, () => readClasses(task.classes));
    if (task.templates !== undefined) readTemplates(task.templates, `${path}.templates`);
    else await atPath(`${path}.classes`, () => benchmarkTemplatesOf(task.classes));
    // Among more samples there may be some that are of a class.
    if (!outline.isWhole && task.unknownLabels === "skip") return;
    const { images } = trueClasses(outline, { ...task, classes });
    clustersOf(outline, task, images);
    // Of very many samples the first may all be of groups that are ignored.
    if (task.groups && outline.isWhole) groupsOf(outline, task.groups, images);
  },
  async measure(
    task,
    { dataset, embedder, prefix, bootstrap, held }: TaskContext,
  ): Promise<MeasuredZeroShot> {
    const classes = readClasses(task.classes);
    const labels = classes.map(({ label }) => label);
    const chosen = chooseTemplates({
      given: task.templates && readTemplates(task.templates, `the templates of ${prefix}`),
      model: embedder.templates,
      data: benchmarkTemplatesOf(task.classes),
    });
    const weights = await weightsOf(embedder, classes, chosen.templates);
    const { images, truths, leftOut } = trueClasses(dataset, { ...task, classes });
    const isWhole = leftOut.count === 0;
    const imageEmbeddings = isWhole
      ? dataset.imageEmbeddings
      : rowsAt(dataset.imageEmbeddings, images);
    const isCalibrated = task.also?.includes("calibration") === true;
    const result = zeroShotClassification({
      imageEmbeddings,
      labels: truths,
      classWeights: weights,
      classNames: labels,
      similarities: embedder.similarities,
      bootstrap: { resamples: 0 },
    });
    const { ranks, confusions, predictions } = result;
    const clusters = clustersOf(dataset, task, images);
    const groups = task.groups && groupsOf(dataset, task.groups, images);
    const calibrated = isCalibrated
      ? calibrationColumns(
          { images: imageEmbeddings, weights, truths },
          {
            likelihood: likelihoodOf(embedder),
            kernel: embedder.similarities,
            held: held && heldOut(held, { task, classes, weights }),
            ...clusters,
          },
        )
      : undefined;
    const columns: ItemColumns = {
      keys: Array.from(images, (image) => dataset.keys[image] ?? ""),
      ...clusters,
      columns: {
        truth: truths,
        rank: ranks,
        prediction: firstOf(predictions),
        ...(groups && { group: groups.codes }),
        ...calibrated?.columns,
      },
    };
    const shown = metricsOf(task);
    const written = coverageOf(
      embedder,
      task,
      classes.flatMap(({ names }) => names),
      "class names",
    );
    return {
      kind: "zeroShot",
      task,
      title: task.title ?? task.name,
      notes: [
        `${counted(classes.length, "class", "classes")}${placeOf(task)}; templates: ${describeTemplates(chosen)}`,
        ...(isWhole ? [] : [leftOutText(leftOut, dataset.keys.length)]),
        ...emptyClasses(labels, result),
        ...(calibrated === undefined ? [] : [calibrated.note]),
        ...written.notes,
      ],
      facts: {
        classes: classes.length,
        ...chosen,
        leftOut,
        ...(groups && { groups: groupFacts(groups, task.groups, ranks) }),
        ...(calibrated && { calibration: calibrated.facts }),
        ...written.facts,
      },
      perClass: result.perClass,
      ...{ result, labels, truths, confusions },
      rows: measuredRows({
        ...{ metrics: shown, statistic, columns, prefix, bootstrap },
        chance: (path) =>
          chanceOf(path, { truths, classes: classes.length, likelihood: embedder.logits?.kind }),
        count: () => result.count,
      }),
      columns,
      items: { [`${prefix}/top1`]: hitsWithin(ranks, 1), [`${prefix}/top5`]: hitsWithin(ranks, 5) },
      guesses: { labels, images, truths, ...predictions },
    };
  },
  statistic,
} satisfies TaskKind<ZeroShotTask, MeasuredZeroShot>;

/** [C, D] unit rows, from the cache where it has them. */
export async function weightsOf(
  embedder: Embedder,
  classes: readonly NamedClass[],
  templates: readonly string[],
): Promise<Embeddings> {
  const names = classes.map((one) => one.names);
  const make = async (): Promise<Embeddings> => {
    const made = await classifierWeights({
      classes: names,
      alike: true,
      templates,
      embedTexts: (texts) => Promise.resolve(embedder.embedTexts(texts)),
    });
    return made.weights;
  };
  const { cache } = embedder;
  return cache === undefined ? make() : cache.texts({ classes: names, templates }, make);
}

/** throws  SettingError for a model whose scale is not known */
function likelihoodOf({ logits }: Embedder): Likelihood {
  if (logits === undefined) {
    throw new SettingError(
      "also",
      "Expected a model with a logit scale for calibration but received embeddings alone; leave " +
        "calibration out of also",
    );
  }
  const { kind, scale: logitScale, bias: logitBias } = logits;
  return kind === "softmax" ? { kind, logitScale } : { kind, logitScale, logitBias };
}

function heldOut(
  held: EmbeddedDataset,
  { task, classes, weights }: { task: ZeroShotTask; classes: NamedClass[]; weights: Embeddings },
): Labelled {
  const { images, truths } = trueClasses(held, { ...task, classes });
  return { images: rowsAt(held.imageEmbeddings, images), weights, truths };
}

/** Names that a note lists. */
const SHOWN = 5;

/** A note where classes have no picture: they are answers all the same, and in no mean per class. */
function emptyClasses(labels: readonly string[], { perClass }: ZeroShotResult): string[] {
  const filled = new Set(perClass.map(({ index }) => index));
  const empty = labels.filter((_, index) => !filled.has(index));
  if (empty.length === 0) return [];
  const more = empty.length > SHOWN ? ", ..." : "";
  return [
    `${empty.length} of ${counted(labels.length, "class", "classes")} without a picture: ` +
      `${empty.slice(0, SHOWN).join(", ")}${more}`,
  ];
}

/** [N] the best class of every picture */
function firstOf({ classes, k }: ZeroShotResult["predictions"]): Int32Array {
  return Int32Array.from({ length: classes.length / k }, (_, i) => classes[i * k] as number);
}

/** Where the classes stand, which may have been found beside the shards. */
function placeOf({ classes }: ZeroShotTask): string {
  return typeof classes === "string" ? ` of ${classes}` : "";
}
