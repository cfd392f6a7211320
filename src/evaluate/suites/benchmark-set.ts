/**
 * A set in the layout of CLIP_benchmark (webdataset_builder.py and build_wds_dataset of its datasets/builder.py),
 * which DataComp's evaluation shares:
 *
 *     classnames.txt                             a name in each line, whose number is the label
 *     zeroshot_classification_templates.txt      with {c} where the name goes
 *     dataset_type.txt                           absent for classification; retrieval, multilabel
 *     test/nshards.txt, test/0.tar ...           key.webp (.png, .jpg) with key.cls; key.txt, a caption in each
 *                                                line, for retrieval; key.npy for multilabel
 *
 * The texts may also lie beside the shards. Opens no shard.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { directoryEntries } from "../../data/paths/directory-entries.ts";
import type { WebDatasetSpec } from "../../data/sources/source-spec.ts";
import { counted, DataError, didYouMean } from "../../errors.ts";
import { readingReason, readTextFile } from "../../files/regular-file.ts";
import { benchmarkClasses, benchmarkTemplatesOf } from "../benchmark-folder.ts";
import { readClasses, type NamedClass } from "../read-classes.ts";

const benchmarkTypes = ["classification", "retrieval", "multilabel"] as const;

export type BenchmarkType = (typeof benchmarkTypes)[number];

export interface BenchmarkSet {
  /** The folder of the texts; as `classes` of a task it stands for them and their templates. */
  readonly folder: string;
  /** The folder of the shards. */
  readonly split: string;
  readonly type: BenchmarkType;
  readonly source: WebDatasetSpec;
  /** In the order of the labels; none where the set has no `classnames.txt`, as those for retrieval. */
  readonly classes: readonly NamedClass[];
  /** With `{}` as the place of the name; undefined where the set has none. */
  readonly templates: readonly string[] | undefined;
  /** What is unusual and does no harm, in sentences. */
  readonly notes: readonly string[];
}

export interface BenchmarkSetOptions {
  /** Folder of the shards inside the set's. Default `test`. */
  split?: string;
  /** Names of the numbers in `key.npy`. */
  npyColumns?: readonly string[] | undefined;
}

const SHARD_COUNT = "nshards.txt";
const TYPE = "dataset_type.txt";
/** ImageNet-21k has 1,400 shards of 10,000 pictures. */
const MOST_SHARDS = 100_000;
const MOST_TEXT = 1 << 10;
/** Names that a message lists. */
const SHOWN = 5;

/** Whether a folder is a set, or the split of one that says how many shards it has. */
export function isBenchmarkSet(folder: string, split = "test"): boolean {
  const inside = join(folder, split);
  if ([folder, inside].some((one) => existsSync(join(one, SHARD_COUNT)))) return true;
  const hasTexts = [benchmarkClasses, TYPE].some((name) => existsSync(join(folder, name)));
  return hasTexts && isFolder(inside) && shardNumbers(inside).length > 0;
}

/**
 * path    the set's folder, or that of a split
 * throws  DataError or SettingError naming the file: no set, a number of shards that is none, a shard that is not
 *         there, an unknown type, classes or templates that cannot be read
 */
export function openBenchmarkSet(
  path: string,
  { split: name = "test", npyColumns }: BenchmarkSetOptions = {},
): BenchmarkSet {
  const split = splitOf(path, name);
  const folder = textsOf(split);
  const { shards, notes } = shardsOf(split);
  const type = typeOf(folder);
  const isRetrieval = type === "retrieval";
  return {
    folder,
    split,
    type,
    source: {
      kind: "webdataset",
      shards,
      ...(isRetrieval && { captionPerLine: true }),
      ...(npyColumns !== undefined && { npyColumns: [...npyColumns] }),
    },
    classes: existsSync(join(folder, benchmarkClasses)) ? readClasses(folder) : [],
    templates: benchmarkTemplatesOf(folder),
    notes,
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function splitOf(path: string, name: string): string {
  if (!isFolder(path)) {
    const received = existsSync(path) ? "a file" : "nothing there";
    throw new DataError(
      `Expected the folder of a set at ${path} but received ${received}; check the path`,
      { source: path },
    );
  }
  const inside = join(path, name);
  if (existsSync(join(inside, SHARD_COUNT))) return inside;
  // The folder of a split itself.
  if (existsSync(join(path, SHARD_COUNT))) return path;
  if (isFolder(inside)) return inside;
  const splits = directoryEntries(path)
    .map((entry) => entry.name)
    .filter((one) => existsSync(join(path, one, SHARD_COUNT)));
  const cure =
    splits.length > 0 ? `it has ${splits.join(", ")}: name one of them` : "fetch the set again";
  throw new DataError(
    `Expected ${name}/${SHARD_COUNT} in ${path} for a set of CLIP_benchmark but received none; ${cure}`,
    { source: path },
  );
}

/** Of a split: where the texts lie, beside the shards or in the folder above. */
function textsOf(split: string): string {
  const names = [benchmarkClasses, TYPE];
  const above = dirname(resolve(split)) === resolve(split) ? split : join(split, "..");
  const found = [split, above].find((one) => names.some((name) => existsSync(join(one, name))));
  return found ?? above;
}

function shardsOf(split: string): { shards: string[]; notes: string[] } {
  const file = join(split, SHARD_COUNT);
  const text = read(file, "the number of shards").trim();
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MOST_SHARDS) {
    throw new DataError(
      `Expected a number from 1 to ${MOST_SHARDS} in ${file} but received ${JSON.stringify(text.slice(0, 40))}; ` +
        "write how many shards there are",
      { source: file },
    );
  }
  const numbers = shardNumbers(split);
  const there = new Set(numbers);
  const all = Array.from({ length: count }, (_, i) => i);
  const missing = all.filter((number) => !there.has(number));
  if (missing.length > 0) {
    throw new DataError(
      `Expected ${counted(count, "shard")}, as ${file} says, but received ${count - missing.length}: ` +
        `${listed(missing)} ${missing.length === 1 ? "is" : "are"} missing; fetch the set again`,
      { source: split },
    );
  }
  const behind = numbers.filter((number) => number >= count);
  const note =
    `${listed(behind)} in ${split} ${behind.length === 1 ? "lies" : "lie"} behind the ` +
    `${counted(count, "shard")} of ${SHARD_COUNT} and ${behind.length === 1 ? "is" : "are"} not read`;
  return {
    shards: all.map((number) => join(split, `${number}.tar`)),
    notes: behind.length === 0 ? [] : [note],
  };
}

/** Of `0.tar`, `1.tar` and so on. */
function shardNumbers(split: string): number[] {
  return directoryEntries(split)
    .map(({ name }) => Number(/^(0|[1-9]\d{0,8})\.tar$/.exec(name)?.[1] ?? NaN))
    .filter((number) => !Number.isNaN(number))
    .sort((a, b) => a - b);
}

function listed(numbers: readonly number[]): string {
  const names = numbers.slice(0, SHOWN).map((number) => `${number}.tar`);
  return numbers.length > SHOWN
    ? `${names.join(", ")} and ${numbers.length - SHOWN} more`
    : names.join(", ");
}

function typeOf(folder: string): BenchmarkType {
  const file = join(folder, TYPE);
  if (!existsSync(file)) return "classification";
  const text = read(file, "the kind of a set").trim().toLowerCase();
  const type = benchmarkTypes.find((one) => one === text);
  if (type !== undefined) return type;
  throw new DataError(
    `Expected one of ${benchmarkTypes.join(", ")} in ${file} but received ` +
      `${JSON.stringify(text.slice(0, 40))}; correct it.${didYouMean(text, benchmarkTypes)}`,
    { source: file },
  );
}

function read(file: string, what: string): string {
  try {
    return readTextFile(file, MOST_TEXT);
  } catch (cause) {
    throw new DataError(
      `Expected ${what} in ${file} but cannot read it (${readingReason(cause)}); fetch the set again`,
      { source: file },
      { cause },
    );
  }
}
