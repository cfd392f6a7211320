/**
 * Which process made a lock or a file that is not finished, and whether it has ended. Knows nothing
 * about what it made.
 */
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process among all that may see a shared volume. */
export interface Owner {
  /** Where `pid` means something: the host's name and, on Linux, its space of process numbers. */
  readonly host: string;
  readonly pid: number;
}

/** Two containers may have the same host name, and each has its own process 1. */
const host = `${hostname().replaceAll(/[^A-Za-z0-9.-]/g, "_")}${processSpace()}`;

export function thisProcess(): Owner {
  return { host, pid: process.pid };
}

/**
 * Whether the owner is known to have ended. False for a process of another host or container: it
 * cannot be seen from here.
 */
export function hasEnded(owner: Owner): boolean {
  if (owner.host !== host) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
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
