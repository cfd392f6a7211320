/** Recognises the files of a source, in whatever folder, by their contents or by sizes and times. */
import { createHash } from "node:crypto";
import { closeSync, readSync, statSync, type BigIntStats } from "node:fs";
import { DigestTable } from "../arrays/digest-table.ts";
import { openRegular } from "../files/regular-file.ts";
import { partNames } from "./loader/batch-builder.ts";
import { openSource, resolveSource } from "./sources/open-source.ts";
import type { Source } from "./sources/source.ts";
import type { SourceSpec } from "./sources/source-spec.ts";

export interface DataFingerprint {
  digest: string;
  files: number;
  bytes: number;
  /** What of the files went into the digest. */
  by: "contents" | "sizes and times";
}

/** Sources up to this size are read in full, which takes a second or less. */
export const MOST_CONTENTS = 512 * 2 ** 20;

interface SourceFile {
  /** The same on every machine. */
  name: string;
  path: string;
  stats: BigIntStats | undefined;
}

/**
 * Digest of a source's description and files. Up to `contentsUpTo` bytes in all it is made of the
 * contents, so that a copy of the data is the same data. Beyond that it is made of each file's name,
 * size and time of change, so that a rewritten file counts as another; a change that restores sizes
 * and times is not noticed then.
 *
 * throws   DataError where the source cannot be opened; that a file is missing is part of the digest
 */
export async function fingerprintSource(
  given: SourceSpec,
  { contentsUpTo = MOST_CONTENTS }: { contentsUpTo?: number } = {},
): Promise<DataFingerprint> {
  const spec = resolveSource(given);
  const source = await openSource(spec);
  let [files, bytes] = [0, 0];
  // Once for their sizes and once for the digest: a list of them would be as long as the data.
  for await (const { stats } of filesOf(source, spec)) {
    files += 1;
    bytes += Number(stats?.size ?? 0);
  }
  const by = bytes <= contentsUpTo ? "contents" : "sizes and times";
  const hash = createHash("sha256").update(JSON.stringify([by, describeReading(spec)]));
  for await (const { name, path, stats } of filesOf(source, spec)) {
    hash.update(JSON.stringify([name, stats === undefined ? "missing" : String(stats.size)]));
    if (stats === undefined) continue;
    if (by === "contents") hash.update(contents(path));
    else hash.update(String(stats.mtimeNs));
  }
  return { digest: hash.digest("hex").slice(0, 32), files, bytes, by };
}

/** How the files are read, without where they are. */
export function describeReading(spec: SourceSpec): unknown {
  if (spec.kind === "webdataset") return { ...spec, shards: null };
  if (spec.kind === "folder") return { ...spec, directory: null };
  if (spec.kind === "parquet") return { ...spec, files: null, root: null };
  return { ...spec, file: null, root: null };
}

/**
 * Shards, or a table's or folder's own files; each once, in the order of the source. A part that comes
 * again has its last name.
 */
async function* filesOf(source: Source, spec: SourceSpec): AsyncGenerator<SourceFile> {
  const names = partNames(source);
  const own = new Map(source.parts.map(({ path }, i) => [path, names[i] as string]));
  const seen = new DigestTable();
  const isNew = (path: string): boolean =>
    seen.change(path, (times) => Math.min(times + 1, 2)) === 1;
  for (const part of source.parts) {
    if (spec.kind !== "folder" && isNew(part.path)) {
      yield { name: own.get(part.path) as string, path: part.path, stats: statsOf(part.path) };
    }
    if (!source.listed) continue;
    for await (const { ref } of part.read()) {
      for (const piece of [ref?.image, ref?.text, ref?.json, ref?.classIndex]) {
        if (piece === undefined || !isNew(piece.file)) continue;
        yield { name: ref?.key ?? "", path: piece.file, stats: statsOf(piece.file) };
      }
    }
  }
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined; // the loader says what is the matter, and whether that matters
  }
}

/** The SHA-256 of a file, or why it cannot be read. */
export function contents(path: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  let descriptor: number | undefined;
  try {
    descriptor = openRegular(path);
    for (;;) {
      const count = readSync(descriptor, buffer);
      if (count === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, count));
    }
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
