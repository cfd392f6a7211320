/**
 * What cached rows were computed from, and the folder that they lie in. Each part of a key can be read
 * by people, so that two keys that differ can say in what; the digest of all of them names the folder.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { TrainingAugmentation } from "../../data/image/training-transform.ts";
import { saveTokenizer, type Tokenizer } from "../../text/index.ts";
import type { Module } from "../../nn/module.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { isOwnName } from "../../files/folder-record.ts";
import { readTextFile } from "../../files/regular-file.ts";
import { makeFolder, makeUniqueFolder } from "../../files/storage.ts";
import { allocate } from "../../torch/dtype.ts";
import type { DataFingerprint } from "./data-fingerprint.ts";
import type { RowDType } from "./row-file.ts";

/** Raised when limn decodes, resizes or augments otherwise than before, so that old caches end. */
const PIPELINE = 1;

export interface CacheKeyParts {
  /** What a row is. */
  rows: "image features" | "text features" | "pixels";
  data: DataFingerprint;
  dtype: RowDType;
  /** From `preprocessingPart` or `tokenizerPart`. */
  preprocessing: unknown;
  /** From `hashWeights`; absent for pixels. */
  weights?: string;
  /** The tower's configuration. */
  tower?: unknown;
  /** Of the products that the tower computes. */
  precision?: "float32" | "bfloat16";
}

export interface CacheKey {
  /** 32 hexadecimal digits. */
  digest: string;
  parts: CacheKeyParts;
}

export function createCacheKey(parts: CacheKeyParts): CacheKey {
  const identity = canonical({ ...parts, pipeline: PIPELINE });
  return { digest: createHash("sha256").update(identity).digest("hex").slice(0, 32), parts };
}

/**
 * How pictures become pixels, without what has no influence on the stored rows: the seed where nothing
 * is augmented, mean and deviation where pixels are stored before they are normalised.
 */
export function preprocessingPart(options: {
  transform: EvaluationTransform;
  augmentation?: TrainingAugmentation | undefined;
  /** Where it is set: larger pictures have no row. */
  maxPixels?: number | undefined;
  seed: number;
  normalized: boolean;
}): unknown {
  const { mean, std, ...sized } = options.transform;
  const transform = options.normalized ? { ...sized, mean, std } : sized;
  const { augmentation, maxPixels, seed } = options;
  const bound = maxPixels === undefined ? {} : { maxPixels };
  if (augmentation === undefined) return { transform, ...bound };
  return { transform, augmentation, seed, ...bound };
}

/** The contents of the tokenizer's files; where they came from does not matter. */
export async function tokenizerPart(tokenizer: Tokenizer): Promise<unknown> {
  const folder = makeUniqueFolder(join(tmpdir(), "limn-tokenizer-"));
  try {
    await saveTokenizer(tokenizer, folder);
    const hash = createHash("sha256");
    for (const name of readdirSync(folder).sort()) {
      if (isOwnName(name)) continue;
      hash.update(JSON.stringify([name, readFileSync(join(folder, name), "utf8")]));
    }
    const { contextLength, vocabSize } = tokenizer;
    return { tokenizer: hash.digest("hex").slice(0, 32), contextLength, vocabSize };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Digest of every parameter and buffer by name, type, shape and content, without those whose name
 * starts with `except` (a head that is trained on a locked tower). 350 MB take about half a second.
 */
export function hashWeights(tower: Module, { except }: { except?: string } = {}): string {
  const hash = createHash("sha256");
  for (const [name, tensor] of tower.namedState()) {
    if (except !== undefined && name.startsWith(except)) continue;
    hash.update(JSON.stringify([name, tensor.dtype, tensor.shape]));
    const data = allocate(tensor.dtype, tensor.count);
    tensor.copyInto(data);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 32);
}

const WORDS: Record<keyof CacheKeyParts, string> = {
  rows: "what the rows are",
  weights: "the weights",
  tower: "the tower's configuration",
  preprocessing: "the preprocessing",
  data: "the data",
  precision: "the precision of the tower",
  dtype: "the stored type",
};

/** The parts in which two keys differ, in words. */
function differences(a: CacheKeyParts, b: CacheKeyParts): string[] {
  const keys = Object.keys(WORDS) as (keyof CacheKeyParts)[];
  return keys.filter((key) => canonical(a[key]) !== canonical(b[key])).map((key) => WORDS[key]);
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

const KEY_FILE = "key.json";
/** Other caches that are compared at most. */
const MOST_COMPARED = 200;

/**
 * The folder of all caches, the same for every run of a user: `LIMN_CACHE`, else
 * `$XDG_CACHE_HOME/limn`, else `~/.cache/limn`; in it `embeddings`.
 */
export function defaultCacheRoot(environment: NodeJS.ProcessEnv = process.env): string {
  const { LIMN_CACHE: own, XDG_CACHE_HOME: shared } = environment;
  const base = own || join(shared || join(homedir(), ".cache"), "limn");
  return join(base, "embeddings");
}

export function cacheFolder(root: string, { digest }: CacheKey): string {
  return join(root, digest);
}

/** The rows of one view, from 0. */
export function viewFile(folder: string, view: number): string {
  return join(folder, `view-${view}.rows`);
}

/** Writes what the cache was made from, for people and for `explainMissing`. */
export function saveKey(folder: string, { digest, parts }: CacheKey): void {
  makeFolder(folder);
  writeTextAtomically(join(folder, KEY_FILE), `${JSON.stringify({ digest, ...parts }, null, 2)}\n`);
}

/** Why there is no cache of this key: how the most similar cache of the same kind of rows differs. */
export function explainMissing(root: string, { digest, parts }: CacheKey): string {
  let nearest: string[] | undefined;
  for (const name of listFolders(root)) {
    const other = name === digest ? undefined : readKey(join(root, name));
    if (other?.rows !== parts.rows) continue;
    const differing = differences(parts, other);
    if (nearest === undefined || differing.length < nearest.length) nearest = differing;
  }
  if (nearest === undefined || nearest.length === 0) return "there is none yet";
  const [last, ...others] = nearest.toReversed();
  const listed = others.length === 0 ? last : `${others.toReversed().join(", ")} and ${last}`;
  return `there is none yet; compared with the nearest other one, ${listed} differ`;
}

function listFolders(root: string): string[] {
  try {
    return readdirSync(root).slice(0, MOST_COMPARED);
  } catch {
    return [];
  }
}

function readKey(folder: string): CacheKeyParts | undefined {
  try {
    return JSON.parse(readTextFile(join(folder, KEY_FILE))) as CacheKeyParts;
  } catch {
    return undefined;
  }
}
