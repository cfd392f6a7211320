/** One WebDataset shard as a part of a source. */
import { closeSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { openRegular, readingReason, standIn, wordsInPlace } from "../../files/regular-file.ts";
import {
  foreignArchive,
  IMAGE_EXTENSIONS,
  isImageExtension,
  isSampleExtension,
} from "../paths/file-kinds.ts";
import { MOST_NPY_BYTES } from "../tables/npy-vector.ts";
import { MOST_TEXT_BYTES } from "./read-sample.ts";
import { type Group, Grouper, sampleName, splitName } from "./sample-groups.ts";
import type { Entry, Part, Piece, Problem, SampleRef } from "./source.ts";
import { scanTar, streamTar, type TarFileEntry } from "./tar-file.ts";
import { BLOCK, type TarEnd, type TarEntry, TarError } from "./tar-format.ts";

/** A scan lets other work of its thread run after this many milliseconds. */
const SLICE_MS = 5;

/**
 * Bytes of the pictures of one sample of a compressed shard. Less than elsewhere: these are held in
 * memory before they are decoded, and 100 kB unpack to so many.
 */
const MOST_PACKED_BYTES = 64 << 20;

/** A cut between two files leaves whole files only: the missing end mark is all that shows it. */
const UNMARKED =
  "the shard ends without the mark that ends a tar file: it may have been cut, pack or fetch it again";

/** A shard; whether it is compressed is told by its first bytes, not by its name. */
export function shardPart(path: string): Part {
  return {
    path,
    compressed: isCompressed(path),
    read: () => readShard(path),
    readFrom: (entry, byte) => readShardFrom(path, entry, byte),
  };
}

async function* readShardFrom(
  path: string,
  entry: number,
  byte: number | undefined,
): AsyncGenerator<Entry> {
  if (byte !== undefined && beginsAt(path, byte)) {
    yield* readShard(path, byte);
    return;
  }
  let index = 0;
  for await (const read of readShard(path)) if (index++ >= entry) yield read;
}

/** Whether a file of a plain shard begins at this byte: an intact header, and contents that are there. */
function beginsAt(path: string, byte: number): boolean {
  // The sum of a header's bytes is the same where it is read a little beside its place.
  if (byte % BLOCK !== 0 || isCompressed(path)) return false;
  try {
    const file = openRegular(path);
    try {
      const { done, value } = scanTar(file, byte).next();
      return done !== true && value.start === byte;
    } finally {
      closeSync(file);
    }
  } catch {
    // Reading from the start will report it, as a problem of this shard.
    return false;
  }
}

function isCompressed(path: string): boolean {
  try {
    const first = firstBytes(path);
    if (first.length >= 2) return first[0] === 0x1f && first[1] === 0x8b;
  } catch {
    // Reading will report it, as a problem of this shard.
  }
  return /\.(tgz|gz)$/i.test(path);
}

function firstBytes(path: string): Uint8Array {
  const file = openRegular(path);
  try {
    const first = Buffer.alloc(1025);
    return first.subarray(0, readSync(file, first, 0, first.length, 0));
  } finally {
    closeSync(file);
  }
}

async function* readShard(path: string, from = 0): AsyncGenerator<Entry> {
  const reason = refusal(path);
  if (reason !== undefined) {
    yield { problem: { file: path, reason } };
    return;
  }
  const grouper = new Grouper();
  const compressed = isCompressed(path);
  const entries = compressed
    ? streamTar(path, (entry) => mostHeld(entry, grouper))
    : scanPlain(path, from);
  const shard = new Shard(path, compressed);
  let end: TarEnd = { marked: true };
  try {
    let step = await entries.next();
    for (; step.done !== true; step = await entries.next()) {
      shard.look(step.value);
      for (const group of grouper.push(step.value)) yield shard.entry(group);
    }
    end = step.value;
  } catch (error) {
    const { key } = grouper;
    const cut = error instanceof TarError && error.file !== undefined ? error.file : "";
    const cutKey = sampleName(cut)?.key;
    // A cut may have taken files of the sample that was being collected, unless it is in the next.
    const complete = key !== undefined && cutKey !== undefined && cutKey !== key;
    for (const group of grouper.finish()) {
      if (complete || group.key !== key) yield shard.entry(group);
    }
    yield { problem: shardProblem(path, complete ? cutKey : key, error) };
    return;
  } finally {
    // A reader that stops early leaves the file open otherwise.
    await entries.return(end);
  }
  for (const group of grouper.finish()) yield shard.entry(group);
  const nothing = shard.nothingToRead();
  if (nothing !== undefined) yield { problem: { file: path, reason: nothing } };
  if (!end.marked) yield { problem: { file: path, reason: UNMARKED } };
  if (end.joined !== undefined) {
    const reason = `another archive begins behind the end mark, at byte ${end.joined}, and is not read; give archives as a list`;
    yield { problem: { file: path, reason } };
  }
}

/** Why a file is no shard at all, told by its first bytes. */
function refusal(path: string): string | undefined {
  try {
    const first = firstBytes(path);
    if (first.length === 0) return "the shard is empty (0 bytes)";
    return standIn(first) ?? foreignArchive(first) ?? wordsInPlace(first);
  } catch (error) {
    return shardProblem(path, undefined, error).reason;
  }
}

/** Bytes of an entry that a sample of a compressed shard may hold beside what it holds already. */
function mostHeld(entry: TarEntry, grouper: Grouper): number {
  const split = sampleName(entry.name);
  if (split === undefined || !isSampleExtension(split.extension)) return -1;
  const { key, extension } = split;
  if (extension === "npy") return MOST_NPY_BYTES;
  if (!isImageExtension(extension)) return MOST_TEXT_BYTES;
  return MOST_PACKED_BYTES - grouper.heldPictures(key, extension);
}

async function* scanPlain(path: string, from: number): AsyncGenerator<TarFileEntry, TarEnd> {
  const file = openRegular(path);
  try {
    let sliceEnd = performance.now() + SLICE_MS;
    const entries = scanTar(file, from);
    let step = entries.next();
    for (; step.done !== true; step = entries.next()) {
      yield step.value;
      if (performance.now() > sliceEnd) {
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    return step.value;
  } finally {
    closeSync(file);
  }
}

function shardProblem(
  file: string,
  key: string | undefined,
  error: unknown,
): { file: string; key?: string; reason: string } {
  const at = key === undefined ? { file } : { file, key };
  if (error instanceof TarError) {
    return { ...at, reason: `${error.message} (at byte ${error.offset})` };
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return { ...at, reason: "the shard does not exist" };
  if (code === "EACCES" || code === "EPERM") return { ...at, reason: "the shard is not readable" };
  if (code === "EISDIR") return { ...at, reason: "this is a folder, not a shard" };
  if (code === "Z_BUF_ERROR") return { ...at, reason: "the compressed shard is cut in the middle" };
  if (code?.startsWith("Z_") === true) {
    return { ...at, reason: `the compressed shard is damaged (${message})` };
  }
  return { ...at, reason: readingReason(error) };
}

/** The entries of one shard, and what it holds beside them. */
class Shard {
  readonly #file: string;
  readonly #compressed: boolean;
  #samples = 0;
  #others = 0;
  #firstOther = "";

  constructor(file: string, compressed: boolean) {
    this.#file = file;
    this.#compressed = compressed;
  }

  /** Takes note of files that belong to no sample. */
  look({ name }: TarFileEntry): void {
    if (splitName(name) === undefined && this.#others++ === 0) this.#firstOther = name;
  }

  /** The entry of a group. Reading can begin at those of plain shards. */
  entry(group: Group): Entry {
    this.#samples += 1;
    const entry: Entry = groupToRef(group, this.#file, this.#compressed);
    if (!this.#compressed && group.start !== undefined) entry.byte = group.start;
    return entry;
  }

  /** Why a shard without samples has none, where it is not empty. */
  nothingToRead(): string | undefined {
    if (this.#samples > 0 || this.#others === 0) return undefined;
    return `none of its ${this.#others} files has an ending, such as ${this.#firstOther}; those of a sample are named key.jpg and key.txt`;
  }
}

/** A sample from a group, or what is wrong with it. */
function groupToRef(
  group: Group,
  file: string,
  compressed: boolean,
): { ref: SampleRef } | { problem: Problem } {
  const { key, fields } = group;
  const extension = IMAGE_EXTENSIONS.find((name) => fields.has(name));
  if (extension === undefined) {
    const names = [...fields.keys()].join(", ");
    const reason = `no image among its files (${names}); those of a sample lie side by side (tar --sort=name)`;
    return { problem: { file, key, reason } };
  }
  const [text, json, cls] = [fields.get("txt"), fields.get("json"), fields.get("cls")];
  const image = fields.get(extension)!;
  const wrong = [image, text, json, cls].find((one) => one?.problem !== undefined);
  if (wrong !== undefined) {
    return { problem: { file, key, reason: `${wrong.name} is ${wrong.problem}` } };
  }
  if (compressed && image.bytes === undefined) {
    const reason = `${image.name} has ${image.size} bytes, more than the ${MOST_PACKED_BYTES} that a sample of a compressed shard may hold`;
    return { problem: { file, key, reason } };
  }
  const ref: SampleRef = { key, file, image: piece(file, image) };
  if (text !== undefined) ref.text = piece(file, text);
  if (json !== undefined) ref.json = piece(file, json);
  if (cls !== undefined) ref.classIndex = piece(file, cls);
  const npy = fields.get("npy");
  if (npy !== undefined && npy.problem === undefined) ref.npy = piece(file, npy);
  return { ref };
}

function piece(file: string, { offset, size, bytes }: TarFileEntry): Piece {
  return bytes === undefined ? { file, offset, size } : { file, offset, size, bytes };
}
