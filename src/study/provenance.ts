/** Where numbers come from: commit and machine. */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";

import { libtorchVersion } from "../torch/index.ts";
import { usableCores } from "../files/cores.ts";

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
