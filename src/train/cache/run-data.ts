/** Recognises a run's data when it goes on, in whatever folder it lies then, without reading all of it. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { partNames } from "../../data/loader/batch-builder.ts";
import { openSource } from "../../data/sources/open-source.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { DataError } from "../../errors.ts";
import { sampledDigest } from "../../files/folder-record.ts";
import { describeReading } from "./data-fingerprint.ts";

/** What a checkpoint keeps of the data that it was trained on. */
export interface RunData {
  digest: string;
  files: number;
  bytes: number;
}

/** Of a folder the sizes of this many pictures are looked at, and of one in a hundred beyond. */
const SIZES = 100_000;

/**
 * Digest of how a source is read, of the names and sizes of its shards or its table, and of 64 kB at the
 * beginning, the middle and the end of each; of a folder, of the names and sizes of its pictures. Where
 * the data lies and when it was written have no part in it: a copy is the same data.
 *
 * throws   DataError where the source cannot be opened; that a file is missing is part of the digest
 */
export async function sampleData(spec: SourceSpec): Promise<RunData> {
  const hash = createHash("sha256").update(JSON.stringify(describeReading(spec)));
  let [files, bytes] = [0, 0];
  for await (const { name, path } of filesOf(spec)) {
    const size = spec.kind !== "folder" || isLookedAt(files) ? sizeOf(path) : undefined;
    hash.update(JSON.stringify([name, size ?? null]));
    if (spec.kind !== "folder" && size !== undefined) hash.update(sampledDigest(path));
    files += 1;
    bytes += size ?? 0;
  }
  return { digest: hash.digest("hex").slice(0, 32), files, bytes };
}

/**
 * Compares the data of a run that goes on with that of its checkpoint; one of an earlier version has none.
 *
 * throws   DataError where they differ
 */
export function checkSameData(folder: string, before: RunData | undefined, now: RunData): void {
  if (before === undefined || before.digest === now.digest) return;
  const describe = ({ files, bytes }: RunData): string => `${files} files of ${bytes} bytes`;
  const same = describe(before) === describe(now);
  const received = same ? "the same number and sizes with other contents" : describe(now);
  throw new DataError(
    `Expected the data that ${folder} was trained on, ${describe(before)}, for data.train but received ` +
      `${received}; put it back, start another run, or go on with the new data and --allow-recipe-change`,
    { source: "data.train" },
  );
}

function isLookedAt(index: number): boolean {
  return index < SIZES || index % 100 === 0;
}

async function* filesOf(spec: SourceSpec): AsyncGenerator<{ name: string; path: string }> {
  // Its rows need not be found for that.
  if (spec.kind === "table") return yield { name: "", path: spec.file };
  const source = await openSource(spec);
  const names = partNames(source);
  for (const [i, part] of source.parts.entries()) {
    if (spec.kind !== "folder") yield { name: names[i] as string, path: part.path };
    else {
      for await (const { ref } of part.read()) {
        if (ref?.image !== undefined) yield { name: ref.key, path: ref.image.file };
      }
    }
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
