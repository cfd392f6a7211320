import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { usableCores } from "../files/cores.ts";
import { startingThreads } from "./binding.ts";

test("OMP_NUM_THREADS says how many threads to start with", () => {
  assert.equal(startingThreads({ OMP_NUM_THREADS: "3" }), 3);
  for (const useless of ["", "0", "-1", "2.5", "many"]) {
    assert.equal(startingThreads({ OMP_NUM_THREADS: useless }), usableCores());
  }
  assert.equal(startingThreads({}), usableCores());
});

test("without an engine limn is imported, works on plain arrays, and says what to run", () => {
  const code = `
    const limn = await import(${JSON.stringify(new URL("../index.js", import.meta.url).href)});
    const rows = { data: Float32Array.of(1, 0, 0, 1), count: 2, dim: 2 };
    const { imageToText } = limn.retrieval({ imageEmbeddings: rows, textEmbeddings: rows });
    console.log(imageToText.recallAt1.value, limn.clipConfig("ViT-B/32").embedDim);
    const uses = [
      () => limn.torch.tensor([1]),
      () => limn.torch.devices(),
      () => limn.torch.noGrad(() => 0),
      () => limn.torch.memory(),
      () => new limn.nn.Linear(2, 2),
    ];
    for (const use of uses) {
      try { use(); } catch (error) { console.log(error.code, error.message); }
    }`;
  const env = { ...process.env, LIMN_HOME: "/nonexistent-folder", LIMN_ADDON: "" };
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
    env,
  });
  assert.equal(child.stderr, "");
  const [results, ...errors] = child.stdout.trimEnd().split("\n");
  assert.equal(results, "1 512");
  assert.equal(errors.length, 5);
  for (const error of errors) {
    assert.match(
      error,
      /^LIMN_ENGINE Expected limn's engine for .* not been built .*; run: npm run/,
    );
  }
});
