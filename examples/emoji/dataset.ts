/**
 * Builds the dataset once: reads the packages, renders, splits, packs WebDataset
 * shards, and writes classes.json and evaluations.json beside them.
 *
 *     directory/dataset.json       what was built, from which versions and options; written last
 *     directory/classes.json       all about the emoji: names, groups, which were never trained on
 *     directory/classes/*.json     candidates of zero-shot classification, as limn's suites read them
 *     directory/evaluations.json   what to measure, with chance
 *     directory/<split>/*.tar      shards
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { emojiClasses, type EmojiClasses } from "./classes.ts";
import { conceptsOf } from "./concepts.ts";
import {
  resolveOptions,
  type EmojiDatasetOptions,
  type ResolvedOptions,
  type WriteShards,
} from "./options.ts";
import { emojiEvaluations, type EvaluationPart } from "./evaluation.ts";
import { identicalPictures, renderAll, type Pictures } from "./render.ts";
import { makeSamples, type EmojiSample } from "./samples.ts";
import { classFiles } from "./suites.ts";
import { installedVersions, readEmoji, type EmojiTable } from "./sources.ts";
import { chooseSplit, splits, type Split, type SplitChoice } from "./split.ts";

/** Raised when the same options would give other bytes, so that old shards are rebuilt. */
const formatVersion = 3;

export interface SplitSummary {
  pictures: number;
  emoji: number;
  styles: Record<string, number>;
  groups: Record<string, number>;
  /** Captions by language, as weighted for training. */
  captions: Record<string, number>;
  shards: string[];
  bytes: number;
}

export interface EmojiDataset {
  stamp: string;
  versions: Record<string, string>;
  options: ResolvedOptions;
  emoji: number;
  concepts: number;
  unseenEmoji: number;
  /** Emoji left out because their picture equals another's, such as flags of dependent territories. */
  identical: string[];
  /** Emoji whose line drawing equals another's, such as hearts of all colours: not in test-lines. */
  identicalLines: number;
  splits: Record<Split, SplitSummary>;
  /** Seconds that building took. */
  seconds: number;
}

export interface BuiltDataset {
  dataset: EmojiDataset;
  classes: EmojiClasses;
  evaluations: EvaluationPart[];
  /** False where the shards of an earlier build were found and kept. */
  built: boolean;
}

/**
 * Builds the dataset, or finds it built from the same package versions and options.
 *
 * throws  Error naming a missing package, an unreadable picture or an unknown option
 */
export async function buildEmojiDataset(options: EmojiDatasetOptions): Promise<BuiltDataset> {
  const { packages, directory, writeShards, onProgress = () => {}, ...given } = options;
  const resolved = resolveOptions(given);
  const versions = installedVersions(packages);
  const stamp = stampOf(resolved, versions);
  const earlier = await readBuilt(directory, stamp);
  if (earlier !== undefined) return earlier;

  const start = performance.now();
  await rm(join(directory, "dataset.json"), { force: true });
  const table = readEmoji(packages, resolved.languages);
  const pictures = await renderAll(packages, table.emoji, resolved.imageSize, (share) =>
    onProgress("Drawing emoji", 0.9 * share),
  );
  const plan = planDataset(table, pictures, resolved);
  onProgress("Packing shards", 0.9);
  const summaries = await packSplits(plan.samples, directory, resolved, writeShards);
  const dataset: EmojiDataset = {
    stamp,
    versions,
    options: resolved,
    emoji: plan.classes.emoji.length,
    concepts: new Set(plan.classes.emoji.map((one) => one.concept)).size,
    unseenEmoji: plan.choice.unseen.size,
    identical: plan.identical,
    identicalLines: plan.identicalLines,
    splits: summaries,
    seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
  };
  const evaluations = emojiEvaluations(plan.samples, plan.classes);
  await writeJson(directory, "classes.json", plan.classes);
  await mkdir(join(directory, "classes"), { recursive: true });
  for (const [name, list] of Object.entries(classFiles(plan.classes))) {
    await writeJson(join(directory, "classes"), name, list);
  }
  await writeJson(directory, "evaluations.json", evaluations);
  await writeJson(directory, "dataset.json", dataset);
  onProgress("Dataset ready", 1);
  return { dataset, classes: plan.classes, evaluations, built: true };
}

interface DatasetPlan {
  classes: EmojiClasses;
  choice: SplitChoice;
  samples: EmojiSample[];
  identical: string[];
  identicalLines: number;
}

function planDataset(table: EmojiTable, pictures: Pictures, options: ResolvedOptions): DatasetPlan {
  const { dropped, lines } = identicalPictures(table.emoji, pictures);
  const kept = table.emoji.filter((one) => !dropped.has(one.hexcode));
  const concepts = conceptsOf(kept);
  const choice = chooseSplit(
    kept.map((one) => ({ ...one, concept: concepts.get(one.hexcode) ?? one.hexcode })),
    options,
  );
  const samples = makeSamples(
    { emoji: kept, categories: table.categories, concepts, choice, pictures, sameLines: lines },
    options,
  );
  return {
    classes: emojiClasses(kept, table.categories, concepts, choice.unseen),
    choice,
    samples,
    identical: table.emoji.filter((one) => dropped.has(one.hexcode)).map((one) => one.label),
    identicalLines: kept.filter((one) => lines.has(one.hexcode)).length,
  };
}

async function packSplits(
  samples: readonly EmojiSample[],
  directory: string,
  options: ResolvedOptions,
  writeShards: WriteShards,
): Promise<Record<Split, SplitSummary>> {
  const summaries: [Split, SplitSummary][] = [];
  for (const split of splits) {
    const chosen = samples.filter((sample) => sample.split === split);
    const folder = join(directory, split);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const written = await writeShards({
      samples: chosen.map((sample) => sample.packed),
      directory: folder,
      samplesPerShard: options.samplesPerShard,
    });
    const shards = written.shards.map((path) => basename(path));
    const sizes = await Promise.all(shards.map((name) => stat(join(folder, name))));
    const bytes = sizes.reduce((sum, { size }) => sum + size, 0);
    summaries.push([split, { ...summaryOf(chosen), shards, bytes }]);
  }
  return Object.fromEntries(summaries) as Record<Split, SplitSummary>;
}

function summaryOf(samples: readonly EmojiSample[]): Omit<SplitSummary, "shards" | "bytes"> {
  return {
    pictures: samples.length,
    emoji: new Set(samples.map((sample) => sample.label)).size,
    styles: countBy(samples.map((sample) => sample.style)),
    groups: countBy(samples.map((sample) => sample.group)),
    captions: countBy(samples.flatMap((sample) => sample.captionLanguages)),
  };
}

function countBy(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

function stampOf(options: ResolvedOptions, versions: Record<string, string>): string {
  const text = JSON.stringify([formatVersion, options, versions]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** An earlier build counts only where every shard it lists is there in full. */
async function readBuilt(directory: string, stamp: string): Promise<BuiltDataset | undefined> {
  try {
    const dataset = (await readBuiltJson(directory, "dataset.json")) as EmojiDataset;
    if (dataset.stamp !== stamp) return undefined;
    for (const [split, { shards, bytes }] of Object.entries(dataset.splits)) {
      const sizes = await Promise.all(shards.map((name) => stat(join(directory, split, name))));
      if (sizes.reduce((sum, { size }) => sum + size, 0) !== bytes) return undefined;
    }
    await stat(join(directory, "classes"));
    const classes = (await readBuiltJson(directory, "classes.json")) as EmojiClasses;
    const evaluations = (await readBuiltJson(directory, "evaluations.json")) as EvaluationPart[];
    return { dataset, classes, evaluations, built: false };
  } catch {
    return undefined;
  }
}

async function readBuiltJson(directory: string, name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(directory, name), "utf8")) as unknown;
}

async function writeJson(directory: string, name: string, value: unknown): Promise<void> {
  const temporary = join(directory, `.${name}.partial`);
  await writeFile(temporary, `${JSON.stringify(value, null, 1)}\n`);
  await rename(temporary, join(directory, name));
}
