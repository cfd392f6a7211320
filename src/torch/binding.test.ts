import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { usableCores } from "../files/cores.ts";
import { startingThreads } from "./binding.ts";
import { packageRoot } from "../engine/engine-info.ts";

test("OMP_NUM_THREADS says how many threads to start with", () => {
  assert.equal(startingThreads({ OMP_NUM_THREADS: "3" }), 3);
  for (const useless of ["", "0", "-1", "2.5", "many", "100000"]) {
    assert.equal(startingThreads({ OMP_NUM_THREADS: useless }), usableCores());
  }
  assert.equal(startingThreads({}), usableCores());
});

test("without an engine every entry is imported, plain arrays work, and the rest says what to run", () => {
  const code = `
    const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
    const entries = Object.keys(exports).filter((name) => !name.endsWith(".json"));
    const limn = {};
    for (const name of entries) limn[name] = await import(name.replace(".", "limn"));
    const rows = { data: Float32Array.of(1, 0, 0, 1), count: 2, dim: 2 };
    const { retrieval } = limn["./evaluate"];
    const { imageToText } = retrieval({ imageEmbeddings: rows, textEmbeddings: rows });
    console.log(entries.length, imageToText.recallAt1.value);
    const torch = limn["./torch"];
    const uses = [
      () => torch.tensor([1]),
      () => torch.devices(),
      () => torch.noGrad(() => 0),
      () => torch.memory(),
      () => new limn["./nn"].Linear(2, 2),
    ];
    for (const use of uses) {
      try { use(); } catch (error) { console.log(error.code, error.message); }
    }`;
  const child = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", `import { readFileSync } from "node:fs";${code}`],
    {
      encoding: "utf8",
      cwd: packageRoot(),
      env: { ...process.env, LIMN_HOME: "/nonexistent-folder", LIMN_ADDON: "" },
    },
  );
  assert.equal(child.stderr, "");
  const [results = "", ...errors] = child.stdout.trimEnd().split("\n");
  assert.match(results, /^\d\d 1$/);
  assert.equal(errors.length, 5);
  for (const error of errors) {
    assert.match(
      error,
      /^LIMN_ENGINE Expected limn's engine for .* not been built .*; run: npm run/,
    );
  }
});
