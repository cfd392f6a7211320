/**
 * The quick start from end to end: packages, shards, vocabulary, training, evaluation, report.
 * Called by `limn quickstart`; prints only through what it is given.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createLoader,
  evaluationPreset,
  renderReport,
  runReport,
  train,
  trainTokenizer,
  writeShards,
  type TrainOptions,
  type TrainResult,
} from "limn";

import { buildEmojiDataset, type BuiltDataset } from "./dataset.ts";
import { emojiRecipe } from "./recipe.ts";
import { emojiSuites, splitSource, type SuiteSource } from "./suites.ts";
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
  mkdirSync(directory, { recursive: true });
  const packages = installPackages(join(directory, "packages"), note);
  const data = join(directory, "data");
  const built = await buildDataset(packages, data, note);
  const source = splitSource(data, "train", built.dataset.splits);
  const tokenizer = await vocabulary(join(directory, "tokenizer"), source, built, note);
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
  if (result.stopped !== "signal") await writeReport(result, built, report);
  return { result, text: summaryLines(result.suites, built).join("\n"), report };
}

async function writeReport(result: TrainResult, built: BuiltDataset, file: string): Promise<void> {
  const summary = summaryOf(result.suites, built);
  const data = await runReport(result, {
    title: "limn quick start: emoji",
    summary,
    pictured: ["vendor", "lines", "unseen"],
  });
  writeFileSync(file, renderReport(data));
}

/** npm's packages with the pictures and names, in a folder of their own. */
function installPackages(folder: string, note: (line: string) => void): string {
  const manifest = fileURLToPath(new URL("package.json", import.meta.url));
  const wanted = readFileSync(manifest, "utf8");
  const stamp = join(folder, "installed.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return folder;
  note("Fetching pictures and names of emoji from npm (150 MB, once) ...");
  mkdirSync(folder, { recursive: true });
  copyFileSync(manifest, join(folder, "package.json"));
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const run = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell: false });
  if (run.status !== 0) {
    const reason = (run.error?.message ?? run.stderr).trim().split("\n").slice(-3).join(" ");
    throw new Error(
      `Expected npm to install the emoji packages in ${folder} but it failed: ${reason}; ` +
        "check the network and npm's settings, then run the quick start again",
    );
  }
  writeFileSync(stamp, wanted);
  return folder;
}

async function buildDataset(
  packages: string,
  directory: string,
  note: (line: string) => void,
): Promise<BuiltDataset> {
  let last = "";
  return buildEmojiDataset({
    packages,
    directory,
    writeShards,
    onProgress: (message) => {
      if (message !== last) note(`${message} ...`);
      last = message;
    },
  });
}

/** A vocabulary of the training captions, in all their languages. */
async function vocabulary(
  folder: string,
  source: SuiteSource,
  built: BuiltDataset,
  note: (line: string) => void,
): Promise<string> {
  const file = join(folder, "tokenizer.json");
  const stamp = join(folder, "stamp");
  const wanted = `${built.dataset.stamp} ${vocabSize} ${contextLength}`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return file;
  note("Training a vocabulary on the captions ...");
  await trainTokenizer({ texts: captionsOf(source), vocabSize, contextLength, folder });
  writeFileSync(stamp, wanted);
  return file;
}

async function* captionsOf(source: SuiteSource): AsyncGenerator<string> {
  const transform = evaluationPreset("clip", 8);
  const loader = await createLoader({ source, transform, batchSize: 64, mode: "evaluate" });
  try {
    for await (const batch of loader) yield* batch.captions;
  } finally {
    await loader.close();
  }
}
