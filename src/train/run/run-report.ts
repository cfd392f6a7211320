/** A finished run as the data of its report: curves, tables, predictions as pictures. */
import sharp from "sharp";

import { rowsOf } from "../../arrays/embeddings.ts";
import { counted } from "../../errors.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import type { MeasuredTask, TaskGuesses } from "../../evaluate/tasks/task.ts";
import { softmax, topMatches } from "../../arrays/similarities.ts";
import { imageDataUri } from "../../report/html.ts";
import { curvesFromLog } from "../../report/curves.ts";
import type {
  EvaluationTable,
  Prediction,
  PredictionGroup,
  ReportData,
  RetrievalGroup,
  Summary,
} from "../../report/types.ts";
import { libtorchVersion, threadCount } from "../../torch/index.ts";
import { readMetricsLog } from "../log/metrics-log.ts";
import { RunDirectory } from "./run-directory.ts";
import type { TrainResult } from "../train-pair.ts";

export interface RunReportOptions {
  title?: string;
  summary?: Summary;
  /** Pictures shown per suite. Default 12. */
  shown?: number;
  /** Names of the suites whose pictures are shown; all when absent. */
  pictured?: readonly string[];
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
    const pictures = await Promise.all(suite.dataset.pictures.map((p) => toDataUri(p, suite)));
    const task = suite.tasks.find((one: MeasuredTask) => one.guesses !== undefined);
    if (task && pictures.length > 0) {
      const title = `${suite.title}: ${task.title}`;
      const show = { pictures, shown, scale: result.logitScale };
      predictions.push(predictionGroup(title, task.guesses as TaskGuesses, show));
    }
    if (pictures.length > 0 && suite.dataset.captions.length > 0) {
      retrievals.push(retrievalGroup(suite, pictures));
    }
  }
  const seconds = log.length > 1 ? (log.at(-1)?.wallTime ?? 0) - (log[0]?.wallTime ?? 0) : 0;
  return {
    title,
    subtitle: `${result.step} steps of ${recipe.train.batchSize} pairs, ${Math.round(seconds)} s`,
    summary: summary ?? defaultSummary(result),
    ...(result.warnings.length > 0 ? { warnings: result.warnings } : {}),
    curves: curvesFromLog(log, { batchSize: recipe.train.batchSize }),
    evaluations: suites.flatMap(evaluationTables),
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
    `An image tower and a text tower were trained for ${step} steps on ` +
    `${examplesSeen.toLocaleString("en-US")} pairs of pictures and captions, so that a picture and ` +
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
  pictures: readonly string[];
  shown: number;
  scale: number;
}

function predictionGroup(
  title: string,
  { labels, images, truths, k, classes, similarities }: TaskGuesses,
  { pictures, shown, scale }: Shown,
): PredictionGroup {
  // Not every picture was measured.
  const pictured = [...images.keys()].filter((i) => (images[i] as number) < pictures.length);
  const every = Math.max(1, Math.floor(pictured.length / shown));
  const chosen = pictured.filter((_, i) => i % every === 0).slice(0, shown);
  const items = chosen.map((i): Prediction => {
    const row = Array.from(similarities.subarray(i * k, (i + 1) * k));
    const shares = Array.from(softmax(row.map((similarity) => similarity * scale)));
    const truth = truths[i] ?? 0;
    return {
      image: pictures[images[i] as number] as string,
      truth: labels[truth] ?? "",
      candidates: shares.map((score, rank) => {
        const index = classes[i * k + rank] ?? 0;
        return { text: labels[index] ?? "", score, correct: index === truth };
      }),
    };
  });
  return {
    title,
    note: `The ${k} best of ${labels.length} candidates; bars share 100 % among them.`,
    items,
  };
}

/** A few texts, each with the nearest of the pictures that were kept. */
function retrievalGroup(suite: SuiteResult, pictures: readonly string[]): RetrievalGroup {
  const { captions, imageOfText, imageEmbeddings, textEmbeddings } = suite.dataset;
  const shown = captions.flatMap((_, i) => ((imageOfText[i] ?? 0) < pictures.length ? [i] : []));
  const every = Math.max(1, Math.floor(shown.length / 6));
  const firstCaption = new Map<number, string>();
  for (const [i, image] of imageOfText.entries()) {
    if (!firstCaption.has(image)) firstCaption.set(image, captions[i] ?? "");
  }
  const candidates = rowsOf(imageEmbeddings, 0, pictures.length);
  const items = shown
    .filter((_, i) => i % every === 0)
    .slice(0, 6)
    .map((text) => {
      const found = topMatches(rowsOf(textEmbeddings, text, text + 1), candidates, 5);
      return {
        query: captions[text] ?? "",
        results: Array.from(found.indices, (image, rank) => ({
          image: pictures[image] as string,
          caption: firstCaption.get(image) ?? "",
          similarity: found.similarities[rank] ?? 0,
          correct: image === imageOfText[text],
        })),
      };
    });
  const among =
    pictures.length < imageEmbeddings.count ? `, among the first ${pictures.length}` : "";
  return { title: suite.title, note: `The five nearest pictures of each text${among}.`, items };
}

/** Planar pixels [3, S, S] as a PNG in a data URI. */
async function toDataUri(planes: Uint8Array, { dataset }: SuiteResult): Promise<string> {
  const side = dataset.imageSize;
  const area = side * side;
  const interleaved = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) interleaved[3 * i + c] = planes[c * area + i] as number;
  }
  const raw = { width: side, height: side, channels: 3 } as const;
  return imageDataUri(await sharp(interleaved, { raw }).png().toBuffer());
}
