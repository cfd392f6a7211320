/** Recognises a run's data when it goes on, in whatever folder it lies then, without reading all of it. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { partNames } from "../../data/loader/batch-builder.ts";
import { openSource, resolveSource } from "../../data/sources/open-source.ts";
import type { Source } from "../../data/sources/source.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { counted, DataError } from "../../errors.ts";
import { sampledDigest } from "../../files/folder-record.ts";
import { contents, describeReading, MOST_CONTENTS } from "../../data/data-fingerprint.ts";

/** What a checkpoint keeps of the data that it was trained on. */
export interface RunData {
  digest: string;
  files: number;
  bytes: number;
  /**
   * Digest of the contents of some pictures, with their captions, that are files of their own. Absent
   * where they lie in shards, and of a checkpoint of an earlier version.
   */
  pictures?: string;
}

/** Of a folder the sizes of this many pictures are looked at, and of one in a hundred beyond. */
const SIZES = 100_000;
/** So many pictures are looked into: where one in a hundred is another, that shows in 99 of 100 cases. */
const PICTURES = 512;

/**
 * Digest of how a source is read, of the names and sizes of its shards or its table, and of the contents
 * of the first `contentsUpTo` bytes of them, and of 64 kB at the beginning, the middle and the end of each
 * beyond; of a folder, of the names and sizes of its pictures. Of a
 * folder and of a table's pictures, `PICTURES` are looked into, chosen by that digest. Where the data lies
 * and when it was written have no part in it: a copy is the same data.
 *
 * throws   DataError where the source cannot be opened; that a file is missing is part of the digest
 */
export async function sampleData(
  given: SourceSpec,
  { contentsUpTo = MOST_CONTENTS }: { contentsUpTo?: number } = {},
): Promise<RunData> {
  const spec = resolveSource(given);
  const source = await openSource(spec);
  const hash = createHash("sha256").update(JSON.stringify(describeReading(spec)));
  let [files, bytes] = [0, 0];
  for await (const { name, path } of filesOf(source, spec)) {
    const size = spec.kind !== "folder" || isLookedAt(files) ? sizeOf(path) : undefined;
    hash.update(JSON.stringify([name, size ?? null]));
    files += 1;
    bytes += size ?? 0;
    if (spec.kind === "folder" || size === undefined) continue;
    hash.update(bytes <= contentsUpTo ? contents(path) : sampledDigest(path));
  }
  const digest = hash.digest("hex").slice(0, 32);
  const pictures = source.listed ? { pictures: samplePictures(source, digest) } : {};
  return { digest, files, bytes, ...pictures };
}

/**
 * Compares the data of a run that goes on with that of its checkpoint; one of an earlier version has none.
 *
 * throws   DataError where they differ
 */
export function checkSameData(folder: string, before: RunData | undefined, now: RunData): void {
  if (before === undefined) return;
  const isSameList = before.digest === now.digest;
  if (isSameList && (before.pictures ?? now.pictures) === now.pictures) return;
  const describe = ({ files, bytes }: RunData): string =>
    `${counted(files, "file")} of ${bytes} bytes`;
  const same = describe(before) === describe(now);
  const contents = isSameList ? "other pictures or captions of the same names" : OTHER_CONTENTS;
  const received = same ? contents : describe(now);
  throw new DataError(
    `Expected the data that ${folder} was trained on, ${describe(before)}, for data.train but received ` +
      `${received}; put it back, start another run, or go on with the new data and --allow-recipe-change`,
    { source: "data.train" },
  );
}

const OTHER_CONTENTS = "the same number and sizes with other contents";

/** Digest of some entries' files. The same digest of the names chooses the same ones. */
function samplePictures({ parts }: Source, chooser: string): string {
  const lists = parts.flatMap(({ list }) => (list === undefined ? [] : [list]));
  const count = lists.reduce((sum, { length }) => sum + length, 0);
  const hash = createHash("sha256");
  for (const chosen of chooseSome(count, chooser)) {
    let at = chosen;
    const list = lists.find(({ length }) => at < length || ((at -= length), false));
    const { ref } = list?.at(at) ?? {};
    for (const piece of [ref?.image, ref?.text, ref?.json, ref?.classIndex]) {
      hash.update(piece === undefined ? "-" : contentsOf(piece.file));
    }
  }
  return hash.digest("hex").slice(0, 32);
}

/** Up to `PICTURES` numbers below `count`, in order. */
function chooseSome(count: number, chooser: string): number[] {
  if (count <= PICTURES) return Array.from({ length: count }, (_, i) => i);
  const chosen = new Set<number>();
  for (let i = 0; chosen.size < PICTURES; i++) {
    const random = createHash("sha256").update(`${chooser} ${i}`).digest().readUIntBE(0, 6);
    chosen.add(random % count);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** What cannot be read is for the loader to report. */
function contentsOf(path: string): string {
  try {
    return statSync(path).isFile() ? sampledDigest(path) : "no file";
  } catch {
    return "no file";
  }
}

function isLookedAt(index: number): boolean {
  return index < SIZES || index % 100 === 0;
}

async function* filesOf(
  source: Source,
  spec: SourceSpec,
): AsyncGenerator<{ name: string; path: string }> {
  if (spec.kind === "table") return yield { name: "", path: spec.file };
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
