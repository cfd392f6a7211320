/** How many cores this process may use. Knows nothing about what they are used for. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";

/**
 * The cores that the process may use: its affinity mask and the CPU quota of its control group
 * (containers), rounded up, at least 1.
 *
 * root   where `/proc` and `/sys` are looked up; only tests give another one
 */
export function usableCores(root = "/"): number {
  const allowed = availableParallelism();
  const quota = cpuQuota(root);
  return Math.max(1, Math.min(allowed, quota === undefined ? allowed : Math.ceil(quota)));
}

/**
 * The default number of worker threads: every usable core except one, which is left to the thread
 * that uses their results; at least 1.
 */
export function defaultWorkers(root = "/"): number {
  return Math.max(1, usableCores(root) - 1);
}

/** The tightest quota on the way from this process's control group to the root, in cores. */
export function cpuQuota(root = "/"): number | undefined {
  let tightest: number | undefined;
  for (const folder of groupFolders(root)) {
    const quota = quotaOf(folder);
    if (quota !== undefined && (tightest === undefined || quota < tightest)) tightest = quota;
  }
  return tightest;
}

/** Version 2 has one hierarchy (`0::/path`), version 1 one for each controller. */
function groupFolders(root: string): string[] {
  const text = read(path.join(root, "proc", "self", "cgroup")) ?? "";
  const base = path.join(root, "sys", "fs", "cgroup");
  const folders: string[] = [];
  for (const line of text.split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) continue;
    if (controllers === "") folders.push(...upwards(base, group));
    else if (controllers.split(",").includes("cpu")) {
      folders.push(...upwards(path.join(base, controllers), group));
      folders.push(...upwards(path.join(base, "cpu"), group));
    }
  }
  return folders;
}

function upwards(base: string, group: string): string[] {
  const folders: string[] = [];
  for (let at = group; ; at = path.dirname(at)) {
    folders.push(path.join(base, at));
    if (at === "/" || at === "." || at === "") return folders;
  }
}

function quotaOf(folder: string): number | undefined {
  const [limit, every] = (read(path.join(folder, "cpu.max")) ?? "").trim().split(" ");
  if (limit && limit !== "max") return ratio(limit, every);
  const quota = read(path.join(folder, "cpu.cfs_quota_us"));
  return quota === undefined
    ? undefined
    : ratio(quota, read(path.join(folder, "cpu.cfs_period_us")));
}

function ratio(quota: string, period: string | undefined): number | undefined {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
