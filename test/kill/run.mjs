#!/usr/bin/env node
/**
 * Kills training with SIGKILL at random moments, resumes it each time, and compares the last checkpoint
 * with that of a run that nobody stopped, file by file and byte by byte. Needs a built clone; minutes.
 *
 *   node test/kill/run.mjs                                       40 kills with AmorLIP
 *   node test/kill/run.mjs --kills 5 --objective '{"kind":"fastclip","version":3}'
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { tinyData, tinyRecipe } from "../../dist/test/support/tiny-run.js";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "40" },
    objective: {
      type: "string",
      default: '{"kind":"amorlip","stage2":"emaNetwork","reinitializeEveryEpochs":2}',
    },
    steps: { type: "string", default: "240" },
    "longest-ms": { type: "string", default: "6000" },
  },
});
const [kills = 0, steps = 0, longest = 0] = [values.kills, values.steps, values["longest-ms"]].map(
  Number,
);
if (![kills, steps, longest].every((value) => Number.isInteger(value) && value > 0)) {
  console.error("Expected whole numbers above 0 for --kills, --steps and --longest-ms.");
  process.exit(2);
}

const folder = mkdtempSync(path.join(tmpdir(), "limn-kill-"));
const data = await tinyData();
try {
  const recipeFile = path.join(folder, "recipe.json");
  const recipe = tinyRecipe(data);
  writeFileSync(
    recipeFile,
    JSON.stringify({
      ...recipe,
      objective: JSON.parse(values.objective),
      train: { ...recipe.train, steps, checkpoint: { everySteps: 5, keepLast: 2 } },
      evaluate: undefined,
    }),
  );
  const straight = path.join(folder, "straight");
  await train(recipeFile, straight);
  const wanted = digest(lastCheckpoint(straight));

  let done = 0;
  let finishes = 0;
  for (let run = 0; done < kills; run++) {
    const workdir = path.join(folder, `run-${run}`);
    let ended = false;
    while (!ended && done < kills) {
      const killed = await train(recipeFile, workdir, Math.random() * longest);
      if (killed) done += 1;
      else ended = true;
      process.stderr.write(`\r${done} of ${kills} kills, run ${run + 1}`);
    }
    if (!ended) await train(recipeFile, workdir);
    compare(wanted, digest(lastCheckpoint(workdir)));
    finishes += 1;
    rmSync(workdir, { recursive: true, force: true });
  }
  console.log(
    `\n${done} kills over ${finishes} runs: every last checkpoint equals the straight run's`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
}

/**
 * Trains to the end, or until it is killed after `killAfter` milliseconds.
 * @param {string} recipe
 * @param {string} workdir
 * @param {number} [killAfter]
 * @returns {Promise<boolean>} whether it was killed
 */
async function train(recipe, workdir, killAfter) {
  const args = [
    path.join(root, "bin", "limn.mjs"),
    "train",
    recipe,
    "--workdir",
    workdir,
    "--json",
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const closed = new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal })),
  );
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), closed]);
    child.kill("SIGKILL");
  }
  const { code, signal } = /** @type {{ code: number | null, signal: string | null }} */ (
    await closed
  );
  if (signal === "SIGKILL") return true;
  if (code !== 0) throw new Error(`training ended with ${code}: ${output}`);
  return false;
}

/** @param {string} workdir */
function lastCheckpoint(workdir) {
  const checkpoints = path.join(workdir, "checkpoints");
  const last = readdirSync(checkpoints)
    .filter((name) => /^step-\d+$/.test(name))
    .sort()
    .at(-1);
  return path.join(checkpoints, String(last));
}

/**
 * The sha256 of every file of a folder.
 * @param {string} place
 */
function digest(place) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const name of readdirSync(place, { recursive: true }).map(String).sort()) {
    const file = path.join(place, name);
    if (!statSync(file).isFile()) continue;
    found[name] = createHash("sha256").update(readFileSync(file)).digest("hex");
  }
  return found;
}

/**
 * @param {Record<string, string>} expected
 * @param {Record<string, string>} actual
 */
function compare(expected, actual) {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  const different = [...names].filter((name) => expected[name] !== actual[name]);
  if (different.length === 0) return;
  throw new Error(
    `Expected the straight run's last checkpoint but these files differ: ${different.join(", ")}`,
  );
}
