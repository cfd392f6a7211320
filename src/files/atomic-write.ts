/**
 * Files and folders that are replaced as a whole: a reader sees the old one or the new one, and a
 * crash or a full disk leaves the old one.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError } from "../errors.ts";

let counter = 0;

/**
 * Writes `file` through a temporary file beside it: write, fsync, rename, fsync of the folder.
 *
 * fill    receives the descriptor of the temporary file, open for writing
 * throws  CheckpointError naming `file` when the disk is full or the folder cannot be written
 */
export function writeFileAtomically(file: string, fill: (descriptor: number) => void): void {
  const folder = dirname(resolve(file));
  const partial = join(folder, `.${basename(file)}.partial-${process.pid}-${counter++}`);
  try {
    const descriptor = openSync(partial, "wx");
    try {
      fill(descriptor);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(partial, file);
    syncFolder(folder);
  } catch (cause) {
    discard(partial);
    throw writeError(file, cause);
  }
}

/** Writes all of `bytes` at the descriptor's position, whatever a single call accepts. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  // One write call takes at most 2 GiB.
  const most = 1 << 28;
  for (let at = 0; at < bytes.length;) {
    at += writeSync(descriptor, bytes, at, Math.min(most, bytes.length - at));
  }
}

/** Replaces a text file atomically. */
export function writeTextAtomically(file: string, text: string): void {
  writeFileAtomically(file, (descriptor) => writeFully(descriptor, Buffer.from(text)));
}

/**
 * Writes a folder under a temporary name and puts it in place of `folder`. No system call that Node
 * has swaps two folders, so an old one first becomes `<folder>.previous`: a crash between the two
 * renames leaves that one whole, `existingFolder` finds it, and the next write puts it back.
 *
 * fill    receives the temporary folder, empty
 * throws  CheckpointError naming `folder`; the old folder is then as it was
 */
export async function writeFolderAtomically(
  folder: string,
  fill: (partial: string) => void | Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  const partial = `${target}.partial-${process.pid}`;
  try {
    mkdirSync(dirname(target), { recursive: true });
    restorePrevious(target);
    removeAbandoned(target);
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial);
    await fill(partial);
    syncTree(partial);
    replaceFolder(target, partial);
  } catch (cause) {
    discard(partial);
    throw writeError(folder, cause);
  }
}

/** `folder`, or `<folder>.previous` when a write was cut off between its two renames. */
export function existingFolder(folder: string): string {
  if (existsSync(folder)) return folder;
  const previous = previousOf(folder);
  return existsSync(previous) ? previous : folder;
}

/** Removes what is left of a failed write; that failure is the one to report, not this one's. */
function discard(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    return;
  }
}

function previousOf(folder: string): string {
  return `${resolve(folder)}.previous`;
}

function restorePrevious(target: string): void {
  const previous = previousOf(target);
  if (!existsSync(previous)) return;
  if (existsSync(target)) rmSync(previous, { recursive: true });
  else renameSync(previous, target);
}

function replaceFolder(target: string, partial: string): void {
  const previous = previousOf(target);
  const replaces = existsSync(target);
  if (replaces) renameSync(target, previous);
  try {
    renameSync(partial, target);
  } catch (cause) {
    if (replaces) renameSync(previous, target);
    throw cause;
  }
  syncFolder(dirname(target));
  rmSync(previous, { recursive: true, force: true });
}

/** Removes what processes that no longer run left half-written beside `target`. */
function removeAbandoned(target: string): void {
  const prefix = `${basename(target)}.partial-`;
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length));
    if (Number.isInteger(pid) && pid > 0 && !isRunning(pid)) {
      rmSync(join(dirname(target), name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path, "r+");
  }
  syncFolder(folder);
}

function syncFolder(folder: string): void {
  // Windows has no descriptor for a folder; its renames are journalled.
  if (process.platform !== "win32") syncPath(folder, "r");
}

function syncPath(path: string, flags: string): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const reasons: Record<string, string> = {
  ENOSPC: "free disk space",
  EDQUOT: "free space within the disk quota",
  EACCES: "write permission",
  EPERM: "write permission",
  EROFS: "a writable file system",
  ENOENT: "an existing folder",
  ENOTDIR: "folders only on the path",
  EEXIST: "folders only on the path",
};

/** A failure of the file system as a CheckpointError; any other error as it is. */
export function writeError(file: string, cause: unknown): unknown {
  // A file inside a folder that is being written has been reported by its temporary name.
  const origin = cause instanceof CheckpointError ? cause.cause : cause;
  const code = (origin as NodeJS.ErrnoException | undefined)?.code;
  const expected = code === undefined ? undefined : reasons[code];
  if (expected === undefined) return cause;
  const cure = code === "ENOSPC" || code === "EDQUOT" ? "free some space" : "choose another place";
  return new CheckpointError(
    file,
    `Expected ${expected} for writing ${file} but received ${code}; ${cure} and try again ` +
      "(what was there before is untouched)",
    { cause },
  );
}
