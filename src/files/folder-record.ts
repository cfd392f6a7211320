/**
 * What limn wrote into a folder: a hidden file there names each file with its size and a digest of
 * parts of it. So limn knows later which files are its own, and that nobody changed them since.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { StorageError } from "../errors.ts";
import { writeFileAtomically, writeTextAtomically } from "./atomic-write.ts";
import { isPartial } from "./owner.ts";
import { openRegular, readRegular } from "./regular-file.ts";
import {
  makeFolders,
  orStorageError,
  physicalPath,
  removeEmpty,
  statsOf,
  storageError,
} from "./storage.ts";

/** The name of the record. */
export const recordName = ".limn-files.json";
/** The lock of a folder that is written in place. */
export const lockName = ".limn-lock";

/** Bytes of each part of a file that its digest covers. */
const SAMPLED = 1 << 16;
/** Parts, spread evenly: a file of up to 4 MiB is covered whole, of a larger one all but small changes. */
const PARTS = 64;

/** A record larger than this is none of limn's. */
const MOST_RECORD = 1 << 24;

/**
 * Writes files beside others into a folder, which is made where it is missing, and records them. One
 * that lies there already with the same content stays.
 *
 * isOlder  whether what lies there without a record is limn's
 * throws   StorageError naming a file that limn did not write, before anything is written, and where
 *          one cannot be written
 */
export function writeRecordedFiles(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  isOlder: (folder: string) => boolean = () => false,
): void {
  const target = orStorageError(folder, () => physicalPath(folder));
  const made = orStorageError(folder, () => makeFolders(target));
  try {
    writeThose(folder, target, files, isOlder);
  } catch (cause) {
    throw storageError(folder, cause);
  } finally {
    removeEmpty(made);
  }
}

/**
 * Before long work whose results `writeRecordedFiles` will write.
 *
 * throws  StorageError naming a file of one of these names that limn did not write
 */
export function checkRecordedFiles(folder: string, names: readonly string[]): void {
  const recorded = readRecord(folder) ?? new Map<string, string>();
  for (const name of names) checkOwn(folder, { folder, name, recorded });
}

function checkOwn(
  named: string,
  { folder, name, recorded }: { folder: string; name: string; recorded: Map<string, string> },
): void {
  const file = join(folder, name);
  if (statsOf(file) === undefined || recorded.get(name) === digestOf(file)) return;
  throw new StorageError(
    join(named, name),
    `Expected no ${name}, or one of limn's own, in ${named} for writing but received another; ` +
      "choose another folder, or move it away (nothing was changed)",
  );
}

function writeThose(
  named: string,
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  isOlder: (folder: string) => boolean,
): void {
  const recorded = readRecord(folder) ?? new Map<string, string>();
  const fresh = [...files].filter(([name, content]) => !holds(join(folder, name), content));
  for (const [name] of fresh) {
    if (recorded.size > 0 || !isOlder(folder)) checkOwn(named, { folder, name, recorded });
  }
  for (const [name, content] of fresh) {
    writeFileAtomically(join(folder, name), (write) => write(content));
  }
  for (const name of files.keys()) recorded.set(name, digestOf(join(folder, name)) ?? "");
  writeTextAtomically(join(folder, recordName), textOf(recorded));
}

/** Replaces a file that the record of its folder names, and the record; a folder without one gets none. */
export function rewriteRecorded(folder: string, name: string, text: string): void {
  const recorded = readRecord(folder);
  writeTextAtomically(join(folder, name), text);
  if (recorded === undefined) return;
  recorded.set(name, digestOf(join(folder, name)) ?? "");
  writeTextAtomically(join(folder, recordName), textOf(recorded));
}

function holds(file: string, content: Uint8Array): boolean {
  const stats = statsOf(file);
  return stats?.isFile() === true && stats.size === content.length
    ? readRegular(file).equals(content)
    : false;
}

/** The text of the record of all that lies in `folder` now. Throws the file system's errors. */
export function recordOf(folder: string): string {
  const names = filesIn(folder).filter((name) => !isOwnName(name));
  return textOf(new Map(names.map((name) => [name, digestOf(join(folder, name)) ?? ""])));
}

function textOf(files: ReadonlyMap<string, string>): string {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ writtenBy: "limn", files: Object.fromEntries(sorted) }, null, 1)}\n`;
}

/**
 * What of a folder limn did not write, or somebody changed since: relative names, of a folder that
 * holds nothing of limn's the folder's own. Links count as what lies there, not where they lead.
 *
 * isOlder   whether a folder without a record is one that limn wrote before there were records
 */
export function strangersIn(folder: string, isOlder?: (folder: string) => boolean): string[] {
  const names = readdirSync(folder).filter((name) => !isOwnName(name));
  const recorded = readRecord(folder);
  // Something of that name which is no record is somebody else's.
  if (recorded === undefined && statsOf(join(folder, recordName))) names.push(recordName);
  if (names.length === 0) return [];
  if (recorded === undefined) return isOlder?.(folder) === true ? [] : names.sort();
  return filesIn(folder).filter((name) => {
    if (isOwnName(name)) return false;
    const digest = recorded.get(name);
    return digest === undefined || digest !== digestOf(join(folder, name));
  });
}

/** The relative names of the files that the record of a folder names; none without a record. */
export function recordedFiles(folder: string): string[] {
  return [...(readRecord(folder)?.keys() ?? [])];
}

/** Files of a folder that its record does not name; none without a record. */
export function addedTo(folder: string): string[] {
  const recorded = readRecord(folder);
  if (recorded === undefined) return [];
  return filesIn(folder).filter((name) => !isOwnName(name) && !recorded.has(name));
}

/** A digest of a file's size and of `parts` of it, from its beginning to its end: no file takes long. */
export function sampledDigest(file: string, parts = 3): string {
  const descriptor = openRegular(file);
  try {
    const { size } = fstatSync(descriptor);
    const hash = createHash("sha256").update(`${size}\n`);
    // Those of a small file follow each other, and cover it whole.
    const step = Math.max(SAMPLED, (size - SAMPLED) / (parts - 1));
    const buffer = Buffer.alloc(Math.min(SAMPLED, Math.max(size, 1)));
    for (let part = 0; part < parts; part++) {
      const at = Math.floor(part * step);
      if (at >= size) break;
      hash.update(buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, at)));
    }
    return hash.digest("hex").slice(0, 32);
  } finally {
    closeSync(descriptor);
  }
}

/** Names that limn gives to what it needs while it writes. */
export function isOwnName(name: string): boolean {
  const last = name.slice(name.lastIndexOf("/") + 1);
  return last === recordName || last.includes(lockName) || isPartial(last);
}

/** All files below a folder, by their relative names with "/"; an empty folder is named itself. */
function filesIn(folder: string, prefix = ""): string[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const name = `${prefix}${entry.name}`;
      if (!entry.isDirectory()) return [name];
      const inner = isOwnName(name) ? [] : filesIn(folder, `${name}/`);
      return inner.length > 0 ? inner : [name];
    });
}

/** Undefined for a link and for what is no plain file. */
function digestOf(file: string): string | undefined {
  const stats = statsOf(file);
  if (stats?.isDirectory() === true) return "folder";
  return stats?.isFile() === true ? sampledDigest(file, PARTS) : undefined;
}

function readRecord(folder: string): Map<string, string> | undefined {
  const file = join(folder, recordName);
  const stats = statsOf(file);
  if (stats?.isFile() !== true || stats.size > MOST_RECORD) return undefined;
  try {
    const { files } = JSON.parse(readRegular(file, MOST_RECORD).toString("utf8")) as {
      files?: unknown;
    };
    if (typeof files !== "object" || files === null) return undefined;
    return new Map(Object.entries(files as Record<string, string>));
  } catch {
    return undefined;
  }
}
