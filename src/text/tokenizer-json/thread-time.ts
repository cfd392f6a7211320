/** Processor time, which a busy machine does not lengthen as it does wall-clock time. */
import { readFileSync } from "node:fs";

/** Node from 23.9 on. */
interface WithThreads {
  threadCpuUsage?: () => { user: number; system: number };
}

/**
 * Processor time of this thread so far, ms; that of the whole process, which may be more, where neither
 * Node nor the system tells threads apart. Only differences mean something.
 */
export function threadMilliseconds(): number {
  const used = (process as WithThreads).threadCpuUsage?.();
  if (used !== undefined) return (used.user + used.system) / 1000;
  return ofSystem() ?? ofProcess();
}

/** Linux keeps nanoseconds on a processor first. Without that accounting they stay 0. */
function ofSystem(): number | undefined {
  try {
    const nanoseconds = Number(
      readFileSync("/proc/thread-self/schedstat", "utf8").split(" ", 1)[0],
    );
    return nanoseconds > 0 ? nanoseconds / 1e6 : undefined;
  } catch {
    return undefined;
  }
}

function ofProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
