/**
 * Files that are replaced as a whole: a reader sees the old one or the new one, and a crash or a full
 * disk leaves the old one.
 */
import {
  closeSync,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  type Stats,
} from "node:fs";
import { basename, dirname } from "node:path";
import { StorageError } from "../errors.ts";
import { discard, partialPath, releasePartial, removeAbandonedAtTimes } from "./owner.ts";
import { checkWritable, physicalPath, statsOf, storageError, writeFully } from "./storage.ts";

/**
 * A file that is written in parts under a temporary name beside it, and takes its own name when it
 * is complete. Several processes may write the same file: the last to finish wins with a whole one.
 * Where a link lies, the file that it leads to is written.
 */
export class AtomicFile {
  readonly file: string;
  /** The temporary file; readers know such a name by `isPartial`. */
  readonly partial: string;
  /** `file` without links. */
  readonly #target: string;
  #descriptor: number | undefined;
  #sealed = false;
  #over = false;

  /**
   * Makes the temporary file, and at times removes what ended processes left in its folder.
   *
   * throws  StorageError naming `file` where its folder cannot be written, or where something lies
   *         that is no plain file
   */
  constructor(file: string) {
    this.file = file;
    let partial: string | undefined;
    try {
      this.#target = physicalPath(file);
      const old = checkPlain(file, this.#target);
      const folder = dirname(this.#target);
      removeAbandonedAtTimes(folder);
      this.partial = partial = partialPath(folder, `.${basename(this.#target)}`);
      this.#descriptor = openSync(partial, "w");
      if (old !== undefined) keepAccess(this.#descriptor, old);
    } catch (cause) {
      if (partial !== undefined) {
        discard(partial);
        releasePartial(partial);
      }
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
      renameSync(this.partial, this.#target);
      syncFolder(dirname(this.#target));
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
    releasePartial(this.partial);
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
 * throws  StorageError naming `file` when the disk is full, the folder cannot be written, or something
 *         lies there that is no plain file
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

/**
 * Gives a file that has other names, as hard links of a backup are, a copy of its own: what is then
 * changed in place stays the same under those. Does nothing to any other file, or to none.
 *
 * throws  the file system's error
 */
export function unshare(file: string): void {
  const target = physicalPath(file);
  const stats = statsOf(target);
  if (stats?.isFile() !== true || stats.nlink < 2) return;
  const partial = partialPath(dirname(target), `.${basename(target)}`);
  try {
    copyFileSync(target, partial);
    renameSync(partial, target);
  } finally {
    discard(partial);
    releasePartial(partial);
  }
}

/** Replaces a text file atomically. */
export function writeTextAtomically(file: string, text: string): void {
  writeFileAtomically(file, (write) => write(Buffer.from(text)));
}

/** Who could not read the old file cannot read the new one, and whose it was owns it still. */
function keepAccess(descriptor: number, { mode, uid, gid }: Stats): void {
  try {
    if (uid !== process.getuid?.() || gid !== process.getgid?.()) fchownSync(descriptor, uid, gid);
  } catch {
    // Only the superuser may give a file away.
  }
  fchmodSync(descriptor, mode & 0o7777);
}

/** The plain file at `target`. Throws StorageError for anything else, and for one that is protected. */
function checkPlain(file: string, target: string): Stats | undefined {
  const stats = statsOf(target);
  if (stats === undefined) return undefined;
  if (stats.isFile()) {
    checkWritable(target);
    return stats;
  }
  const found = stats.isDirectory() ? "a folder" : "a device, pipe or socket";
  throw new StorageError(
    file,
    `Expected a plain file, or nothing yet, at ${file} for writing but received ${found}; ` +
      "choose another name (it is untouched)",
  );
}

/** Brings the names of a folder to the disk: a rename is there only once its folder is. */
export function syncFolder(folder: string): void {
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

/** Brings a file, opened with `flags`, to the disk. */
export function syncPath(path: string, flags: string): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
