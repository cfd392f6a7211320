/** Writing all of some bytes, and what the file system says no to. Knows no kind of file. */
import { writeSync } from "node:fs";
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
  ELOOP: "links that lead somewhere",
  ENAMETOOLONG: "a shorter name",
  EBUSY: "a folder that nothing is mounted on",
  EXDEV: "a folder that nothing is mounted on",
  ETXTBSY: "a file that nobody runs",
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
