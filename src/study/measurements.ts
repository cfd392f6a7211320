/** What a run cost and where it ran: peak memory, seconds of a step, commit and machine. */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { readFileSync, writeFileSync, existsSync } from "node:fs";
import path from "node:path";

import { libtorchVersion } from "../torch/index.ts";
import { usableCores } from "../files/cores.ts";
import { readMetricsLog } from "../train/log/metrics-log.ts";

/** `1a2b3c4d5e6f`, with `+` where tracked files of the code differ; undefined outside a repository. */
export function currentCommit(folder: string): string | undefined {
  const head = git(folder, ["rev-parse", "--short=12", "HEAD"]);
  if (head === undefined || head === "") return undefined;
  // Pages and other documents change with every study; only code changes what was measured.
  const changed = git(folder, [
    "diff",
    "--name-only",
    "HEAD",
    "--",
    ":(top)",
    ":(top,exclude)docs",
  ]);
  return changed === "" ? head : `${head}+`;
}

function git(folder: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("git", [...args], { cwd: folder, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** Processor, cores in use, libtorch and Node in a line. */
export function machineLine(): string {
  const cores = usableCores();
  const model = cpus()[0]?.model.replaceAll(/\s+/g, " ").trim() ?? "";
  const processor = model === "" || model === "unknown" ? process.arch : model;
  return (
    `${cores} ${cores === 1 ? "core" : "cores"} of ${processor}, ` +
    `libtorch ${libtorchVersion()}, Node ${process.versions.node}, ${process.platform}`
  );
}

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

/**
 * Median seconds of a step without waiting for data; the first tenth, which warms up, is left out.
 * NaN where nothing was logged.
 */
export function secondsPerStep(directory: string): number {
  const file = path.join(directory, "metrics.jsonl");
  if (!existsSync(file)) return NaN;
  const seconds = readMetricsLog(file).flatMap(({ step, examplesSeen, values }) => {
    const rate = values["train/examplesPerSecond"];
    if (rate === undefined || step === 0) return [];
    return [examplesSeen / step / rate - (values["data/waitSeconds"] ?? 0)];
  });
  const settled = seconds.slice(Math.ceil(seconds.length / 10)).sort((a, b) => a - b);
  return settled[Math.floor(settled.length / 2)] ?? seconds.at(-1) ?? NaN;
}
