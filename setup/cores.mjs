import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";

/**
 * The cores that this process may use: its affinity mask and the CPU quota of its control group
 * (containers), rounded up, at least 1. The library has the same rule, but setup runs before it is
 * compiled; a test compares the two.
 * @param {string} [root] where `/proc` and `/sys` are looked up; only tests give another one
 */
export function usableCores(root = "/") {
  const quotas = groupFolders(root).map(quotaOf).filter(Number.isFinite);
  return Math.max(1, Math.min(availableParallelism(), ...quotas.map(Math.ceil)));
}

/**
 * The folders of this process's control group and of all above it. Version 2 has one hierarchy
 * (`0::/path`), version 1 one for each controller.
 * @param {string} root
 */
function groupFolders(root) {
  const base = path.join(root, "sys", "fs", "cgroup");
  const lines = read(path.join(root, "proc", "self", "cgroup")).split("\n");
  return lines.flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) return [];
    if (controllers === "") return upwards(base, group);
    if (!controllers.split(",").includes("cpu")) return [];
    return [controllers, "cpu"].flatMap((name) => upwards(path.join(base, name), group));
  });
}

/** @param {string} base @param {string} group */
function upwards(base, group) {
  const folders = [];
  for (let at = group; ; at = path.dirname(at)) {
    folders.push(path.join(base, at));
    if (at === "/" || at === "." || at === "") return folders;
  }
}

/**
 * In cores; NaN where the folder sets none.
 * @param {string} folder
 */
function quotaOf(folder) {
  const [limit = "", every = ""] = read(path.join(folder, "cpu.max")).trim().split(" ");
  const quota = limit || read(path.join(folder, "cpu.cfs_quota_us"));
  const period = limit ? every : read(path.join(folder, "cpu.cfs_period_us"));
  const cores = Number(quota) / Number(period);
  return cores > 0 ? cores : NaN;
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
