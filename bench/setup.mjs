#!/usr/bin/env node
/**
 * Installs the peers that benches compare with into bench/.venv and open_clip's main branch into
 * bench/.open-clip-main, which git ignores (about 5 GB with
 * torch's own libraries). Does nothing when they are there. `--dry-run` prints the commands only.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const here = import.meta.dirname;
const venv = path.join(here, ".venv");
const python = path.join(venv, "bin", "python");
const requirements = path.join(here, "peers", "requirements.txt");
const stamp = path.join(venv, "requirements.txt");

const dryRun = process.argv.includes("--dry-run");
const unknown = process.argv.slice(2).find((word) => word !== "--dry-run");
if (unknown !== undefined) {
  console.error(`Expected --dry-run but received ${unknown}`);
  process.exit(2);
}

/** @param {string} command @param {string[]} words */
function run(command, ...words) {
  console.log([command, ...words].join(" "));
  if (dryRun) return;
  const { status, error } = spawnSync(command, words, { stdio: "inherit" });
  if (status === 0) return;
  console.error(`${command} failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
  process.exit(1);
}

/** open_clip's main branch where it was newest when the benches were written: 4.2.0.dev0. */
const mainCommit = "89fb801f1e6087880e951fc8354b8a2077b79c6d";
const mainArchive = `https://github.com/mlfoundations/open_clip/archive/${mainCommit}.tar.gz`;
const main = path.join(here, ".open-clip-main");

/** Its absence is no failure: the benches then say that they compared with the release only. */
function fetchMain() {
  if (existsSync(path.join(main, "open_clip"))) return;
  const words = ["-m", "pip", "install", "--no-deps", "--target", main, mainArchive];
  console.log([python, ...words].join(" "));
  if (dryRun) return;
  const { status } = spawnSync(python, words, { stdio: "inherit" });
  if (status === 0) return;
  console.error(`open_clip's main branch could not be fetched; train-step will leave it out`);
}

/** The first Python of at least 3.10, which current torch needs. */
function findPython() {
  const wanted = "import sys; sys.exit(sys.version_info < (3, 10))";
  for (const name of [
    "python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python",
  ]) {
    if (spawnSync(name, ["-c", wanted]).status === 0) return name;
  }
  console.error("Expected Python 3.10 or newer on the path but found none; install python3 first");
  return process.exit(1);
}

const pinned = readFileSync(requirements, "utf8");
if (existsSync(stamp) && readFileSync(stamp, "utf8") === pinned) {
  console.log(`The peers are installed in ${path.relative(process.cwd(), venv)}`);
} else {
  if (!existsSync(python)) run(findPython(), "-m", "venv", venv);
  run(python, "-m", "pip", "install", "--requirement", requirements);
  if (!dryRun) writeFileSync(stamp, pinned);
}
fetchMain();
