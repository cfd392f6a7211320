/** Which files of a shard form a sample, as webdataset groups them. */
import { isHiddenMember, isImageExtension, isSampleExtension } from "../paths/file-kinds.ts";
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

/** The same, undefined for what belongs to no sample: the shard's own files, and what systems add. */
export function sampleName(name: string): { key: string; extension: string } | undefined {
  const path = name.startsWith("./") ? name.slice(2) : name;
  return isShardMetadata(path) || isHiddenMember(path) ? undefined : splitName(path);
}

/** Files such as `__meta__` at the top of a shard describe the shard, not a sample. */
function isShardMetadata(name: string): boolean {
  return /^__[^/]*__($|\/)/.test(name);
}

/** Names of a sample's files that it has no use for are kept up to this number, for messages. */
const MOST_OTHERS = 20;
/** Pictures without contents between the files of one sample are kept up to this number. */
const MOST_APART = 1000;

export interface Group {
  key: string;
  fields: Map<string, TarFileEntry>;
  /** Of its first file, see `TarEntry.start`. */
  start?: number | undefined;
}

/**
 * Collects consecutive files with one key. The same key again later starts a new sample, and so does an
 * extension that the sample has already, as in open_clip (webdataset gives up there). Members whose
 * contents are elsewhere join a sample and begin none: readers that pass them over see the same samples.
 * A picture among them that joins none is a group of its own behind the sample that it lies in.
 */
export class Grouper {
  #current: Group | undefined;
  #pictures = 0;
  /** Members without contents that have joined no sample; the last may be the next sample's. */
  #apart: Group[] = [];

  /** Takes the next file; returns the samples that are complete. */
  push(entry: TarFileEntry): Group[] {
    const split = sampleName(entry.name);
    if (split === undefined) return [];
    const { key, extension } = split;
    const before = this.#current;
    const joins = before?.key === key && !before.fields.has(extension);
    if (entry.absent === true && !joins) {
      this.#apart.push({ key, fields: new Map([[extension, entry]]), start: entry.start });
      if (before === undefined) return pictures(this.#apart.splice(0, this.#apart.length - 1));
      if (this.#apart.length > MOST_APART) this.#apart.shift();
      return [];
    }
    const bytes = isImageExtension(extension) ? (entry.bytes?.length ?? 0) : 0;
    if (joins) {
      const { fields } = before;
      this.#pictures += bytes;
      if (isSampleExtension(extension) || fields.size < MOST_OTHERS) fields.set(extension, entry);
      return [];
    }
    this.#pictures = bytes;
    const last = this.#apart.at(-1);
    const isFirst = last?.key === key && !last.fields.has(extension);
    const joined = isFirst ? this.#apart.pop() : undefined;
    const done = this.finish();
    this.#current = {
      key,
      fields: new Map([[extension, entry], ...(joined?.fields ?? [])]),
      start: joined === undefined ? entry.start : joined.start,
    };
    return done;
  }

  /** What is left, once no more files come. */
  finish(): Group[] {
    const sample = this.#current;
    this.#current = undefined;
    const apart = pictures(this.#apart);
    this.#apart = [];
    return sample === undefined ? apart : [sample, ...apart];
  }

  /** Key of the sample that is being collected. */
  get key(): string | undefined {
    return this.#current?.key;
  }

  /** Bytes of pictures in the sample that this file would belong to. */
  heldPictures(key: string, extension: string): number {
    const current = this.#current;
    return current?.key === key && !current.fields.has(extension) ? this.#pictures : 0;
  }
}

/** Those with a picture. Reading cannot begin at them, as they may lie inside a sample. */
function pictures(groups: readonly Group[]): Group[] {
  const found = groups.filter(({ fields }) => [...fields.keys()].some(isImageExtension));
  return found.map(({ key, fields }) => ({ key, fields }));
}
