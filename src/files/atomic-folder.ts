/**
 * Folders that are written as a whole: a reader sees the old one or the new one. Nothing is replaced
 * but what limn wrote itself, as the record in each of its folders says.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { StorageError } from "../errors.ts";
import { syncFolder, syncPath, writeTextAtomically } from "./atomic-write.ts";
import { asOnlyWriter, refuseHeld, removeEndedLock, removeLeftLock } from "./file-lock.ts";
import {
  isOwnName,
  lockName,
  recordedFiles,
  recordName,
  recordOf,
  strangersIn,
} from "./folder-record.ts";
import { discard, partialPath, releasePartial, removeAbandoned } from "./owner.ts";
import {
  checkWritable,
  liesIn,
  makeFolders,
  orStorageError,
  physicalPath,
  removeEmpty,
  statsOf,
  storageError,
} from "./storage.ts";

export interface FolderOptions {
  /** Whether a folder without a record is one that limn wrote before there were records. */
  readonly isOlder?: ((folder: string) => boolean) | undefined;
  /** Refuses a folder of limn's too, unless it is empty. */
  readonly onlyNew?: boolean | undefined;
  /** Leaves out the record, so that `isOlder` tells limn's folders always: for what people publish. */
  readonly withoutRecord?: boolean | undefined;
}

/**
 * Writes a folder under a temporary name and puts it in place of `folder`, with a record of what limn
 * wrote. A link to a folder stays, and the folder that it leads to is written.
 *
 * No system call that Node has swaps two folders, so an old one first gets a hidden name beside: a
 * crash between the two renames leaves that one whole, `existingFolder` finds it, and the next write
 * puts it back. The working directory and a folder that something is mounted on cannot be renamed:
 * they are filled where they are, if they are empty.
 *
 * fill    receives the temporary folder, empty
 * throws  StorageError naming `folder`: it holds what limn did not write, someone else writes it, or
 *         the file system says no. The old folder is then as it was
 */
export async function writeFolderAtomically(
  folder: string,
  fill: (partial: string) => void | Promise<void>,
  options: FolderOptions = {},
): Promise<void> {
  await guarded(folder, async () => {
    const target = physicalPath(folder);
    const parent = dirname(target);
    // Of one that was killed when its folder was whole already.
    await removeLeftLock(lockBeside(target));
    // Before anything is made: it need not be possible at all.
    checkTarget(folder, target, options);
    const made = makeFolders(parent);
    try {
      await asOnlyWriter(folder, lockFor(target), () => write(folder, target, fill, options));
    } finally {
      removeEmpty(made);
    }
  });
}

async function write(
  folder: string,
  target: string,
  fill: (partial: string) => void | Promise<void>,
  options: FolderOptions,
): Promise<void> {
  const inside = isInPlace(target);
  const place = inside ? target : dirname(target);
  if (!inside) restorePrevious(target);
  removeAbandoned(place);
  checkTarget(folder, target, options);
  const partial = partialPath(place, inside ? ".limn" : basename(target));
  try {
    discard(partial);
    mkdirSync(partial);
    // Who could not look into the old folder cannot look into the new one.
    const mode = statsOf(target)?.mode;
    if (mode !== undefined) chmodSync(partial, (mode & 0o7777) | 0o700);
    await fill(partial);
    if (options.withoutRecord !== true) {
      writeTextAtomically(join(partial, recordName), recordOf(partial));
    }
    syncTree(partial);
    // Somebody may have put something there meanwhile.
    checkTarget(folder, target, options);
    if (inside) moveInto(target, partial);
    else replaceFolder(target, partial);
  } finally {
    discard(partial);
    releasePartial(partial);
  }
}

/**
 * Refuses what `writeFolderAtomically` would refuse, before the work begins.
 *
 * throws  StorageError naming `folder` and what limn did not write
 */
export async function checkFolderTarget(
  folder: string,
  options: FolderOptions = {},
): Promise<void> {
  await guarded(folder, async () => {
    const target = physicalPath(folder);
    await removeLeftLock(lockBeside(target));
    checkTarget(folder, target, options);
  });
}

/**
 * Runs `work`, which writes files into `folder` and the folders in it one by one, while nobody else
 * does; what ended processes of this host left half-written there is removed first. Makes the folder
 * where it is missing; one that it made and that stays empty is removed again.
 *
 * throws  StorageError naming `folder` and the process that writes there
 */
export async function asOnlyWriterOf<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const target = await guarded(folder, () => physicalPath(folder));
  const made = await guarded(folder, () => makeFolders(target));
  try {
    return await asOnlyWriter(folder, join(target, lockName), async () => {
      await guarded(folder, () => {
        for (const entry of readdirSync(target, { withFileTypes: true })) {
          if (entry.isDirectory()) tidy(join(target, entry.name));
        }
      });
      return work();
    });
  } finally {
    removeEmpty(made);
  }
}

/** Removes what ended processes left in a folder that nobody else writes, and puts back what they moved. */
function tidy(folder: string): void {
  removeAbandoned(folder);
  for (const name of readdirSync(folder)) {
    const moved = nameOfPrevious(name);
    if (moved !== undefined) restorePrevious(join(folder, moved));
    if (name.startsWith(".") && name.endsWith(lockName)) removeEndedLock(join(folder, name));
  }
}

/**
 * Refuses an output that is an input, lies in one, or holds one.
 *
 * throws  StorageError naming the output
 */
export function checkApart(output: string, inputs: readonly string[]): void {
  const out = orStorageError(output, () => physicalPath(output));
  for (const input of inputs) {
    // A name on the hub is no path.
    if (!existsSync(input)) continue;
    const from = physicalPath(input);
    if (!liesIn(out, from) && !liesIn(from, out)) continue;
    const where = out === from ? "the same" : liesIn(out, from) ? "inside" : "around it";
    throw new StorageError(
      output,
      `Expected another place than that of ${input} for writing ${output} but received ` +
        `${where === "the same" ? "the same" : `one ${where}`}; choose another folder`,
    );
  }
}

/** `folder`, or the old one under its hidden name when a write was cut off between its two renames. */
export function existingFolder(folder: string): string {
  const target = physicalOrGiven(folder);
  if (statsOf(target)) return folder;
  const previous = previousOf(target);
  return statsOf(previous) ? previous : folder;
}

/** The folder that a name in `readdirSync` stands for, if a cut off write left it under a hidden one. */
export function nameOfPrevious(name: string): string | undefined {
  return /^\.(.+)\.limn-previous$/.exec(name)?.[1];
}

/** Removes a folder of limn's: it is gone under its name at once, or not at all. */
export function removeFolder(folder: string): void {
  orStorageError(folder, () => {
    const target = physicalPath(folder);
    for (const path of [target, previousOf(target)]) {
      if (!statsOf(path)) continue;
      const partial = partialPath(dirname(target), basename(target));
      try {
        renameSync(path, partial);
        rmSync(partial, { recursive: true, force: true });
      } finally {
        releasePartial(partial);
      }
    }
  });
}

async function guarded<T>(folder: string, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (cause) {
    throw storageError(folder, cause);
  }
}

function checkTarget(folder: string, target: string, options: FolderOptions): void {
  const stats = statsOf(target);
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    const found = stats.isFile() ? "a file" : "a device, pipe or socket";
    throw new StorageError(
      folder,
      `Expected a folder, or nothing yet, at ${folder} for writing but received ${found}; ` +
        "choose another name (it is untouched)",
    );
  }
  refuseWriters(folder, target, lockFor(target));
  const names = namesIn(target);
  const strangers = strangersIn(target, options.isOlder).filter(
    (name) => name !== mountsOwn || !isMounted(target),
  );
  if (names.length + strangers.length === 0) return;
  const own = "a new or empty folder, or one of limn's own,";
  if (strangers.length > 0 && options.onlyNew !== true) {
    refuse(folder, own, strangers, "which limn did not write");
  }
  if (strangers.length === 0 && isUnfinished(target)) return;
  if (options.onlyNew === true) {
    refuse(
      folder,
      "a new or empty folder",
      names,
      "which would be read together with the new files",
    );
  }
  if (isInPlace(target)) {
    refuse(folder, "a new or empty folder", names, "which cannot be replaced in one step here");
  }
  refuseProtected(target);
}

/** Refuses a folder where somebody else writes, or in one in it; whatever is whole there is a stranger. */
function refuseWriters(folder: string, inner: string, ownLock: string): void {
  for (const entry of readdirSync(inner, { withFileTypes: true })) {
    const path = join(inner, entry.name);
    if (entry.isDirectory()) refuseWriters(folder, path, ownLock);
    else if (entry.name.endsWith(lockName) && path !== ownLock) refuseHeld(folder, path);
  }
}

/** Refuses what somebody protected from being written, and what could not be removed whole. */
function refuseProtected(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    checkWritable(path);
    if (entry.isDirectory()) refuseProtected(path);
  }
  checkWritable(folder);
}

function refuse(folder: string, wanted: string, names: readonly string[], why: string): never {
  const shown = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : [...names];
  const last = shown.pop() as string;
  const list = shown.length === 0 ? last : `${shown.join(", ")} and ${last}`;
  throw new StorageError(
    folder,
    `Expected ${wanted} for writing ${folder} but received one with ${list}, ${why}; ` +
      "choose another folder, or move them away (nothing was changed)",
  );
}

/** What a file system of its own begins with. */
const mountsOwn = "lost+found";

/** What lies in a folder, but for what limn needs while it writes. */
function namesIn(folder: string): string[] {
  const mounted = isMounted(folder);
  return readdirSync(folder)
    .filter((name) => !(mounted && name === mountsOwn) && !isOwnName(name))
    .sort();
}

function isMounted(folder: string): boolean {
  return statSync(folder).dev !== statSync(dirname(folder)).dev;
}

/** Whether a folder cannot be renamed: it is in use, something is mounted on it, or its parent is locked. */
function isInPlace(target: string): boolean {
  const stats = statsOf(target);
  if (stats === undefined) return false;
  const parent = dirname(target);
  if (parent === target || !canWrite(parent) || isMounted(target)) return true;
  return liesIn(workingFolder() ?? parent, target);
}

function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // It was removed.
    return undefined;
  }
}

/** Whether files can be made in a folder; one that is missing says so when it is made. */
function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR";
  }
}

/** Whether `moveInto` was cut off: a file of the record is not there yet. */
function isUnfinished(folder: string): boolean {
  return recordedFiles(folder).some((name) => !statsOf(join(folder, name)));
}

/** Fills an empty folder where it is: what lies there in between has a record, and no configuration. */
function moveInto(target: string, partial: string): void {
  for (const name of namesIn(target)) rmSync(join(target, name), { recursive: true });
  const rank = (name: string): number =>
    name === recordName ? 0 : name.endsWith("config.json") ? 2 : 1;
  const names = readdirSync(partial).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const name of names) {
    renameSync(join(partial, name), join(target, name));
    if (name === recordName) syncFolder(target);
  }
  syncFolder(target);
}

function lockFor(target: string): string {
  return canWrite(dirname(target)) ? lockBeside(target) : join(target, lockName);
}

function lockBeside(target: string): string {
  return join(dirname(target), `.${basename(target)}${lockName}`);
}

function previousOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.limn-previous`);
}

function physicalOrGiven(folder: string): string {
  try {
    return physicalPath(folder);
  } catch {
    return folder;
  }
}

function restorePrevious(target: string): void {
  const previous = previousOf(target);
  if (!statsOf(previous)) return;
  // An empty folder, which somebody made since, is replaced by the rename itself.
  if (statsOf(target) && readdirSync(target).length > 0) removeFolder(previous);
  else renameSync(previous, target);
}

function replaceFolder(target: string, partial: string): void {
  const previous = previousOf(target);
  // An empty folder is replaced by the rename itself.
  const replaces = statsOf(target) !== undefined && readdirSync(target).length > 0;
  if (replaces) renameSync(target, previous);
  try {
    renameSync(partial, target);
  } catch (cause) {
    if (replaces) renameSync(previous, target);
    throw cause;
  }
  syncFolder(dirname(target));
  if (replaces) removeFolder(previous);
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path, "r+");
  }
  syncFolder(folder);
}
