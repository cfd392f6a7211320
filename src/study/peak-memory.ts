/** The highest resident memory of this process since a moment; Linux tells, others do not. */
import { readFileSync, writeFileSync } from "node:fs";

/** Starts a new peak. Quietly nothing where the system has none. */
export function resetPeakMemory(): void {
  try {
    // proc(5): 5 resets the peak resident set size.
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    return;
  }
}

/** Bytes; NaN where the system does not say. */
export function peakMemoryBytes(): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    return found === null ? NaN : Number(found[1]) * 1024;
  } catch {
    return NaN;
  }
}
