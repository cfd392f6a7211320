/** Writes WebDataset shards that appear whole or not at all. */
import { basename, join } from "node:path";
import { DigestTable } from "../arrays/digest-table.ts";
import { DataError } from "../errors.ts";
import { writeFolderAtomically } from "../files/atomic-folder.ts";
import { formatJson } from "../files/json-text.ts";
import { AtomicFile } from "../files/atomic-write.ts";
import type { PackSample } from "./sample.ts";
import { sampleName } from "./sources/sample-groups.ts";
import { tarEnd, tarEntry } from "./sources/tar-format.ts";

export interface WriteShardsOptions {
  samples: AsyncIterable<PackSample> | Iterable<PackSample>;
  /** New or empty: older shards would be read together with these. */
  directory: string;
  /** Samples in each shard; the last one may hold fewer. */
  samplesPerShard: number;
  /** Shards are named `<prefix>-000000.tar`; by default `shard`. */
  prefix?: string;
}

/**
 * Writes samples into numbered shards: `key.png` (or .jpg, .webp), `key.txt` with the first caption,
 * which is all that open_clip and clip-retrieval read, `key.cls` with `classIndex`, and `key.json` with
 * `{ ...meta, captions, label }` unless there is exactly one caption and nothing else to say. The
 * folder appears when all of them are complete.
 *
 * returns   the paths of the shards in order, and the number of samples
 * throws    DataError naming shard and sample for an unusable or repeated key; StorageError naming
 *           the folder: a full disk, or a folder that holds something. Nothing is left then.
 */
export async function writeShards(
  options: WriteShardsOptions,
): Promise<{ shards: string[]; samples: number }> {
  const { directory, samplesPerShard } = options;
  if (!Number.isInteger(samplesPerShard) || samplesPerShard < 1) {
    throw new RangeError(
      `Expected a positive integer for samplesPerShard but received ${samplesPerShard}`,
    );
  }
  let written: Written = { shards: [], samples: 0 };
  await writeFolderAtomically(
    directory,
    async (partial) => {
      written = await writeInto(partial, options);
    },
    { onlyNew: true },
  );
  return { ...written, shards: written.shards.map((name) => join(directory, name)) };
}

interface Written {
  /** Names in the folder. */
  shards: string[];
  samples: number;
}

async function writeInto(
  partial: string,
  { samples, directory, samplesPerShard, prefix = "shard" }: WriteShardsOptions,
): Promise<Written> {
  const shards: string[] = [];
  let count = 0;
  let shard: AtomicFile | undefined;
  const keys = new DigestTable();
  try {
    for await (const sample of samples) {
      if (shard === undefined) {
        shard = new AtomicFile(join(partial, shardName(prefix, shards.length)));
      }
      checkKey(sample.key, join(directory, shardName(prefix, shards.length)), keys);
      for (const [name, contents] of sampleFiles(sample)) {
        shard.write(tarEntry(name, contents));
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
  const { key, image, extension, captions, label, classIndex, meta } = sample;
  const files: [string, Uint8Array][] = [[`${key}.${extension}`, image]];
  if (captions[0] !== undefined) files.push([`${key}.txt`, Buffer.from(captions[0], "utf8")]);
  if (classIndex !== undefined) files.push([`${key}.cls`, Buffer.from(classIndex, "utf8")]);
  const silent = captions.length === 0 && classIndex === undefined;
  // UTF-8 has no half of a pair; JSON has.
  const broken = captions.some((caption) => /\p{Surrogate}/u.test(caption));
  if (silent || broken || captions.length > 1 || label !== undefined || meta !== undefined) {
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
  if (sampleName(`${key}.jpg`)?.key !== key) {
    throw new DataError(
      `Expected a key that readers of shards take for a sample but received ${JSON.stringify(key)}, ` +
        "the name of a shard's own file or of a system's; rename the sample",
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

function finishShard(shard: AtomicFile): string {
  shard.write(tarEnd());
  shard.finish();
  return basename(shard.file);
}

function shardName(prefix: string, number: number): string {
  return `${prefix}-${String(number).padStart(6, "0")}.tar`;
}
