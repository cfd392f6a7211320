/** A finished run as the data of its report: curves, tables, predictions as pictures. */
import { rowsOf } from "../../arrays/embeddings.ts";
import { counted } from "../../errors.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import type { MeasuredTask, TaskGuesses } from "../../evaluate/tasks/task.ts";
import { softmax, topMatches } from "../../arrays/similarities.ts";
import { curvesFromLog } from "../../report/curves.ts";
import type {
  EvaluationTable,
  Prediction,
  PredictionGroup,
  ReportData,
  RetrievalExample,
  RetrievalGroup,
  Summary,
} from "../../report/types.ts";
import { libtorchVersion, resolveDevice, threadCount } from "../../torch/index.ts";
import { readMetricsLog } from "../log/metrics-log.ts";
import { pictureUri } from "./picture-uri.ts";
import { RunDirectory } from "./run-directory.ts";
import { runSearches, type SearchOptions } from "./run-searches.ts";
import type { TrainResult } from "../train-pair.ts";

export interface RunReportOptions {
  title?: string;
  summary?: Summary;
  /** Pictures shown per suite. Default 12. */
  shown?: number;
  /** Names of the suites whose pictures are shown; all when absent. */
  pictured?: readonly string[];
  /** Searches that the report opens with: each embeds its pool with the finished model. */
  searches?: readonly SearchOptions[];
}

/**
 * Gathers what `renderReport` shows of a run that `train` finished. Pictures are those that `train`
 * was told to keep (`pictures`).
 */
export async function runReport(
  result: TrainResult,
  options: RunReportOptions = {},
): Promise<ReportData> {
  const { title = `Run ${result.recipe.name}`, summary, shown = 12, pictured } = options;
  const { recipe, suites } = result;
  const log = readMetricsLog(new RunDirectory(result.directory).metricsFile);
  const predictions: PredictionGroup[] = [];
  const retrievals: RetrievalGroup[] = [];
  for (const suite of suites) {
    if (pictured && !pictured.includes(suite.name)) continue;
    const { pictures } = suite.dataset;
    const task = suite.tasks.find((one: MeasuredTask) => one.guesses !== undefined);
    if (task && pictures.length > 0) {
      const title = `${suite.title}: ${task.title}`;
      const show = { suite, shown, scale: result.logitScale };
      predictions.push(await predictionGroup(title, task.guesses as TaskGuesses, show));
    }
    if (pictures.length > 0 && suite.dataset.captions.length > 0) {
      retrievals.push(await retrievalGroup(suite));
    }
  }
  const { modelFolder } = new RunDirectory(result.directory);
  const searches: RetrievalGroup[] = [];
  for (const search of options.searches ?? []) {
    const { batchSize } = recipe.evaluate;
    const device = resolveDevice(recipe.train.device, "train.device");
    searches.push(await runSearches(modelFolder, search, { batchSize, device }));
  }
  const seconds = log.length > 1 ? (log.at(-1)?.wallTime ?? 0) - (log[0]?.wallTime ?? 0) : 0;
  return {
    title,
    subtitle: `${counted(result.step, "step")} of ${counted(recipe.train.batchSize, "pair")}, ${Math.round(seconds)} s`,
    summary: summary ?? defaultSummary(result),
    ...(result.warnings.length > 0 ? { warnings: result.warnings } : {}),
    curves: curvesFromLog(log, { batchSize: recipe.train.batchSize }),
    evaluations: suites.flatMap(evaluationTables),
    ...(searches.length > 0 ? { searches } : {}),
    predictions,
    retrievals,
    recipe,
    environment: {
      libtorch: libtorchVersion(),
      node: process.version,
      threads: threadCount(),
      platform: `${process.platform} ${process.arch}`,
      seed: recipe.train.seed,
    },
  };
}

function defaultSummary({ recipe, step, examplesSeen, skipped }: TrainResult): Summary {
  const text =
    `An image tower and a text tower were trained for ${counted(step, "step")} on ` +
    `${counted(examplesSeen, "pair")} of pictures and captions, so that a picture and ` +
    "its caption land close together in one space.";
  return {
    text: [text],
    facts: [
      { label: "pairs seen", value: examplesSeen.toLocaleString("en-US") },
      { label: "batch", value: String(recipe.train.batchSize) },
      { label: "samples skipped", value: String(skipped) },
    ],
  };
}

function evaluationTables(suite: SuiteResult): EvaluationTable[] {
  return suite.tasks.map((task: MeasuredTask) => ({
    title: `${suite.title}: ${task.title}`,
    note: [counted(suite.dataset.keys.length, "picture"), ...task.notes].join("; "),
    rows: task.rows,
    ...(task.confusions ? { confusions: task.confusions.slice(0, 10) } : {}),
  }));
}

interface Shown {
  suite: SuiteResult;
  shown: number;
  scale: number;
}

/** Pictures that were kept, evenly over all and over right and wrong ones. */
async function predictionGroup(
  title: string,
  { labels, images, truths, k, classes, similarities }: TaskGuesses,
  { suite, shown, scale }: Shown,
): Promise<PredictionGroup> {
  const { pictures, imageSize } = suite.dataset;
  // Not every picture was measured.
  const pictured = [...images.keys()].filter((i) => (images[i] as number) < pictures.length);
  const chosen = fairChoice(pictured, shown, (i) => classes[i * k] === truths[i]);
  const items = chosen.map(async (i): Promise<Prediction> => {
    const row = Array.from(similarities.subarray(i * k, (i + 1) * k));
    const shares = Array.from(softmax(row.map((similarity) => similarity * scale)));
    const truth = truths[i] ?? 0;
    return {
      image: await pictureUri(pictures[images[i] as number] as Uint8Array, imageSize),
      truth: labels[truth] ?? "",
      candidates: shares.map((score, rank) => {
        const index = classes[i * k + rank] ?? 0;
        return { text: labels[index] ?? "", score, correct: index === truth };
      }),
    };
  });
  return {
    title,
    note:
      `The ${k} best of ${counted(labels.length, "candidate")}; bars share 100 % among them. Mistakes are ` +
      "shown as often as they are made.",
    items: await Promise.all(items),
  };
}

/** `count` of `all`, evenly spaced, with as many wrong ones as their share of all; in their order. */
export function fairChoice(
  all: readonly number[],
  count: number,
  isRight: (item: number) => boolean,
): number[] {
  const right = all.filter(isRight);
  const wrong = all.filter((item) => !isRight(item));
  const share = Math.min(count, all.length);
  // One at least of what there is.
  const few = wrong.length === 0 ? 0 : Math.max(1, Math.round((share * wrong.length) / all.length));
  const mistakes = right.length === 0 ? share : Math.min(few, Math.max(share - 1, 1));
  const chosen = [...spaced(wrong, mistakes), ...spaced(right, share - mistakes)];
  return chosen.sort((a, b) => a - b);
}

function spaced(items: readonly number[], count: number): number[] {
  return Array.from(
    { length: Math.min(count, items.length) },
    (_, i) => items[Math.floor((i * items.length) / count)] as number,
  );
}

/** A few texts, each with the nearest of the pictures that were kept. */
async function retrievalGroup(suite: SuiteResult): Promise<RetrievalGroup> {
  const { captions, imageOfText, imageEmbeddings, textEmbeddings } = suite.dataset;
  const { pictures, imageSize } = suite.dataset;
  const shown = captions.flatMap((_, i) => ((imageOfText[i] ?? 0) < pictures.length ? [i] : []));
  const every = Math.max(1, Math.floor(shown.length / 6));
  const firstCaption = new Map<number, string>();
  for (const [i, image] of imageOfText.entries()) {
    if (!firstCaption.has(image)) firstCaption.set(image, captions[i] ?? "");
  }
  const candidates = rowsOf(imageEmbeddings, 0, pictures.length);
  const queries = shown.filter((_, i) => i % every === 0).slice(0, 6);
  const items = queries.map(async (text): Promise<RetrievalExample> => {
    const found = topMatches(rowsOf(textEmbeddings, text, text + 1), candidates, 5);
    const results = Array.from(found.indices, async (image, rank) => ({
      image: await pictureUri(pictures[image] as Uint8Array, imageSize),
      caption: firstCaption.get(image) ?? "",
      similarity: found.similarities[rank] ?? 0,
      correct: image === imageOfText[text],
    }));
    return { query: captions[text] ?? "", results: await Promise.all(results) };
  });
  const among =
    pictures.length < imageEmbeddings.count ? `, among the first ${pictures.length}` : "";
  return {
    title: suite.title,
    note: `The five nearest pictures of each text${among}.`,
    items: await Promise.all(items),
  };
}
