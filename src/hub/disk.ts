/** What the file system says no to. */
import { statfs } from "node:fs/promises";
import path from "node:path";
import { HubError, StorageError } from "../errors.ts";

/** Errors of the file system name the folder and what to do; others stay as they are. */
export function asDiskError(failure: unknown, folder: string): unknown {
  const error = failure instanceof StorageError ? failure.cause : failure;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof HubError || code === undefined || syscall === undefined) return failure;
  const full = ["ENOSPC", "EDQUOT", "EFBIG"].includes(code);
  const cure = full ? "free some space" : "correct its permissions";
  return new HubError(
    "disk",
    `Expected to write the cache folder ${folder} but received ${message}; ${cure} or set HF_HUB_CACHE to another folder, and run it again: what has arrived is kept.`,
    { cause: error },
  );
}

/** Says so where `bytes` will hardly fit; file systems that do not know their size are trusted. */
export async function warnOfLittleSpace(
  folder: string,
  bytes: number,
  warn: (message: string) => void,
): Promise<void> {
  const free = await freeBytes(folder);
  if (free === undefined || free >= bytes) return;
  const mebibytes = (count: number) => `${Math.ceil(count / 2 ** 20)} MiB`;
  warn(
    `The files to fetch take ${mebibytes(bytes)}, but ${folder} has ${mebibytes(free)} free; free some space or set HF_HUB_CACHE to another folder.`,
  );
}

/** Of the nearest folder that exists. */
async function freeBytes(folder: string): Promise<number | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      const { bavail, bsize, blocks } = await statfs(at);
      return blocks === 0 ? undefined : bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || at === path.dirname(at)) {
        return undefined;
      }
    }
  }
}
