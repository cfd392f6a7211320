/**
 * What cached rows were computed from, and the folder that they lie in. Each part of a key can be read
 * by people, so that two keys that differ can say in what; the digest of all of them names the folder.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { DataFingerprint } from "../../data/data-fingerprint.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { readTextFile } from "../../files/regular-file.ts";
import { makeFolder } from "../../files/storage.ts";
import { canonical, digestOf, PIPELINE } from "../../inference/features/identity.ts";
import type { RowDType } from "./row-file.ts";

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
  return { digest: digestOf({ ...parts, pipeline: PIPELINE }), parts };
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

const KEY_FILE = "key.json";
/** Other caches that are compared at most. */
const MOST_COMPARED = 200;

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
