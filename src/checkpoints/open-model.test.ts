import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname } from "node:path";
import { mock, test } from "node:test";

import { countReads } from "../../test/support/count-reads.ts";
import { endToEnd, endToEndPairs, endToEndPath } from "../../test/support/end-to-end-goldens.ts";
import { loadModel } from "../inference/load-model.ts";
import { describeModel } from "./describe-model.ts";
import { openModel } from "./open-model.ts";

const pairNamed = (name: string) => endToEndPairs.find((pair) => pair.name === name)!;
const folder = endToEndPath(pairNamed("clip"));

test("a model keeps its weights open until it is closed, and opens them again when asked", async () => {
  const counts = await countReads(folder, async () => {
    const source = await openModel(folder);
    const weights = source.weights();
    assert.equal(source.weights(), weights);
    const [name = ""] = weights.names;
    weights.tensor(name).dispose();
    source.close();
    source.close();
    assert.throws(() => weights.tensor(name), /to be open but it was closed/);
    source.weights().tensor(name).dispose();
    source.close();
    assert.equal(source.tokenizer(), source.tokenizer());
    await source.tokenizer();
  });
  assert.deepEqual([counts["config.json"], counts["model.safetensors"]], [1, 2]);
});

test("a file that leaves a question open is closed", async () => {
  const [opened, closed] = [mock.method(fs, "openSync"), mock.method(fs, "closeSync")];
  syncBuiltinESMExports();
  try {
    const path = endToEndPath(pairNamed("open-clip-checkpoint"));
    await assert.rejects(openModel(path), { option: "activation" });
    assert.deepEqual([opened.mock.callCount(), closed.mock.callCount()], [1, 1]);
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
});

for (const pair of endToEndPairs) {
  test(`to load or describe ${pair.name} reads its configuration and its weights once`, async () => {
    const path = endToEndPath(pair);
    const { given } = endToEnd(pair);
    const isFile = "file" in pair;
    const read = async (use: () => Promise<unknown>): Promise<void> => {
      const counts = await countReads(isFile ? dirname(path) : path, use);
      const once = isFile
        ? [basename(path)]
        : Object.keys(counts).filter((name) => /config\.json$|safetensors$/.test(name));
      const others = once.filter((name) => name !== "tokenizer_config.json");
      assert.ok(others.length > 0);
      for (const name of others) assert.equal(counts[name], 1, name);
    };
    await read(async () => (await loadModel(path, given)).dispose());
    await read(() => describeModel(path, given));
  });
}
