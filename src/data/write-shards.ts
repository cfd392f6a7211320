/** Writes WebDataset shards that appear whole or not at all. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DigestTable } from "../arrays/digest-table.ts";
import { DataError } from "../errors.ts";
import { formatJson } from "../files/json-text.ts";
import { AtomicFile } from "../files/atomic-write.ts";
import { storageError } from "../files/storage.ts";
import type { PackSample } from "./sample.ts";
import { tarEnd, tarEntry } from "./sources/tar-format.ts";

export interface WriteShardsOptions {
  samples: AsyncIterable<PackSample> | Iterable<PackSample>;
  directory: string;
  /** Samples in each shard; the last one may hold fewer. */
  samplesPerShard: number;
  /** Shards are named `<prefix>-000000.tar`; by default `shard`. */
  prefix?: string;
}

/**
 * Writes samples into numbered shards: `key.png` (or .jpg, .webp), `key.txt` with the first caption,
 * which is all that open_clip and clip-retrieval read, and `key.json` with
 * `{ ...meta, captions, label }` unless there is exactly one caption and nothing else to say. Each shard is written under a temporary name, synced and renamed.
 *
 * returns   the paths of the shards in order, and the number of samples
 * throws    DataError naming shard and sample for an unusable or repeated key; StorageError naming
 *           the shard, such as for a full disk. Finished shards stay, the unfinished one is removed.
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
  let shard: AtomicFile | undefined;
  const keys = new DigestTable();
  try {
    for await (const sample of samples) {
      if (shard === undefined) {
        const number = String(shards.length).padStart(6, "0");
        shard = new AtomicFile(join(directory, `${prefix}-${number}.tar`));
      }
      checkKey(sample.key, shard.file, keys);
      for (const [name, contents] of sampleFiles(sample)) {
        write(shard, tarEntry(name, contents), sample.key);
      }
      count += 1;
      if (count % samplesPerShard === 0) {
        shards.push(finishShard(shard));
        shard = undefined;
      }
    }
    if (shard !== undefined) shards.push(finishShard(shard));
  } catch (error) {
    shard?.discard();
    throw error;
  }
  return { shards, samples: count };
}

/** The files of a sample: `[name, contents]`, image first. */
function sampleFiles(sample: PackSample): [string, Uint8Array][] {
  const { key, image, extension, captions, label, meta } = sample;
  const files: [string, Uint8Array][] = [[`${key}.${extension}`, image]];
  if (captions[0] !== undefined) files.push([`${key}.txt`, Buffer.from(captions[0], "utf8")]);
  if (captions.length !== 1 || label !== undefined || meta !== undefined) {
    // A label that was a number stays one.
    const known = meta !== undefined && Object.hasOwn(meta, "label") ? formatJson(meta.label) : "";
    const kept = label === undefined || known === label || known === `${label}.0`;
    const record = { ...meta, captions, ...(kept ? {} : { label }) };
    files.push([`${key}.json`, Buffer.from(formatJson(record), "utf8")]);
  }
  return files;
}

/** Readers end a key at the first dot of the file name, so a key must not contain one there. */
function checkKey(key: string, shard: string, seen: DigestTable): void {
  const base = key.slice(key.lastIndexOf("/") + 1);
  if (base === "" || base.includes(".") || /[\0\n\\]/.test(key) || key.startsWith("/")) {
    throw new DataError(
      `Expected a relative name without "." in its last part for key but received ` +
        `${JSON.stringify(key)}; rename the sample`,
      { source: shard, key },
    );
  }
  if (seen.change(key, (times) => times + 1) > 1) {
    throw new DataError(
      `Expected unique keys but received ${JSON.stringify(key)} twice; rename one of the samples`,
      { source: shard, key },
    );
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw storageError(directory, error, { kept: "nothing was written" });
  }
}

function write(shard: AtomicFile, bytes: Buffer, key: string): void {
  try {
    shard.write(bytes);
  } catch (error) {
    const what = `${shard.file} (sample ${key})`;
    throw storageError(shard.file, error, { what, kept: "finished shards were kept" });
  }
}

function finishShard(shard: AtomicFile): string {
  shard.write(tarEnd());
  shard.finish();
  return shard.file;
}
