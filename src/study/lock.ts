/** Lets one process at a time do something to a folder, such as build the data that studies share. */
import path from "node:path";
import { lockHolder, withFileLock } from "../files/file-lock.ts";
import type { Owner } from "../files/owner.ts";

/** A step or a metric may keep the thread busy for long; nothing does for minutes. */
const PATIENCE_MS = 180_000;

/** Runs `body` while this process holds `<folder>.lock`; waits for another that holds it. */
export function exclusively<T>(
  folder: string,
  body: () => Promise<T>,
  note: (line: string) => void,
): Promise<T> {
  return withFileLock(lockOf(folder), body, {
    patience: PATIENCE_MS,
    onWait: () => note(`Waiting for another process that works on ${folder} ...`),
  });
}

/** Who holds `<folder>.lock`; undefined where nobody does, or where its holder is gone. */
export function holderOf(folder: string): Promise<Owner | undefined> {
  return lockHolder(lockOf(folder), PATIENCE_MS);
}

function lockOf(folder: string): string {
  return `${path.resolve(folder)}.lock`;
}
