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
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { hasEnded, thisProcess } from "./owner.ts";
import { storageError, writeFully } from "./storage.ts";

/** Temporary names in use by this process. */
const inUse = new Set<string>();

/**
 * A file that is written in parts under a temporary name beside it, and takes its own name when it
 * is complete. Several processes may write the same file: the last to finish wins with a whole one.
 */
export class AtomicFile {
  readonly file: string;
  /** The temporary file; readers know such a name by `isPartial`. */
  readonly partial: string;
  #descriptor: number | undefined;
  #sealed = false;
  #over = false;

  /**
   * Makes the temporary file, and removes those of `file` whose processes have ended.
   *
   * throws  StorageError naming `file` where its folder cannot be written
   */
  constructor(file: string) {
    this.file = file;
    const folder = dirname(resolve(file));
    this.partial = join(folder, freeName(folder, `.${basename(file)}`));
    try {
      removeAbandoned(folder, `.${basename(file)}`);
      this.#descriptor = openSync(this.partial, "w");
    } catch (cause) {
      inUse.delete(this.partial);
      throw storageError(file, cause);
    }
  }

  /** Appends, or writes at `position`. throws  StorageError naming the file, as on a full disk */
  write(bytes: Uint8Array, position?: number): void {
    this.#guarded(() => writeFully(this.#open(), bytes, position));
  }

  /** Brings all that was written to the disk; writing is over. */
  seal(): void {
    if (this.#sealed) return;
    this.#guarded(() => {
      fsyncSync(this.#open());
      this.#close();
      this.#sealed = true;
    });
  }

  /** Completes the file: it is on the disk under its own name when this returns. */
  finish(): void {
    this.seal();
    this.#guarded(() => {
      renameSync(this.partial, this.file);
      syncFolder(dirname(resolve(this.file)));
    });
    this.#release();
  }

  /** Gives up: nothing of it stays. Does nothing after `finish`. */
  discard(): void {
    if (this.#over) return;
    try {
      this.#close();
    } catch {
      // The failure before this one is the one to report.
    }
    discard(this.partial);
    this.#release();
  }

  #release(): void {
    this.#over = true;
    inUse.delete(this.partial);
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error(`internal: ${this.file} is closed`);
    return this.#descriptor;
  }

  #close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  #guarded(body: () => void): void {
    try {
      body();
    } catch (cause) {
      throw storageError(this.file, cause);
    }
  }
}

/**
 * Writes `file` through a temporary file beside it: write, fsync, rename, fsync of the folder.
 *
 * fill    appends the file's bytes, part by part
 * throws  StorageError naming `file` when the disk is full or the folder cannot be written
 */
export function writeFileAtomically(
  file: string,
  fill: (write: (bytes: Uint8Array) => void) => void,
): void {
  const written = new AtomicFile(file);
  try {
    fill((bytes) => written.write(bytes));
    written.finish();
  } catch (cause) {
    written.discard();
    throw storageError(file, cause);
  }
}

/** Replaces a text file atomically. */
export function writeTextAtomically(file: string, text: string): void {
  writeFileAtomically(file, (write) => write(Buffer.from(text)));
}

/**
 * Writes a folder under a temporary name and puts it in place of `folder`. No system call that Node
 * has swaps two folders, so an old one first becomes `<folder>.previous`: a crash between the two
 * renames leaves that one whole, `existingFolder` finds it, and the next write puts it back.
 *
 * fill    receives the temporary folder, empty
 * throws  StorageError naming `folder`; the old folder is then as it was
 */
export async function writeFolderAtomically(
  folder: string,
  fill: (partial: string) => void | Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  const parent = dirname(target);
  const partial = join(parent, freeName(parent, basename(target)));
  try {
    mkdirSync(parent, { recursive: true });
    restorePrevious(target);
    removeAbandoned(parent, basename(target));
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial);
    await fill(partial);
    syncTree(partial);
    replaceFolder(target, partial);
  } catch (cause) {
    discard(partial);
    throw storageError(folder, cause);
  } finally {
    inUse.delete(partial);
  }
}

/** `folder`, or `<folder>.previous` when a write was cut off between its two renames. */
export function existingFolder(folder: string): string {
  if (existsSync(folder)) return folder;
  const previous = previousOf(folder);
  return existsSync(previous) ? previous : folder;
}

/** Whether a name of a file or folder is that of one which is not whole. */
export function isPartial(name: string): boolean {
  return /\.partial-[^/\\]+-\d+-\d+$/.test(name);
}

/** A name that no other process on the same volume uses, nor this one for another file. */
function freeName(folder: string, name: string): string {
  const { host, pid } = thisProcess();
  for (let i = 0; ; i++) {
    const partial = `${name}.partial-${host}-${pid}-${i}`;
    if (inUse.has(join(folder, partial))) continue;
    inUse.add(join(folder, partial));
    return partial;
  }
}

/** Removes what processes of this host that have ended left half-written of `name`. */
function removeAbandoned(folder: string, name: string): void {
  const { host } = thisProcess();
  const prefix = `${name}.partial-${host}-`;
  for (const found of readdirSync(folder)) {
    if (!found.startsWith(prefix)) continue;
    const pid = Number(/^(\d+)-\d+$/.exec(found.slice(prefix.length))?.[1] ?? 0);
    if (pid > 0 && hasEnded({ host, pid })) {
      rmSync(join(folder, found), { recursive: true, force: true });
    }
  }
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

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path, "r+");
  }
  syncFolder(folder);
}

/** A rename is on the disk only once its folder is. */
function syncFolder(folder: string): void {
  // Windows has no descriptor for a folder; its renames are journalled.
  if (process.platform === "win32") return;
  try {
    syncPath(folder, "r");
  } catch (error) {
    // Some network file systems know no such call.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EINVAL" && code !== "ENOTSUP") throw error;
  }
}

function syncPath(path: string, flags: string): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
