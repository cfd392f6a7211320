/** Where caches lie, and what is said about one that is not there. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { differences, type CacheKey, type CacheKeyParts } from "./cache-key.ts";

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
  mkdirSync(folder, { recursive: true });
  writeTextAtomically(join(folder, KEY_FILE), `${JSON.stringify({ digest, ...parts }, null, 2)}\n`);
}

/** Why there is no cache of this key: in what the nearest other one of the same rows differs. */
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
    return JSON.parse(readFileSync(join(folder, KEY_FILE), "utf8")) as CacheKeyParts;
  } catch {
    return undefined;
  }
}
