/** Lets one process at a time do something to a folder, such as build the data that studies share. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Holders in this process: a lock is for processes and for calls within one. */
const held = new Set<string>();

/** Runs `body` while this process holds `<folder>.lock`; waits for another that holds it. */
export async function exclusively<T>(
  folder: string,
  body: () => Promise<T>,
  note: (line: string) => void,
): Promise<T> {
  const file = `${path.resolve(folder)}.lock`;
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (held.has(file) || !tryLock(file)) {
    if (!told) note(`Waiting for another process that works on ${folder} ...`);
    told = true;
    await sleep(200);
  }
  held.add(file);
  try {
    return await body();
  } finally {
    held.delete(file);
    rmSync(file, { force: true });
  }
}

/** Whether `<folder>.lock` belongs to a process that runs, and which. */
export function holderOf(folder: string): number | undefined {
  const holder = readHolder(`${path.resolve(folder)}.lock`);
  return holder !== undefined && isRunning(holder) ? holder : undefined;
}

function tryLock(file: string): boolean {
  try {
    const descriptor = openSync(file, "wx");
    writeSync(descriptor, String(process.pid));
    closeSync(descriptor);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const holder = readHolder(file);
  // What a process left that was killed is taken away, and the next try takes it.
  if (holder !== undefined && (holder === process.pid || !isRunning(holder))) {
    rmSync(file, { force: true });
  }
  return false;
}

/** Undefined where there is none, or where its owner is about to write its number. */
function readHolder(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
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
