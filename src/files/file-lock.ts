/**
 * A lock between processes: a file that exists while someone works. Its owner touches it, so that
 * one whose owner crashed is seen as left behind and broken.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const TOUCH_MS = 5_000;
const ABANDONED_MS = 30_000;
const LONGEST_POLL_MS = 500;

interface Owner {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
}

/**
 * Runs `work` while no one else holds `file`. Waits for as long as the owner lives; two processes
 * that break the same abandoned lock at the same moment may both enter, so `work` must bear that.
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const owner: Owner = { id: randomUUID(), pid: process.pid, host: hostname() };
  await mkdir(path.dirname(file), { recursive: true });
  for (let wait = 20; !(await acquired(file, owner)); wait = Math.min(2 * wait, LONGEST_POLL_MS)) {
    if (await isAbandoned(file)) await breakLock(file);
    else await sleep(wait, undefined, { signal });
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

async function acquired(file: string, owner: Owner): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(JSON.stringify(owner));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Its owner is a process of this machine that has ended, or it was not touched for long. */
async function isAbandoned(file: string): Promise<boolean> {
  const owner = await readOwner(file);
  if (owner?.host === hostname() && !isRunning(owner.pid)) return true;
  try {
    return Date.now() - (await stat(file)).mtimeMs > ABANDONED_MS;
  } catch {
    // Released in between: there is nothing to break.
    return false;
  }
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Owner;
  } catch {
    // Gone, or not yet written: its age decides.
    return undefined;
  }
}

/** Moved aside first: of several processes that see an abandoned lock, one removes it. */
async function breakLock(file: string): Promise<void> {
  const aside = `${file}.${randomUUID().slice(0, 8)}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  await rm(aside, { force: true });
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
