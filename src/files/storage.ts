/** Where a path leads, writing all of some bytes, and what the file system says no to. Knows no kind of file. */
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmdirSync,
  writeSync,
  type Stats,
} from "node:fs";
import path from "node:path";
import { StorageError } from "../errors.ts";

/**
 * Writes all of `bytes`, whatever a single call accepts.
 *
 * position   where in the file; at the descriptor's own position when absent
 */
export function writeFully(descriptor: number, bytes: Uint8Array, position?: number): void {
  // One write call takes at most 2 GiB.
  const most = 1 << 28;
  for (let at = 0; at < bytes.length;) {
    const count = Math.min(most, bytes.length - at);
    at += writeSync(descriptor, bytes, at, count, position === undefined ? null : position + at);
  }
}

const reasons: Record<string, string> = {
  ENOSPC: "free disk space",
  EDQUOT: "free space within the disk quota",
  EFBIG: "a file system and a limit that allow a file of this size",
  EACCES: "write permission",
  EPERM: "write permission",
  EROFS: "a writable file system",
  EIO: "a disk without faults",
  ENOENT: "an existing folder",
  ENOTDIR: "folders only on the path",
  EEXIST: "folders only on the path",
  EISDIR: "a file, not a folder,",
  ENOTFILE: "a file, not a pipe or a device,",
  ELOOP: "links that lead somewhere",
  ENAMETOOLONG: "a shorter name",
  EBUSY: "a folder that nothing is mounted on",
  EXDEV: "a folder that nothing is mounted on",
  ETXTBSY: "a file that nobody runs",
  ENOTEMPTY: "a folder that nobody else fills",
  EMLINK: "a folder that can hold more",
  EMFILE: "fewer open files, or a higher limit of them,",
  ENFILE: "fewer open files, or a higher limit of them,",
  EINVAL: "a name that the file system allows",
  EILSEQ: "a name that the file system allows",
  ENXIO: "a device that is there",
  ENODEV: "a device that is there",
  ESTALE: "a network file system that is there",
  ETIMEDOUT: "a network file system that answers",
};

const fullDisk = new Set(["ENOSPC", "EDQUOT"]);

/** How a StorageError speaks of what was written. */
export interface StorageWords {
  /** What was written; the file when absent. */
  readonly what?: string;
  /** What is still there. */
  readonly kept?: string;
}

/** A failure of the file system as a StorageError that names `file`; any other error as it is. */
export function storageError(
  file: string,
  cause: unknown,
  { what = file, kept = "what was there before is untouched" }: StorageWords = {},
): unknown {
  // A file inside a folder that is being written has been reported by its temporary name.
  const origin = cause instanceof StorageError ? cause.cause : cause;
  const code = (origin as NodeJS.ErrnoException | undefined)?.code;
  const expected = code === undefined ? undefined : reasons[code];
  if (code === undefined || expected === undefined) return cause;
  const cure = fullDisk.has(code) ? "free some space" : "choose another place";
  return new StorageError(
    file,
    `Expected ${expected} for writing ${what} but received ${code}; ${cure} and try again (${kept})`,
    { cause },
  );
}

/** Calls that only somebody who writes makes. */
const writingCalls = new Set(
  "mkdir mkdtemp write writev rename copyfile link symlink unlink rmdir ftruncate fsync fdatasync".split(
    " ",
  ),
);
/** What only somebody who writes is told. */
const writingCodes = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG"]);

/** A bare failure of the file system, wherever it came from, as a StorageError if it was of writing. */
export function asWritingError(error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const { code, syscall, path: from, dest } = error as NodeJS.ErrnoException & { dest?: string };
  if (!writingCodes.has(code ?? "") && !writingCalls.has(syscall ?? "")) return error;
  return storageError(dest ?? from ?? "a file", error, { kept: "it was not finished" });
}

/** Runs `body`, which writes; a failure of the file system becomes a StorageError that names `file`. */
export function orStorageError<T>(file: string, body: () => T, words?: StorageWords): T {
  try {
    return body();
  } catch (cause) {
    throw storageError(file, cause, words);
  }
}

/**
 * Makes a folder and those above it, where they are missing.
 *
 * named   what the error names: what is to be written there; the folder when absent
 * throws  StorageError
 */
export function makeFolder(folder: string, named: string = folder): void {
  orStorageError(named, () => makeFolders(folder));
}

/**
 * As `makeFolder`, and gives the folders that it made, from the outermost; none of them stays where
 * one cannot be made. Goes up by itself: Node's own `recursive` never ends where the system says of a
 * folder that is there that it is not, as in /proc.
 *
 * throws  the file system's error
 */
export function makeFolders(folder: string): string[] {
  const missing: string[] = [];
  let above = physicalPath(folder);
  for (; statsOf(above) === undefined; above = path.dirname(above)) missing.unshift(above);
  if (statsOf(above)?.isDirectory() !== true) throw failure("ENOTDIR", above);
  const made: string[] = [];
  try {
    for (const one of missing) if (makeOne(one)) made.push(one);
  } catch (cause) {
    removeEmpty(made);
    throw cause;
  }
  return made;
}

/** Whether it was made here; somebody else may have made it meanwhile. */
function makeOne(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (statsOf(folder)?.isDirectory() === true) return false;
    throw failure("ENOTDIR", folder);
  }
}

/** Removes folders of `makeFolders`, as far as they are empty again. */
export function removeEmpty(made: readonly string[]): void {
  try {
    for (const folder of made.toReversed()) rmdirSync(folder);
  } catch {
    // It holds something, or somebody removed it.
    return;
  }
}

/** Makes a new folder whose name begins with `prefix`, and those above it. throws  StorageError */
export function makeUniqueFolder(prefix: string): string {
  makeFolder(path.dirname(prefix));
  return orStorageError(prefix, () => mkdtempSync(prefix));
}

/** As many as the kernel follows. */
const MOST_LINKS = 40;

/**
 * The absolute path that `given` stands for, without links: the last name may be a link too, even to
 * nothing. `..` is the folder above the one that a link leads to, as for the system's own calls.
 *
 * throws  the file system's error where a file stands in the way (ENOTDIR) or links go in a circle (ELOOP)
 */
export function physicalPath(given: string): string {
  const absolute = path.isAbsolute(given) ? given : `${process.cwd()}${path.sep}${given}`;
  const { root } = path.parse(absolute);
  let current = root;
  let links = 0;
  const names = namesOf(absolute.slice(root.length));
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      current = path.dirname(current);
      continue;
    }
    const next = path.join(current, name);
    const stats = statsOf(next);
    if (!stats?.isSymbolicLink()) {
      if (stats && !stats.isDirectory() && names.length > 0) throw failure("ENOTDIR", next);
      current = next;
      continue;
    }
    if (++links > MOST_LINKS) throw failure("ELOOP", next);
    const target = readlinkSync(next);
    const targetRoot = path.isAbsolute(target) ? path.parse(target).root : undefined;
    names.unshift(...namesOf(target.slice(targetRoot?.length ?? 0)));
    current = targetRoot ?? current;
  }
  return current;
}

/** Whether `inner` is `outer` or lies in it; both as `physicalPath` gives them. */
export function liesIn(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return relative === "" || !(relative.split(path.sep)[0] === ".." || path.isAbsolute(relative));
}

/** What lies at a path itself, links not followed; undefined where there is nothing. */
export function statsOf(file: string): Stats | undefined {
  try {
    return lstatSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * Refuses what nobody, or not this user, may write: replacing it needs no such permission, but who
 * took that away wanted it kept. A link is what lies there itself.
 *
 * throws  the file system's error, as EACCES
 */
export function checkWritable(file: string): void {
  const stats = statsOf(file);
  if (stats === undefined || stats.isSymbolicLink()) return;
  accessSync(file, constants.W_OK);
  // The superuser may write all.
  if ((stats.mode & 0o222) === 0) throw failure("EACCES", file);
}

function namesOf(text: string): string[] {
  const separators = path.sep === "\\" ? /[\\/]+/ : /\/+/;
  return text.split(separators).filter((name) => name !== "" && name !== ".");
}

/** An error as the file system has it, of writing. */
function failure(code: string, file: string): Error {
  return Object.assign(new Error(`${code}: mkdir ${file}`), { code, path: file, syscall: "mkdir" });
}
