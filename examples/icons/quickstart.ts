/**
 * The quick start from end to end: icon sets, shards, vocabulary, training, evaluation, report.
 * Called by `limn quickstart`; prints only through what it is given.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StorageError, train, type Precision, type TrainOptions, type TrainResult } from "limn";
import { runReport, writeReport } from "limn/report";

import type { BuiltIcons } from "./dataset.ts";
import { installedSets, prepareIcons } from "./prepare.ts";
import { prepareLargeIcons } from "./prepare-large.ts";
import { iconRecipe, trainingPrecision } from "./recipe.ts";
import { iconSearches } from "./searches.ts";
import { askedSets, iconSource, iconTokenizer, testSuites } from "./suites.ts";
import { summaryLines, summaryOf } from "./summary.ts";
import { buildTopics } from "./topics.ts";

export interface QuickstartOptions {
  /** Everything lies in here: packages, data, run. */
  directory: string;
  seed?: number;
  /** All of iconify's sets in small pictures, instead of the quick start's. */
  large?: boolean;
  set?: readonly string[];
  /** What the device multiplies in; this machine's when absent. */
  precisions?: readonly Precision[];
  progress?: NonNullable<TrainOptions["progress"]>;
  /** A line for the reader. */
  note: (line: string) => void;
}

export interface QuickstartResult {
  result: TrainResult;
  /** What a newcomer reads in the terminal. */
  text: string;
  report: string;
}

export default async function quickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const { directory, note, seed = 0, large = false } = options;
  checkDirectory(directory);
  mkdirSync(directory, { recursive: true });
  const built = await (large ? prepareLargeIcons : prepareIcons)({ directory, note });
  const precision = trainingPrecision(options.precisions);
  if (precision === "float32") {
    note("Training in float32, as no instructions for bfloat16 were found: fewer steps a minute.");
  }
  note("Training two towers to bring each icon and its name together ...");
  const result = await train({
    recipe: iconRecipe({
      train: iconSource(built, "train"),
      suites: testSuites(built),
      tokenizer: iconTokenizer(built),
      imageSize: built.dataset.options.imageSize,
      seed,
      precision,
    }),
    directory: join(directory, `run-${large ? "large-" : ""}seed-${seed}`),
    set: options.set ?? [],
    handleSignals: true,
    pictures: 1000,
    ...(options.progress ? { progress: options.progress } : {}),
  });
  const report = join(result.directory, "report.html");
  if (result.stopped === "signal") {
    return { result, text: "Stopped before the end; run it again to go on.", report };
  }
  await saveReport(result, built, report);
  const lines = summaryLines(result.suites, built);
  const packages = join(directory, "packages");
  const topics = large ? undefined : await buildTopics(built, installedSets(packages));
  if (topics !== undefined) {
    const model = join(result.directory, "model");
    lines.push(
      "",
      `21 topics, each with an interval: limn suite run ${model} --suite ${topics}`,
      `Authors and styles compared: limn audit ${model} ${join(dirname(topics), "all")} ` +
        "--groups author --groups style",
    );
  }
  return { result, text: lines.join("\n"), report };
}

/** Everything in the folder is made here, and made again where it has changed. */
function checkDirectory(directory: string): void {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const ours = ["packages", "packages-large"].map((name) => join(directory, name, "package.json"));
  if (names.length === 0 || ours.some(isOurs)) return;
  throw new StorageError(
    directory,
    `Expected a new folder, or one of the quick start, for ${directory} but received one with ` +
      `${names.slice(0, 3).join(", ")}; choose another --directory`,
  );
}

/** Many projects have packages of their own. */
function isOurs(manifest: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(manifest, "utf8")) as { name?: string };
    return name === "limn-example-icons" || name === "limn-example-icons-large";
  } catch {
    return false;
  }
}

async function saveReport(result: TrainResult, built: BuiltIcons, file: string): Promise<void> {
  const sets = askedSets(built);
  const data = await runReport(result, {
    title: "limn quick start: icons",
    summary: summaryOf(result.suites, built),
    searches: [iconSearches(built)],
    pictured: [...sets.map(({ prefix }) => prefix), "unseen"],
  });
  writeReport(file, data);
}
