import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { evaluationPreset } from "../data/image/evaluation-transform.ts";
import { createTokenizer, saveTokenizer } from "../text/index.ts";
import { goldenFile } from "../../test/support/golden-models.ts";
import { startLocalHub, type LocalHub } from "../../test/support/local-hub.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import type { ClipConfig } from "../pair/published.ts";
import { describeModel } from "./describe-model.ts";
import { libraryName } from "./local-model.ts";
import { DualEncoder } from "../pair/dual-encoder.ts";
import { loadModel } from "../inference/load-model.ts";
import type { HubFetchOptions } from "./local-model.ts";

const root = mkdtempSync(path.join(tmpdir(), "limn-hub-model-"));
let hub: LocalHub;
let expected: Float32Array;
let fetching: HubFetchOptions;

const layers = { width: 16, depth: 1, heads: 2, mlpWidth: 24, normEpsilon: 1e-5 };
const config: ClipConfig = {
  embedDim: 8,
  image: { kind: "vit", imageSize: 16, patchSize: 8, activation: "gelu", ...layers },
  text: {
    kind: "transformer",
    ...{ contextLength: 10, vocabSize: 516, eotTokenId: 515, padTokenId: 0 },
    activation: "quickGelu",
    ...layers,
  },
  logitScaleLogInit: 2.5,
};

before(async () => {
  const merges = path.join(root, "merges.txt");
  writeFileSync(merges, "#version: 0.2\nc a\nca t</w>\n");
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges, contextLength: 10 });
  const model = new DualEncoder(config);
  const folder = path.join(root, "model");
  await saveCheckpoint(folder, {
    config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 16),
    tokenizerFiles: (partial) => saveTokenizer(tokenizer, partial),
  });
  model.dispose();
  const local = await loadModel(folder);
  expected = local.encodeTexts(["a cat"]).toFloat32Array();
  local.dispose();
  const files = readdirSync(folder).map((name) => {
    const bytes = readFileSync(path.join(folder, name));
    return [name, { bytes, lfs: name.endsWith(".safetensors") }] as const;
  });
  const more = { "README.md": { bytes: Buffer.from("# x"), lfs: false } };
  const commit = createHash("sha1").update("x").digest("hex");
  const repository = {
    commit,
    revisions: ["main"],
    files: { ...Object.fromEntries(files), ...more },
  };
  hub = await startLocalHub({ "org/tiny": repository });
  const cacheFolder = path.join(root, "cache");
  fetching = { endpoint: hub.endpoint, cacheFolder, environment: { HOME: root } };
});

after(async () => {
  await hub.close();
  rmSync(root, { recursive: true });
});

test("a model that is not there is named, before and after its repository is", async () => {
  await assert.rejects(loadModel("hf://org/tniy", { hub: fetching }), { name: "HubError" });
  await assert.rejects(loadModel("hf:/org/tiny", { hub: fetching }), /hf:\/\/org\/tiny/);
  const offline = { ...fetching, offline: true };
  await assert.rejects(loadModel("hf://org/tiny", { hub: offline }), { failure: "offline" });
});

test("a model of the hub is the one that was put there, also offline", async () => {
  const loaded = await loadModel("hf://org/tiny", { hub: fetching });
  assert.deepEqual(loaded.encodeTexts(["a cat"]).toFloat32Array(), expected);
  loaded.dispose();
  const got = hub.log.filter(({ method }) => method === "GET").map(({ url }) => url);
  assert.ok(got.some((url) => url.includes("config.json")));
  assert.ok(!got.some((url) => url.includes("README.md")), "only what a model needs is fetched");
  const requests = hub.log.length;
  const description = await describeModel("hf://org/tiny", {}, { ...fetching, offline: true });
  assert.equal(description.layout, "Hugging Face CLIPModel");
  assert.equal(hub.log.length, requests);
});

test("of sentence-transformers' repositories the folder of the CLIPModel is read, also offline", async () => {
  const tiny = hub.repositories.get("org/tiny");
  assert.ok(tiny);
  const put = (name: string, type: string): void => {
    const modules = [
      { idx: 0, name: "0", path: "0_CLIPModel", type: `sentence_transformers.${type}` },
    ];
    const files = Object.entries(tiny.files).map(([file, one]) => [`0_CLIPModel/${file}`, one]);
    const list = { bytes: Buffer.from(JSON.stringify(modules)), lfs: false };
    const commit = createHash("sha1").update(name).digest("hex");
    hub.repositories.set(name, {
      commit,
      revisions: ["main"],
      files: { "modules.json": list, ...(Object.fromEntries(files) as typeof tiny.files) },
    });
  };
  put("org/sentences", "models.CLIPModel");
  for (const more of [{}, { offline: true }]) {
    const loaded = await loadModel("hf://org/sentences", { hub: { ...fetching, ...more } });
    assert.deepEqual(loaded.encodeTexts(["a cat"]).toFloat32Array(), expected);
    loaded.dispose();
  }
  put("org/transformer", "models.Transformer");
  await assert.rejects(loadModel("hf://org/transformer", { hub: fetching }), {
    name: "CheckpointError",
    message: /sentence-transformers without a folder of a CLIPModel .* that limn reads behind it$/,
  });
});

test("of timm's repositories the weights of the pair are fetched, not those of its image tower", async () => {
  const files = [
    ["timm-vit", "config.json"],
    ["timm-vit", "model.safetensors"],
    ["open-clip-vit", "open_clip_config.json"],
    ["open-clip-vit", "open_clip_model.safetensors"],
  ].map(([golden = "", name = ""]) => {
    const bytes = readFileSync(goldenFile(golden, name));
    return [name, { bytes, lfs: name.endsWith(".safetensors") }] as const;
  });
  const commit = createHash("sha1").update("two").digest("hex");
  hub.repositories.set("org/two", {
    commit,
    revisions: ["main"],
    files: Object.fromEntries(files),
  });
  const before = hub.log.length;
  const { layout } = await describeModel("hf://org/two", {}, fetching);
  assert.equal(layout, "open_clip");
  const got = hub.log.slice(before).map(({ url }) => url);
  assert.ok(got.some((url) => url.endsWith("/open_clip_model.safetensors")));
  assert.ok(!got.some((url) => url.endsWith("/model.safetensors")));
  await describeModel("hf://org/two", {}, { ...fetching, offline: true });
});

test("Python's libraries call a model by its name on the hub, or as limn does", () => {
  const names = ["hf://org/tiny", "hf://org/tiny@v2", "models/tiny"].map(libraryName);
  assert.deepEqual(names, ["org/tiny", "hf://org/tiny@v2", "models/tiny"]);
});
