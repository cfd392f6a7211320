/**
 * The quick start from end to end: packages, shards, vocabulary, training, evaluation, report.
 * Called by `limn quickstart`; prints only through what it is given.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { StorageError, train, type TrainOptions, type TrainResult } from "limn";
import { runReport, writeReport } from "limn/report";

import type { BuiltDataset } from "./dataset.ts";
import { buildShards, installEmoji, trainVocabulary } from "./prepare.ts";
import { emojiRecipe } from "./recipe.ts";
import { emojiSuites, splitSource } from "./suites.ts";
import { summaryLines, summaryOf } from "./summary.ts";

export interface QuickstartOptions {
  /** Everything lies in here: packages, shards, vocabulary, run. */
  directory: string;
  seed?: number;
  set?: readonly string[];
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

const vocabSize = 6000;
const contextLength = 32;

export default async function quickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const { directory, note, seed = 0 } = options;
  checkDirectory(directory);
  mkdirSync(directory, { recursive: true });
  const packages = installEmoji(join(directory, "packages"), note);
  const data = join(directory, "data");
  const built = await buildShards(packages, data, note);
  const source = splitSource(data, "train", built.dataset.splits);
  const tokenizer = await trainVocabulary({
    folder: join(directory, "tokenizer"),
    source,
    stamp: built.dataset.stamp,
    vocabSize,
    contextLength,
    note,
  });
  note("Training two towers to bring each picture and its names together (at most 4 minutes) ...");
  const result = await train({
    recipe: emojiRecipe({
      train: source,
      suites: emojiSuites(data, built.evaluations, built.dataset.splits),
      tokenizer,
      contextLength,
      seed,
    }),
    directory: join(directory, `run-seed-${seed}`),
    set: options.set ?? [],
    handleSignals: true,
    pictures: 2000,
    ...(options.progress ? { progress: options.progress } : {}),
  });
  const report = join(result.directory, "report.html");
  if (result.stopped !== "signal") await saveReport(result, built, report);
  return { result, text: summaryLines(result.suites, built).join("\n"), report };
}

/** Everything in the folder is made here, and made again where it has changed. */
function checkDirectory(directory: string): void {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  if (names.length === 0 || isOurs(join(directory, "packages", "package.json"))) return;
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
    return name === "limn-example-emoji";
  } catch {
    return false;
  }
}

async function saveReport(result: TrainResult, built: BuiltDataset, file: string): Promise<void> {
  const summary = summaryOf(result.suites, built);
  const data = await runReport(result, {
    title: "limn quick start: emoji",
    summary,
    pictured: ["vendor", "lines", "unseen"],
  });
  writeReport(file, data);
}
