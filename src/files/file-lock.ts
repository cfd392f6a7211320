/**
 * A lock between processes: a file that exists while someone works. Its owner touches it, so that
 * one whose owner crashed, even on another host, is seen as left behind and broken.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasEnded, thisProcess, type Owner } from "./owner.ts";
import { storageError } from "./storage.ts";

const TOUCH_MS = 5_000;
const PATIENCE_MS = 30_000;
const LONGEST_POLL_MS = 500;

interface LockOwner extends Owner {
  readonly id: string;
}

export interface FileLockOptions {
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds without a touch after which an owner that cannot be seen from here counts as gone;
   * 30,000 by default. It must be longer than the owner's thread is ever busy without a pause.
   */
  readonly patience?: number | undefined;
  /** Called once where someone else holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/**
 * Runs `work` while no one else holds `file`, in this process or another; waits for as long as the
 * owner lives.
 *
 * throws  StorageError where the lock cannot be written; the signal's reason
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  { signal, patience = PATIENCE_MS, onWait }: FileLockOptions = {},
): Promise<T> {
  const owner: LockOwner = { id: randomUUID(), ...thisProcess() };
  let wait = 20;
  let told = false;
  while (!(await acquired(file, owner))) {
    if (await isAbandoned(file, patience)) {
      await breakLock(file, patience);
      continue;
    }
    if (!told) onWait?.();
    told = true;
    await sleep(wait, undefined, { signal });
    wait = Math.min(2 * wait, LONGEST_POLL_MS);
  }
  const touch = setInterval(
    () => void utimes(file, new Date(), new Date()).catch(() => {}),
    TOUCH_MS,
  );
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if ((await readOwner(file))?.id === owner.id) await rm(file, { force: true });
  }
}

/** Who holds `file`, as far as the file says it; undefined where nobody does. */
export async function lockHolder(file: string, patience = PATIENCE_MS): Promise<Owner | undefined> {
  const owner = await readOwner(file);
  return owner === undefined || (await isAbandoned(file, patience)) ? undefined : owner;
}

async function acquired(file: string, owner: LockOwner): Promise<boolean> {
  try {
    // Its own EEXIST says that a file is in the way, not that someone holds the lock.
    await mkdir(path.dirname(file), { recursive: true });
  } catch (error) {
    throw storageError(file, error, { kept: "nothing was begun" });
  }
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(JSON.stringify(owner));
    } catch (cause) {
      await rm(file, { force: true });
      throw cause;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw storageError(file, error, { kept: "nothing was begun" });
  }
}

/** Its owner is a process of this host that has ended, or it was not touched for long. */
async function isAbandoned(file: string, patience: number): Promise<boolean> {
  const owner = await readOwner(file);
  if (owner && hasEnded(owner)) return true;
  try {
    return Date.now() - (await stat(file)).mtimeMs > patience;
  } catch {
    // Released in between: there is nothing to break.
    return false;
  }
}

/** Undefined where there is none, where its owner is about to write it, or for another's file. */
async function readOwner(file: string): Promise<LockOwner | undefined> {
  try {
    const owner = JSON.parse(await readFile(file, "utf8")) as Partial<LockOwner> | null;
    return typeof owner?.id === "string" ? (owner as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Removes an abandoned lock. Of several processes that see one, the holder of a second lock looks
 * again and removes it, so that nobody removes a lock that was made after the look.
 */
async function breakLock(file: string, patience: number): Promise<void> {
  const breaking = `${file}.breaking`;
  if (!(await acquired(breaking, { id: randomUUID(), ...thisProcess() }))) {
    if (await isAbandoned(breaking, PATIENCE_MS)) await rm(breaking, { force: true });
    else await sleep(20);
    return;
  }
  try {
    if (await isAbandoned(file, patience)) await rm(file, { force: true });
  } finally {
    await rm(breaking, { force: true });
  }
}
