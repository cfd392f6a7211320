/** The command line from outside: exit codes, signals, a kill in the middle, and what it prints. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { tinyData, tinyRecipe } from "../dist/test/support/tiny-run.js";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(path.join(tmpdir(), "limn-cli-"));
/** @type {import("../dist/test/support/tiny-run.js").TinyData} */
let data;
const recipeFile = path.join(folder, "tiny.ts");

before(async () => {
  data = await tinyData();
  const recipe = JSON.stringify(tinyRecipe(data), null, 2);
  writeFileSync(
    recipeFile,
    `import { defineRecipe } from "limn";\nexport default defineRecipe(${recipe});\n`,
  );
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

/**
 * @typedef {{ code: number | null, signal: string | null, stdout: string, stderr: string }} Ended
 * @param {string[]} args
 * @param {(child: import("node:child_process").ChildProcess, stderr: string) => void} [onOutput]
 * @returns {Promise<Ended>}
 */
function limn(args, onOutput) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(root, "bin", "limn.mjs"), ...args]);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += String(chunk)));
    child.stderr.on("data", (chunk) => {
      stderr += String(chunk);
      onOutput?.(child, stderr);
    });
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** @param {string} run */
const checkpoints = (run) => readdirSync(path.join(run, "checkpoints")).sort();

/** @param {string} run @param {number} step */
const weights = (run, step) =>
  readFileSync(
    path.join(run, "checkpoints", `step-${String(step).padStart(8, "0")}`, "model.safetensors"),
  );

test("unknown flags, commands, keys and files are refused with the exit codes of the manual", async () => {
  const cases = /** @type {const} */ ([
    [["train", recipeFile, "--smok"], 2, /Unknown option --smok\. Did you mean "--smoke"/],
    [["trian", recipeFile], 2, /Unknown command "trian"\. Did you mean "train"/],
    [["train", path.join(folder, "none.ts")], 2, /Expected a file at .*none\.ts/],
    [["train", recipeFile, "--set", "train.stepz=3"], 2, /train\.stepz; Did you mean "steps"/],
    [["train", recipeFile, "--set", "data.train.shards=/none.tar"], 3, /none\.tar/],
    [["info", path.join(folder, "nothing")], 3, /nothing/],
    [["eval", path.join(folder, "nothing"), "x.csv"], 3, /x\.csv/],
    [["eval", path.join(folder, "nothing"), path.join(data.folder, "shards")], 3, /nothing/],
  ]);
  for (const [args, code, message] of cases) {
    const ended = await limn([
      ...args,
      ...(args[0] === "train" ? ["--workdir", folder + "/w"] : []),
    ]);
    assert.match(ended.stderr, message, args.join(" "));
    assert.equal(ended.code, code, args.join(" "));
    assert.equal(ended.stdout, "");
  }
});

test("trains, describes and evaluates from the shell, as JSON", async () => {
  const run = path.join(folder, "plain");
  const trained = await limn(["train", recipeFile, "--workdir", run, "--json"]);
  assert.equal(trained.code, 0, trained.stderr);
  const result = JSON.parse(trained.stdout);
  assert.equal(result.step, 4);
  assert.ok(result.metrics["colors/zeroShot/top1"].chance === 0.25);
  assert.ok(existsSync(path.join(run, "report.html")));

  const info = await limn(["info", path.join(run, "model"), "--json"]);
  assert.equal(JSON.parse(info.stdout).config.embedDim, 16);
  const model = path.join(run, "model");
  const evaluated = await limn([
    "eval",
    model,
    "--suites",
    path.join(run, "recipe.json"),
    "--json",
  ]);
  assert.equal(evaluated.code, 0, evaluated.stderr);
  const { metrics, tasks } = result;
  assert.deepEqual(JSON.parse(evaluated.stdout), { metrics, tasks });
  assert.deepEqual(tasks["colors/zeroShot"].templates, ["a {} square"]);
});

test("killed with -9 in the middle, it goes on to the same weights", async () => {
  const long = ["--set", "train.steps=40", "--set", "train.checkpoint.keepLast=100"];
  const whole = path.join(folder, "whole");
  const first = await limn(["train", recipeFile, "--workdir", whole, ...long]);
  assert.equal(first.code, 0, first.stderr);

  const killed = path.join(folder, "killed");
  const timer = setInterval(() => {
    const seen = existsSync(path.join(killed, "checkpoints")) ? checkpoints(killed).length : 0;
    if (seen >= 3) child?.kill("SIGKILL");
  }, 5);
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let child;
  const args = [
    path.join(root, "bin", "limn.mjs"),
    "train",
    recipeFile,
    "--workdir",
    killed,
    ...long,
  ];
  const ended = await new Promise((resolve) => {
    child = spawn(process.execPath, args);
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  clearInterval(timer);
  assert.equal(ended.signal, "SIGKILL");
  assert.ok(!existsSync(path.join(killed, "model")));
  const second = await limn(["train", recipeFile, "--workdir", killed, ...long]);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /Resuming at step \d+/);
  assert.deepEqual(weights(killed, 40), weights(whole, 40));
});

for (const [signal, code] of /** @type {const} */ ([
  ["SIGINT", 130],
  ["SIGTERM", 143],
])) {
  test(`${signal} ends a run with a checkpoint and exit code ${code}`, async () => {
    const run = path.join(folder, signal);
    let sent = false;
    const args = ["train", recipeFile, "--workdir", run, "--set", "train.steps=100000"];
    const ended = await limn([...args, "--set", "train.checkpoint={}"], (child, stderr) => {
      if (!sent && /step \d/.test(stderr)) {
        sent = true;
        child.kill(signal);
      }
    });
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stdout, /Stopped at step \d+ of \d+; the same command goes on/);
    assert.equal(checkpoints(run).length, 1);
  });
}
