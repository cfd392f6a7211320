/** A file that only grows, by whole records. Knows nothing about what a record is. */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { DisposedError } from "../../errors.ts";
import { unshare } from "../../files/atomic-write.ts";
import { checkNoPipe } from "../../files/regular-file.ts";
import { orStorageError, storageError, writeFully } from "../../files/storage.ts";

/** Appends records; a record is in the file whole or not at all, unless the process is killed. */
export class AppendFile {
  readonly path: string;
  #descriptor: number | undefined;
  #size: number;

  /**
   * Opens `path` for appending, making it if `flag` allows (see fs.open), and cuts it to its first
   * `keep` bytes.
   *
   * throws  StorageError naming the file where it cannot be written; with `ax` the file system's
   *         error when there is one already
   */
  constructor(path: string, flag: "a" | "ax", keep: number = Infinity) {
    this.path = path;
    try {
      // A pipe would be waited for.
      checkNoPipe(path);
      unshare(path);
      this.#descriptor = openSync(path, flag);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "EEXIST" ? error : storageError(path, error);
    }
    const descriptor = this.#descriptor;
    this.#size = orStorageError(path, () => {
      const { size } = fstatSync(descriptor);
      if (keep < size) ftruncateSync(descriptor, keep);
      return Math.min(keep, size);
    });
  }

  /**
   * throws  StorageError naming the file, as on a full disk, with the file as it was before the
   *         call; DisposedError after close
   */
  append(record: Uint8Array): void {
    const descriptor = this.#open();
    try {
      writeFully(descriptor, record);
    } catch (error) {
      this.#cut(descriptor);
      throw storageError(this.path, error);
    }
    this.#size += record.length;
  }

  /** Removes what a failed write left; that failure is the one to report, not this one's. */
  #cut(descriptor: number): void {
    try {
      ftruncateSync(descriptor, this.#size);
    } catch {
      return;
    }
  }

  /** Waits until everything appended is on the disk itself. throws  StorageError naming the file */
  sync(): void {
    const descriptor = this.#open();
    orStorageError(this.path, () => fdatasyncSync(descriptor));
  }

  /** Closing twice is fine, appending afterwards is not. */
  close(): void {
    if (this.#descriptor === undefined) return;
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    orStorageError(this.path, () => closeSync(descriptor));
  }

  #open(): number {
    if (this.#descriptor !== undefined) return this.#descriptor;
    throw new DisposedError(
      `Expected an open file for ${this.path} but it was closed; write before closing.`,
    );
  }
}
