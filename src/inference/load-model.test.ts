import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { evaluationPreset } from "../data/image/evaluation-transform.ts";
import { createTokenizer, saveTokenizer } from "../text/index.ts";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { fromData, manualSeed, randn, type Tensor } from "../torch/index.ts";
import { saveCheckpoint } from "../checkpoints/checkpoint.ts";
import { evaluating } from "../nn/module.ts";
import { DualEncoder, pixelsToTensor } from "../pair/dual-encoder.ts";
import type { ClipConfig } from "../pair/published.ts";
import { describeModel } from "../checkpoints/describe-model.ts";
import { loadModel } from "./load-model.ts";

const root = mkdtempSync(join(tmpdir(), "limn-load-"));
after(() => rmSync(root, { recursive: true }));

// 512 bytes and byte ends, two merges, start and end of text.
const vocabSize = 516;
const layers = { width: 16, depth: 1, heads: 2, mlpWidth: 24, normEpsilon: 1e-5 };
const config: ClipConfig = {
  embedDim: 8,
  image: { kind: "vit", imageSize: 16, patchSize: 8, activation: "gelu", ...layers },
  text: {
    kind: "transformer",
    ...{ contextLength: 10, vocabSize, eotTokenId: vocabSize - 1, padTokenId: 0 },
    activation: "quickGelu",
    ...layers,
  },
  logitScaleLogInit: 2.5,
};

async function save(name: string, changes: Partial<ClipConfig["text"]> = {}): Promise<DualEncoder> {
  const merges = join(root, "merges.txt");
  writeFileSync(merges, "#version: 0.2\nc a\nca t</w>\n");
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges, contextLength: 12 });
  const model = new DualEncoder({ ...config, text: { ...config.text, ...changes } });
  await saveCheckpoint(join(root, name), {
    config: model.config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 16),
    tokenizerFiles: (folder) => saveTokenizer(tokenizer, folder),
  });
  return model;
}

const edit = (name: string, file: string, from: string, to: string): void => {
  const path = join(root, name, file);
  const text = readFileSync(path, "utf8");
  assert.ok(text.includes(from));
  writeFileSync(path, text.replace(from, to));
};

describe("loadModel, when files do not belong together", () => {
  const refuses = (name: string, message: RegExp): Promise<void> =>
    assert.rejects(
      loadModel(join(root, name)),
      (error) => error instanceof CheckpointError && (assert.match(error.message, message), true),
    );

  it("names an absent folder", () =>
    refuses("absent", /a model at .*absent but there is no such file or folder; give/));

  it("refuses a configuration that claims more than the weights have", async () => {
    await save("lies");
    edit("lies", "config.json", '"hidden_size": 16', '"hidden_size": 2000000000');
    await refuses("lies", /sizes that a model can have in the configuration of .*lies but/);
    await save("wider");
    edit("wider", "config.json", '"hidden_size": 16', '"hidden_size": 1600');
    await refuses("wider", /mis-shaped:\n.*expected \[\d+, 1600\] received/s);
  });

  it("refuses preprocessing of another size", async () => {
    await save("size");
    edit("size", "preprocessor_config.json", '"shortest_edge": 16', '"shortest_edge": 32');
    edit("size", "preprocessor_config.json", '"height": 16', '"height": 32');
    edit("size", "preprocessor_config.json", '"width": 16', '"width": 32');
    await refuses("size", /pictures of 16 pixels .* makes 32/);
  });

  it("refuses a tokenizer of another vocabulary", async () => {
    await save("larger", { vocabSize: 400, eotTokenId: 399 });
    await refuses("larger", /at most 400 ids that ends texts with 399 .* 516 ids .* with 515/);
    await save("end", { eotTokenId: 300 });
    await refuses("end", /ends texts with 300/);
  });
});

describe("loadModel", () => {
  let model: DualEncoder;
  before(async () => {
    model = await save("model");
  });
  const data = (tensor: Tensor): Float32Array => tensor.toFloat32Array();

  it("embeds texts and pictures as the model that was saved", async () => {
    const loaded = await loadModel(join(root, "model"));
    assert.equal(loaded.tokenizer.contextLength, 10);
    const texts = ["a cat", "cat cat cat cat cat cat cat cat cat cat cat", ""];
    const { tokens } = loaded.tokenizer.encodeBatch(texts);
    const expected = evaluating(model, "float32", () =>
      model.encodeTexts(fromData(tokens, [3, 10])),
    );
    const tolerance = { atol: 1e-6 };
    assertClose(data(loaded.encodeTexts(texts)), data(expected), tolerance, "texts");

    const picture = { width: 16, height: 16, channels: 3 as const, background: "#4080ff" };
    const png = await sharp({ create: picture }).png().toBuffer();
    const pixels = Uint8Array.from({ length: 768 }, (_, i) => [0x40, 0x80, 0xff][i >> 8] ?? 0);
    const images = evaluating(model, "float32", () =>
      model.encodeImages(pixelsToTensor(pixels, 16, loaded.evaluationTransform)),
    );
    assertClose(data(await loaded.encodeImages([png])), data(images), tolerance, "images");
    loaded.dispose();
  });

  it("draws no random numbers", async () => {
    manualSeed(1);
    const expected = data(randn([4]));
    manualSeed(1);
    (await loadModel(join(root, "model"))).dispose();
    assert.deepEqual(data(randn([4])), expected);
  });

  it("is described without its weights", async () => {
    const found = await describeModel(join(root, "model"));
    assert.equal(found.parameters.total, model.parameterCount());
    assert.equal(found.parameters.imageTower, model.imageTower.parameterCount());
    assert.equal(found.parameters.textTower, model.textTower.parameterCount());
    assert.deepEqual(found.weights.dtypes, { float32: 46 });
    assert.equal(found.weights.bytes, 4 * model.parameterCount());
    assert.equal(found.architecture, "vit with transformer");
    assert.deepEqual(found.evaluationTransform, evaluationPreset("clip", 16));
    assert.equal(found.tokenizer?.vocabSize, vocabSize);
    assert.deepEqual(found.config, config);
  });

  it("is described without tokenizer and preprocessing where it has none", async () => {
    const golden = new URL("../../../test/goldens/clip-tiny", import.meta.url);
    const found = await describeModel(fileURLToPath(golden));
    assert.equal(found.tokenizer, null);
    assert.equal(found.evaluationTransform?.imageSize, 32);
  });
});
