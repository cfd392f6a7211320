/**
 * A lock between processes: a file that exists while someone works. Its owner touches it, so that
 * one whose owner crashed, even on another host, is seen as left behind and broken.
 */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { link, open, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../errors.ts";
import {
  discard,
  hasEnded,
  isRunning,
  partialPath,
  releasePartial,
  removeAbandoned,
  thisProcess,
  type Owner,
} from "./owner.ts";
import { checkRegularFile, readRegular } from "./regular-file.ts";
import { makeFolders, storageError } from "./storage.ts";

const TOUCH_MS = 5_000;
const PATIENCE_MS = 30_000;
const LONGEST_POLL_MS = 500;
/** One who writes may keep its thread busy for minutes, in a step or a product of large matrices. */
export const WRITERS_PATIENCE_MS = 600_000;

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
  /** Called once where someone else holds the lock, with words for who: the process and its host. */
  readonly onWait?: ((holder: string) => void) | undefined;
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
  const owner = newOwner();
  let wait = 20;
  let told = false;
  while (!(await acquired(file, owner))) {
    if (await isAbandoned(file, patience)) {
      await breakLock(file, patience);
      continue;
    }
    if (!told) onWait?.(describe(await readOwner(file)));
    told = true;
    await sleep(wait, undefined, { signal });
    wait = Math.min(2 * wait, LONGEST_POLL_MS);
  }
  return whileHeld(file, owner, work);
}

/**
 * Runs `work`, which writes `target`, while this process holds the lock `file`; refuses where someone
 * else writes it, in this process too. What a crashed process left is taken over: at once on this
 * host, on another one when it was not touched for ten minutes.
 *
 * throws  StorageError naming the holder, or where the lock cannot be written
 */
export async function asOnlyWriter<T>(
  target: string,
  file: string,
  work: () => Promise<T>,
): Promise<T> {
  const owner = newOwner();
  while (!(await acquired(file, owner))) {
    if (!(await isHeld(file)) && (await isAbandoned(file, WRITERS_PATIENCE_MS))) {
      await breakLock(file, WRITERS_PATIENCE_MS);
      continue;
    }
    const holder = await readOwner(file);
    // Given back in between, or about to be written.
    if (holder === undefined && !(await exists(file))) continue;
    throw heldError(target, file, holder);
  }
  return whileHeld(file, owner, work);
}

/** Refuses `target` where the lock `file` is of a process that is not known to have ended. */
export function refuseHeld(target: string, file: string): void {
  const holder = parseOwner(() => readLock(file));
  if (holder !== undefined && !hasEnded(holder)) throw heldError(target, file, holder);
}

function heldError(target: string, file: string, holder: Owner | undefined): StorageError {
  return new StorageError(
    target,
    `Expected nobody else to write ${target} but received a lock of ${describe(holder)}; wait ` +
      `until that has ended, or choose another place (if it has ended already, remove ${file})`,
  );
}

function describe(holder: Owner | undefined): string {
  if (holder === undefined) return "an unknown process";
  const host = holder.host.replace(/\+\d+$/, "");
  const own = holder.pid === process.pid && holder.host === thisProcess().host;
  return `process ${holder.pid} on host ${host}${own ? " (this one)" : ""}`;
}

async function whileHeld<T>(file: string, owner: LockOwner, work: () => Promise<T>): Promise<T> {
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

/** Removes the locks of a folder that were left behind; others, and those that somebody takes over, stay. */
export async function removeLeftLocks(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(".limn.lock"))) {
    await removeLeftLock(path.join(folder, name));
  }
}

/** Removes a lock whose process of this host has ended, unless somebody takes it over. */
export async function removeLeftLock(file: string): Promise<void> {
  const owner = await readOwner(file);
  // Where it cannot be removed it does not matter either.
  if (owner && hasEnded(owner)) await breakLock(file, PATIENCE_MS).catch(() => {});
}

/** Removes a lock whose process of this host has ended; the caller knows that nobody else takes it. */
export function removeEndedLock(file: string): void {
  const owner = parseOwner(() => readLock(file));
  if (owner && hasEnded(owner)) rmSync(file, { force: true });
}

function newOwner(): LockOwner {
  return { id: randomUUID(), ...thisProcess() };
}

async function acquired(file: string, owner: LockOwner): Promise<boolean> {
  const folder = path.dirname(file);
  let whole: string | undefined;
  try {
    // Its own EEXIST says that a file is in the way, not that someone holds the lock.
    makeFolders(folder);
    removeAbandoned(folder);
    whole = partialPath(folder, `.${path.basename(file)}`);
    await writeFile(whole, JSON.stringify(owner));
    const isOurs = await made(whole, file);
    // What is no file is nobody's lock: it is not waited for, and nothing that limn may remove.
    if (!isOurs) checkRegularFile(file);
    return isOurs;
  } catch (error) {
    throw storageError(file, error, { kept: "nothing was begun" });
  } finally {
    if (whole !== undefined) {
      discard(whole);
      releasePartial(whole);
    }
  }
}

/** Makes the lock with its text in it, so that whoever sees it can read whose it is. */
async function made(whole: string, file: string): Promise<boolean> {
  try {
    await link(whole, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    // Some file systems have no links of this kind.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS" && code !== "EMLINK") {
      throw error;
    }
  }
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(await readFile(whole));
    } catch (cause) {
      await rm(file, { force: true });
      throw cause;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
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

/** Whether its owner is known to run: its thread may be busy, or stopped, for as long as it likes. */
async function isHeld(file: string): Promise<boolean> {
  const owner = await readOwner(file);
  return owner !== undefined && isRunning(owner);
}

/** Undefined where there is none, where its owner is about to write it, or for another's file. */
async function readOwner(file: string): Promise<LockOwner | undefined> {
  return parseOwner(() => readLock(file));
}

/** Bytes of a lock's text, of which a hundred are usual. */
const MOST_LOCK_BYTES = 1 << 16;

function readLock(file: string): string {
  return readRegular(file, MOST_LOCK_BYTES).toString("utf8");
}

function parseOwner(read: () => string): LockOwner | undefined {
  try {
    const owner = JSON.parse(read()) as Partial<LockOwner> | null;
    const whole = typeof owner?.id === "string" && typeof owner.host === "string";
    return whole && Number.isSafeInteger(owner.pid) ? (owner as LockOwner) : undefined;
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
  if (!(await acquired(breaking, newOwner()))) {
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
