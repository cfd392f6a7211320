/** Groups the files of a shard into samples as the WebDataset convention does. */
import type { Piece, Problem, SampleRef } from "./source.ts";
import type { TarFileEntry } from "./tar-file.ts";

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
  private current: Group | undefined;

  /** Takes the next file; returns the sample that it completes, if any. */
  push(entry: TarFileEntry): Group | undefined {
    if (isShardMetadata(entry.name)) return undefined;
    const split = splitName(entry.name);
    if (split === undefined) return undefined;
    const before = this.current;
    if (before?.key === split.key) {
      if (before.fields.has(split.extension)) before.duplicate = entry.name;
      else before.fields.set(split.extension, entry);
      return undefined;
    }
    this.current = { key: split.key, fields: new Map([[split.extension, entry]]) };
    return before;
  }

  /** The last sample, once no more files come. */
  finish(): Group | undefined {
    const last = this.current;
    this.current = undefined;
    return last;
  }

  /** The key being collected. */
  get key(): string | undefined {
    return this.current?.key;
  }
}

/** A sample from a group, or what is wrong with it. */
export function groupToRef(
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
export function isSampleFile(name: string, imageExtensions: readonly string[]): boolean {
  const extension = splitName(name)?.extension;
  if (extension === undefined) return false;
  return ["txt", "json", "cls"].includes(extension) || imageExtensions.includes(extension);
}
