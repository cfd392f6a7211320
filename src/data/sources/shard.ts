/** One WebDataset shard as a part of a source. */
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { Entry, Part, Piece, Problem, SampleRef } from "./source.ts";
import { scanTar, streamTar, type TarFileEntry } from "./tar-file.ts";
import { TarError } from "./tar-format.ts";

/** A scan lets other work of its thread run after this many milliseconds. */
const SLICE_MS = 5;

/** A cut between two files leaves whole files only: the missing end mark is all that shows it. */
const UNMARKED =
  "the shard ends without the mark that ends a tar file: it may have been cut, pack or fetch it again";

/** A shard; whether it is compressed is told by its first bytes, not by its name. */
export function shardPart(path: string, imageExtensions: readonly string[]): Part {
  return {
    path,
    compressed: isCompressed(path),
    read: () => readShard(path, imageExtensions),
  };
}

function isCompressed(path: string): boolean {
  const byName = /\.(tgz|gz)$/i.test(path);
  try {
    const file = openSync(path, "r");
    try {
      const magic = Buffer.alloc(2);
      return readSync(file, magic, 0, 2, 0) < 2 ? byName : magic.readUInt16BE() === 0x1f8b;
    } finally {
      closeSync(file);
    }
  } catch {
    // Reading will report it, as a problem of this shard.
    return byName;
  }
}

async function* readShard(path: string, imageExtensions: readonly string[]): AsyncGenerator<Entry> {
  const grouper = new Grouper();
  const entries = isCompressed(path)
    ? streamTar(path, (name) => isSampleFile(name, imageExtensions))
    : scanPlain(path);
  let marked = true;
  try {
    let step = await entries.next();
    for (; step.done !== true; step = await entries.next()) {
      const group = grouper.push(step.value);
      if (group !== undefined) yield groupToRef(group, path, imageExtensions);
    }
    marked = step.value.marked;
  } catch (error) {
    const group = grouper.finish();
    const cut = error instanceof TarError && error.file !== undefined ? error.file : "";
    const cutKey = splitName(cut)?.key;
    // A cut may have taken files of the sample that was being collected, unless it is in the next.
    const complete = group !== undefined && cutKey !== undefined && cutKey !== group.key;
    if (complete) yield groupToRef(group, path, imageExtensions);
    yield { problem: shardProblem(path, complete ? cutKey : group?.key, error) };
    return;
  } finally {
    // A reader that stops early leaves the file open otherwise.
    await entries.return({ marked });
  }
  const last = grouper.finish();
  if (last !== undefined) yield groupToRef(last, path, imageExtensions);
  if (!marked) yield { problem: { file: path, reason: UNMARKED } };
}

async function* scanPlain(path: string): AsyncGenerator<TarFileEntry, { marked: boolean }> {
  const file = openSync(path, "r");
  try {
    let sliceEnd = performance.now() + SLICE_MS;
    const entries = scanTar(file);
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
  return { ...at, reason: message };
}

/**
 * Key and extension of a file name: the key is everything before the first dot of the last path
 * segment, folders included; the extension, in lower case, is everything after that dot.
 * Undefined for names without such a dot, which belong to no sample.
 */
export function splitName(name: string): { key: string; extension: string } | undefined {
  const match = /^((?:[^\n]*\/|)[^.]+)[.]([^/]*)$/.exec(name);
  return match === null ? undefined : { key: match[1]!, extension: match[2]!.toLowerCase() };
}

/** Files such as `__meta__` at the top of a shard describe the shard, not a sample. */
function isShardMetadata(name: string): boolean {
  return /^__[^/]*__($|\/)/.test(name);
}

export interface Group {
  key: string;
  fields: Map<string, TarFileEntry>;
  /** An extension that came twice. */
  duplicate?: string;
}

/** Collects consecutive files with one key. The same key again later starts a new sample. */
export class Grouper {
  #current: Group | undefined;

  /** Takes the next file; returns the sample that it completes, if any. */
  push(entry: TarFileEntry): Group | undefined {
    if (isShardMetadata(entry.name)) return undefined;
    const split = splitName(entry.name);
    if (split === undefined) return undefined;
    const before = this.#current;
    if (before?.key === split.key) {
      if (before.fields.has(split.extension)) before.duplicate = entry.name;
      else before.fields.set(split.extension, entry);
      return undefined;
    }
    this.#current = { key: split.key, fields: new Map([[split.extension, entry]]) };
    return before;
  }

  /** The last sample, once no more files come. */
  finish(): Group | undefined {
    const last = this.#current;
    this.#current = undefined;
    return last;
  }

  /** The key being collected. */
  get key(): string | undefined {
    return this.#current?.key;
  }
}

/** A sample from a group, or what is wrong with it. */
function groupToRef(
  group: Group,
  file: string,
  imageExtensions: readonly string[],
): { ref: SampleRef } | { problem: Problem } {
  const { key, fields, duplicate } = group;
  if (duplicate !== undefined) {
    return { problem: { file, key, reason: `the shard holds ${duplicate} twice` } };
  }
  const extension = imageExtensions.find((name) => fields.has(name));
  if (extension === undefined) {
    const names = [...fields.keys()].join(", ");
    return { problem: { file, key, reason: `no image among its files (${names})` } };
  }
  const ref: SampleRef = { key, file, image: piece(file, fields.get(extension)!) };
  const [text, json, cls] = [fields.get("txt"), fields.get("json"), fields.get("cls")];
  if (text !== undefined) ref.text = piece(file, text);
  if (json !== undefined) ref.json = piece(file, json);
  if (cls !== undefined) ref.classIndex = piece(file, cls);
  return { ref };
}

function piece(file: string, { offset, size, bytes }: TarFileEntry): Piece {
  return bytes === undefined ? { file, offset, size } : { file, offset, size, bytes };
}

/** Whether a file can be of use for a sample, so that the others need not be decompressed to memory. */
function isSampleFile(name: string, imageExtensions: readonly string[]): boolean {
  const extension = splitName(name)?.extension;
  if (extension === undefined) return false;
  return ["txt", "json", "cls"].includes(extension) || imageExtensions.includes(extension);
}
