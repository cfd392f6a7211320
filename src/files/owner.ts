/**
 * Which process made a lock or a file that is not finished, and whether it has ended; and the names of
 * files that are not finished. Knows nothing about what it made.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** A process among all that may see a shared volume. */
export interface Owner {
  /** Where `pid` means something: the host's name and, on Linux, its space of process numbers. */
  readonly host: string;
  readonly pid: number;
  /** When it began, in the system's own count; a number may be given to another process later. */
  readonly began?: string | undefined;
}

/** Two containers may have the same host name, and each has its own process 1. */
const host = `${hostname().replaceAll(/[^A-Za-z0-9.-]/g, "_")}${processSpace()}`;

export function thisProcess(): Owner {
  const began = beginningOf(process.pid);
  return { host, pid: process.pid, ...(began === undefined ? {} : { began }) };
}

/**
 * Whether the owner is known to have ended. False for a process of another host or container: it
 * cannot be seen from here.
 */
export function hasEnded(owner: Owner): boolean {
  if (owner.host !== host) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it runs, under another user.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const began = owner.began === undefined ? undefined : beginningOf(owner.pid);
  return began !== undefined && began !== owner.began;
}

/** Whether the owner is known to run: its number was not given to another process. */
export function isRunning(owner: Owner): boolean {
  return owner.host === host && owner.began !== undefined && beginningOf(owner.pid) === owner.began;
}

/** Temporary names in use by this process. */
const inUse = new Set<string>();

/** Whether a name of a file or folder is that of one which is not whole. */
export function isPartial(name: string): boolean {
  return partialPattern.test(name);
}

const partialPattern = /\.partial-([^/\\]+)-(\d+)-\d+$/;

/** A path in `folder` that no other process on the same volume uses, nor this one for another file. */
export function partialPath(folder: string, name: string): string {
  for (let i = 0; ; i++) {
    const partial = join(folder, `${name}.partial-${host}-${process.pid}-${i}`);
    if (inUse.has(partial)) continue;
    inUse.add(partial);
    return partial;
  }
}

/** Gives a path of `partialPath` free, when nothing lies there any more. */
export function releasePartial(partial: string): void {
  inUse.delete(partial);
}

/** Removes a file or folder whose name is free for this process; a failure changes nothing else. */
export function discard(partial: string): void {
  try {
    rmSync(partial, { recursive: true, force: true });
  } catch {
    return;
  }
}

/**
 * Removes what processes of this host that have ended left half-written in `folder`, whatever it was
 * to become.
 */
export function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, owner, pid] = partialPattern.exec(name) ?? [];
    const path = join(folder, name);
    if (owner !== host || inUse.has(path)) continue;
    if (hasEnded({ host, pid: Number(pid) }) || isOfFormer(path, Number(pid))) discard(path);
  }
}

/** Files begun by this process in each folder. */
const begun = new Map<string, number>();

/**
 * `removeAbandoned` for a folder in which a file is begun: with the 1st, 2nd, 4th, 8th and so on, as
 * each looks at all that lies there. Writing many files into a folder then costs no more than they do.
 */
export function removeAbandonedAtTimes(folder: string): void {
  const count = (begun.get(folder) ?? 0) + 1;
  begun.set(folder, count);
  if (Number.isInteger(Math.log2(count))) removeAbandoned(folder);
}

/** In a container the next process often has the same number. */
function isOfFormer(path: string, pid: number): boolean {
  if (pid !== process.pid) return false;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.mtimeMs < performance.timeOrigin - 1000;
}

/** On Linux, when a process began, in ticks since the machine did. */
function beginningOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything; the beginning is the 22nd field.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function processSpace(): string {
  try {
    const number = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    return number === undefined ? "" : `+${number}`;
  } catch {
    return "";
  }
}
