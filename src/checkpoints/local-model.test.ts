import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseModelFiles, hasTwoConfigs } from "./local-model.ts";

const choose = (...paths: string[]): string[] =>
  chooseModelFiles(
    "hf://a/b",
    paths.map((path) => ({ path })),
  );

test("a repository without weights is refused with what it has", () => {
  assert.throws(() => choose("README.md", "config.json"), {
    name: "CheckpointError",
    message: /weights in hf:\/\/a\/b but received README\.md, config\.json; give/,
  });
  assert.throws(() => choose(), /no files/);
});

test("one form of the weights is chosen, the best that there is", () => {
  const config = ["config.json", "preprocessor_config.json", "tokenizer.json"];
  const rest = ["README.md", "flax_model.msgpack", "tf_model.h5", "onnx/model.onnx"];
  assert.deepEqual(choose(...config, ...rest, "pytorch_model.bin", "model.safetensors"), [
    ...config,
    "model.safetensors",
  ]);
  assert.deepEqual(choose(...config, ...rest, "pytorch_model.bin"), [
    ...config,
    "pytorch_model.bin",
  ]);
});

test("all shards come with their index", () => {
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  assert.deepEqual(choose("config.json", "model.safetensors.index.json", ...shards, "x.bin"), [
    "config.json",
    "model.safetensors.index.json",
    ...shards,
  ]);
});

test("open_clip's own files are taken where there is no other configuration", () => {
  const files = ["open_clip_config.json", "open_clip_model.safetensors", "model.safetensors"];
  assert.deepEqual(choose(...files), ["open_clip_config.json", "open_clip_model.safetensors"]);
  assert.deepEqual(choose(...files, "config.json"), [
    "open_clip_config.json",
    "config.json",
    "model.safetensors",
  ]);
});

test("with both configurations, the weights are those of the layout that is read", () => {
  const configs = ["config.json", "open_clip_config.json"];
  const files = (...paths: string[]) => [...configs, ...paths].map((path) => ({ path }));
  const weights = files("open_clip_model.safetensors", "pytorch_model.bin", "model.safetensors");
  const chosen = (openClip: boolean, from = weights): string | undefined =>
    chooseModelFiles("hf://a/b", from, { openClip }).at(-1);
  assert.ok(hasTwoConfigs(weights));
  assert.equal(chosen(true), "open_clip_model.safetensors");
  assert.equal(chosen(false), "model.safetensors");
  const pickles = files("open_clip_model.safetensors", "pytorch_model.bin");
  assert.equal(chosen(false, pickles), "pytorch_model.bin");
  assert.equal(chosen(true, files("pytorch_model.bin")), "pytorch_model.bin");
  assert.ok(!hasTwoConfigs([{ path: "config.json" }]));
});

test("a vocabulary is fetched once", () => {
  assert.deepEqual(choose("model.safetensors", "tokenizer.model"), [
    "tokenizer.model",
    "model.safetensors",
  ]);
  assert.deepEqual(choose("model.safetensors", "tokenizer.model", "tokenizer.json"), [
    "tokenizer.json",
    "model.safetensors",
  ]);
});
