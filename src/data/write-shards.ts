/** Writes WebDataset shards that appear whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../errors.ts";
import type { PackSample } from "./sample.ts";
import { tarEnd, tarEntry } from "./sources/tar-write.ts";

export interface WriteShardsOptions {
  samples: AsyncIterable<PackSample> | Iterable<PackSample>;
  directory: string;
  /** Samples in each shard; the last one may hold fewer. */
  samplesPerShard: number;
  /** Shards are named `<prefix>-000000.tar`; by default `shard`. */
  prefix?: string;
}

/**
 * Writes samples into numbered shards: `key.png` (or .jpg, .webp), with `key.txt` when there is
 * exactly one caption and nothing else to say, otherwise `key.json` with
 * `{ captions, label, ...meta }`. Each shard is written under a temporary name, synced and renamed.
 *
 * returns   the paths of the shards in order, and the number of samples
 * throws    DataError naming shard and sample: an unusable or repeated key, a full disk. Shards
 *           that were already finished stay; the unfinished one is removed.
 */
export async function writeShards(
  options: WriteShardsOptions,
): Promise<{ shards: string[]; samples: number }> {
  const { samples, directory, samplesPerShard, prefix = "shard" } = options;
  if (!Number.isInteger(samplesPerShard) || samplesPerShard < 1) {
    throw new RangeError(
      `Expected a positive integer for samplesPerShard but received ${samplesPerShard}`,
    );
  }
  makeDirectory(directory);
  const shards: string[] = [];
  let count = 0;
  let shard: OpenShard | undefined;
  const keys = new Set<string>();
  try {
    for await (const sample of samples) {
      if (shard === undefined) {
        const number = String(shards.length).padStart(6, "0");
        shard = openShard(join(directory, `${prefix}-${number}.tar`));
      }
      checkKey(sample.key, shard.path, keys);
      for (const [name, contents] of sampleFiles(sample)) {
        writeAll(shard, tarEntry(name, contents), sample.key);
      }
      count += 1;
      if (count % samplesPerShard === 0) {
        shards.push(finishShard(shard));
        shard = undefined;
      }
    }
    if (shard !== undefined) shards.push(finishShard(shard));
  } catch (error) {
    if (shard !== undefined) discardShard(shard);
    throw error;
  }
  return { shards, samples: count };
}

/** The files of a sample: `[name, contents]`, image first. */
function sampleFiles(sample: PackSample): [string, Uint8Array][] {
  const { key, image, extension, captions, label, meta } = sample;
  const files: [string, Uint8Array][] = [[`${key}.${extension}`, image]];
  if (captions.length === 1 && label === undefined && meta === undefined) {
    files.push([`${key}.txt`, Buffer.from(captions[0]!, "utf8")]);
  } else {
    const record = { ...meta, captions, ...(label === undefined ? {} : { label }) };
    files.push([`${key}.json`, Buffer.from(JSON.stringify(record), "utf8")]);
  }
  return files;
}

/** Readers end a key at the first dot of the file name, so a key must not contain one there. */
function checkKey(key: string, shard: string, seen: Set<string>): void {
  const base = key.slice(key.lastIndexOf("/") + 1);
  if (base === "" || base.includes(".") || /[\0\n\\]/.test(key) || key.startsWith("/")) {
    throw new DataError(
      `Expected a relative name without "." in its last part for key but received ` +
        `${JSON.stringify(key)}; rename the sample`,
      { source: shard, key },
    );
  }
  if (seen.has(key)) {
    throw new DataError(
      `Expected unique keys but received ${JSON.stringify(key)} twice; rename one of the samples`,
      { source: shard, key },
    );
  }
  seen.add(key);
}

interface OpenShard {
  path: string;
  temporary: string;
  file: number;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw writeError(directory, undefined, error);
  }
}

function openShard(path: string): OpenShard {
  const temporary = `${path}.${process.pid}.partial`;
  try {
    return { path, temporary, file: openSync(temporary, "w") };
  } catch (error) {
    throw writeError(path, undefined, error);
  }
}

function writeAll(shard: OpenShard, bytes: Buffer, key?: string): void {
  try {
    let done = 0;
    while (done < bytes.length) done += writeSync(shard.file, bytes, done);
  } catch (error) {
    throw writeError(shard.path, key, error);
  }
}

function finishShard(shard: OpenShard): string {
  writeAll(shard, tarEnd());
  try {
    fsyncSync(shard.file);
    closeSync(shard.file);
    shard.file = -1;
    renameSync(shard.temporary, shard.path);
    syncDirectory(join(shard.path, ".."));
  } catch (error) {
    throw writeError(shard.path, undefined, error);
  }
  return shard.path;
}

/** A rename is on disk only once its directory is; some systems cannot sync one, which is fine. */
function syncDirectory(directory: string): void {
  try {
    const handle = openSync(directory, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // Windows refuses to open directories; its renames need no sync.
  }
}

function discardShard(shard: OpenShard): void {
  try {
    if (shard.file >= 0) closeSync(shard.file);
  } catch {
    // The first error is the one to report.
  }
  rmSync(shard.temporary, { force: true });
}

function writeError(path: string, key: string | undefined, cause: unknown): DataError {
  const code = (cause as NodeJS.ErrnoException).code;
  const cure =
    code === "ENOSPC" || code === "EDQUOT"
      ? "the disk is full: free some space or choose another directory; finished shards were kept"
      : code === "EACCES" || code === "EROFS" || code === "EPERM"
        ? "the directory is not writable: choose another one"
        : "see the cause";
  const at = key === undefined ? { source: path } : { source: path, key };
  const sample = key === undefined ? "" : ` (sample ${key})`;
  return new DataError(
    `Expected to write ${path}${sample} but received ${code ?? String(cause)}; ${cure}`,
    at,
    { cause },
  );
}
