/** Tiny checkpoints that flax computes with (test/goldens/generate/flax-models.py), and what is made of them. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";

import { evaluationPreset } from "../../../data/image/evaluation-transform.ts";
import { naflexPreset } from "../../../data/image/naflex-transform.ts";
import { assertClose } from "../../../../test/support/close.ts";
import {
  checkOutputs,
  createContents,
  floats,
  readExpected,
  type Expected,
} from "../../../../test/support/golden-models.ts";
import { goldenEntries, goldenNpz, writeNpz } from "../../../../test/support/npz-file.ts";
import { fromData, memory, noGrad, scope } from "../../../torch/index.ts";
import { createImageTower } from "../../../towers/index.ts";
import { resizeImagePositionEmbedding } from "../../../towers/resize-position-embedding.ts";
import type {
  VisionTransformer,
  VisionTransformerConfig,
} from "../../../towers/image/vision-transformer.ts";
import { loadCarried, loadWeights, saveCheckpoint } from "../../checkpoint.ts";
import { describeModel } from "../../describe-model.ts";
import { type DualEncoder, unitRows } from "../../../pair/dual-encoder.ts";
import { loadModel } from "../../../inference/load-model.ts";
import { pairConfig } from "../../../pair/published.ts";
import { loadTower } from "../../tower-folder.ts";
import { openModelAt } from "../../open-model.ts";
import { readImageTower } from "./image.ts";
import { FlaxShapes } from "./shapes.ts";

const root = mkdtempSync(join(tmpdir(), "limn-flax-"));
after(() => rmSync(root, { recursive: true }));

const expectedOf = (model: string): Expected => readExpected(`${model}-npz`);

/** The pair at a path, with its weights, in evaluation mode. */
function pairAt(path: string): DualEncoder {
  using source = openModelAt(path);
  const model = createContents(source.contents) as DualEncoder;
  loadWeights(source, model);
  return model.train(false);
}

function checkPair(path: string, golden: string): void {
  const model = pairAt(path);
  checkOutputs(model, expectedOf(golden));
  model.dispose();
}

/** A golden under other names. */
function renamed(model: string, change: (name: string) => string): string {
  const entries = [...goldenEntries(model)].map(([name, data]) => [change(name), data] as const);
  return writeNpz(join(root, "renamed", `${model}.npz`), new Map(entries));
}

const pairs = {
  siglip: ["SigLIP", "sigmoid", { float32: 93, int64: 1 }],
  "siglip-scan": ["SigLIP", "sigmoid", { bfloat16: 20, float32: 40 }],
  "siglip2-naflex": ["SigLIP", "sigmoid", { float32: 92 }],
  "lit-bert": ["LiT", "softmax", { float32: 39, float16: 39 }],
  "lit-small": ["LiT", "softmax", { float32: 79 }],
} as const;

for (const [name, [family, probabilities, dtypes]] of Object.entries(pairs)) {
  describe(`${name}.npz`, () => {
    const file = goldenNpz(name);

    it("gives the embeddings and logits that flax computes", () => checkPair(file, name));

    it("is described by its file and its folder, every weight accounted for", async () => {
      const found = await describeModel(file);
      const model = pairAt(file);
      assert.deepEqual(
        [found.layout, found.family, found.probabilities, found.holds],
        ["big_vision", family, probabilities, "pair"],
      );
      assert.equal(found.parameters.total, model.parameterCount());
      assert.deepEqual(found.weights.dtypes, dtypes);
      const { path: _, ...inFolder } = await describeModel(dirname(file));
      const { path: __, ...asFile } = found;
      assert.deepEqual(inFolder, asFile);
      model.dispose();
    });

    it("frees all that loading took", () => {
      const before = memory().tensors;
      pairAt(file).dispose();
      assert.equal(memory().tensors, before);
    });
  });
}

describe("configurations from shapes", () => {
  const layers = { depth: 2, heads: 4, activation: "geluTanh", normEpsilon: 1e-6 };
  const contentsOf = (name: string): unknown => {
    using source = openModelAt(goldenNpz(name));
    return source.contents;
  };
  const image = {
    ...{ kind: "vit", imageSize: 12, patchSize: 4, width: 12, mlpWidth: 28, ...layers },
    ...{ normBefore: false, patchBias: true, projectionBias: true, initialization: "bigVision" },
  };
  const text = {
    ...{ kind: "transformer", contextLength: 8, vocabSize: 64, width: 16, mlpWidth: 28, ...layers },
    ...{ attention: "bidirectional", pooling: "last", projectionBias: true },
    ...{ initialization: "bigVision", eotTokenId: 1, padTokenId: 1 },
  };

  it("are SigLIP's: attention pooling, no head for pictures, a bias of the logits", () => {
    const config = {
      ...{ embedDim: 12, image: { ...image, classToken: false, pooling: "map" }, text },
      ...{ imageProjection: false, logitScaleLogInit: Math.log(10), logitBiasInit: -10 },
    };
    assert.deepEqual(contentsOf("siglip"), { kind: "pair", config });
    assert.deepEqual(contentsOf("siglip-scan"), { kind: "pair", config });
  });

  it("are LiT's: a class token, with and without a head for pictures", () => {
    const lit = { ...image, classToken: true, pooling: "class" };
    const scale = { logitScaleLogInit: Math.log(10) };
    assert.deepEqual(contentsOf("lit-small"), {
      kind: "pair",
      config: { embedDim: 12, image: lit, text, ...scale },
    });
    const bert = {
      ...{ kind: "bert", contextLength: 12, vocabSize: 64, width: 128, mlpWidth: 16, ...layers },
      padding: "anywhere",
      ...{ heads: 2, normEpsilon: 1e-12, padTokenId: 0, projectionBias: true },
    };
    assert.deepEqual(contentsOf("lit-bert"), {
      kind: "pair",
      config: { embedDim: 12, image: lit, text: bert, imageProjection: false, ...scale },
    });
  });

  it("are So400m's, whose 27 patches of 14 pixels are pictures of 384", () => {
    const shapes = fakeShapes({
      "embedding/kernel": [14, 14, 3, 1152],
      pos_embedding: [1, 729, 1152],
      "MAPHead_0/probe": [1, 1, 1152],
      "Transformer/encoderblock/LayerNorm_0/scale": [27, 1152],
      "Transformer/encoderblock/MultiHeadDotProductAttention_0/query/kernel": [27, 1152, 16, 72],
      "Transformer/encoderblock/MlpBlock_0/Dense_0/kernel": [27, 1152, 4304],
    });
    assert.deepEqual(readImageTower(shapes, "").config, pairConfig("SigLIP-So400m/14-384").image);
    const { config } = readImageTower(shapes, "", 378);
    assert.equal(config.imageSize, 378);
    assert.ok(!("dropsPartialPatches" in config));
  });
});

/** A file that holds these shapes only. */
function fakeShapes(shapes: Record<string, readonly number[]>): FlaxShapes {
  const unread = (): never => assert.fail("no weight is read");
  return new FlaxShapes({
    ...{ file: "shapes.npz", names: Object.keys(shapes), metadata: {}, has: unread },
    info: (name) => ({ dtype: "float32", storedAs: "<f4", shape: shapes[name] ?? [], bytes: 0 }),
    ...{ tensor: unread, layer: unread, readInto: unread, close: unread, [Symbol.dispose]: unread },
  });
}

describe("other spellings of the same file", () => {
  it("has its weights under params, under opt/target, or on their own", () => {
    const bare = (name: string): string => name.replace(/^params\//, "");
    checkPair(renamed("siglip", bare), "siglip");
    const other = (name: string): string => name.replace(/^params\//, "opt/target/");
    const file = renamed("siglip2-naflex", other);
    checkPair(file, "siglip2-naflex");
  });

  it("has its places in the encoder, as before 2022", () => {
    const file = renamed("lit-bert", (name) => name.replace("posembed_input/", ""));
    checkPair(file, "lit-bert");
  });

  it("numbers the parts of its blocks as before linen, in both towers", () => {
    const file = renamed("lit-small", (name) =>
      name
        .replace("/LayerNorm_1/", "/LayerNorm_2/")
        .replace("/MultiHeadDotProductAttention_0/", "/MultiHeadDotProductAttention_1/")
        .replace("/MlpBlock_0/", "/MlpBlock_3/"),
    );
    checkPair(file, "lit-small");
  });
});

describe("preprocessing", () => {
  const transformsOf = (name: string): unknown[] => {
    using source = openModelAt(goldenNpz(name));
    return [source.evaluationTransform(), source.naflexTransform?.()];
  };

  it("is TensorFlow's to a square, as the models were trained with", () => {
    assert.deepEqual(transformsOf("siglip"), [evaluationPreset("big-vision", 12), undefined]);
    assert.deepEqual(transformsOf("lit-small"), [evaluationPreset("lit", 12), undefined]);
    assert.deepEqual(transformsOf("augreg"), [evaluationPreset("big-vision", 12), undefined]);
  });

  it("is NaFlex's to patches, with squares of as many", () => {
    const [square, patches] = transformsOf("siglip2-naflex");
    assert.deepEqual(patches, { ...naflexPreset(9), patchSize: 4 });
    assert.deepEqual(square, evaluationPreset("siglip2", 12));
  });

  it("is what the caller says", () => {
    const given = { evaluationTransform: evaluationPreset("siglip", 14) };
    using source = openModelAt(goldenNpz("siglip"), given);
    assert.equal(source.evaluationTransform(), given.evaluationTransform);
    assert.ok(source.contents.kind === "pair");
    const { imageSize, patchSize } = source.contents.config.image as VisionTransformerConfig;
    // 14 pixels hold 3 patches of 4, and a rest.
    assert.deepEqual([imageSize, patchSize], [14, 4]);
  });
});

describe("what is saved of a flax checkpoint", () => {
  it("is Hugging Face's SiglipModel and Siglip2Model, which compute the same", async () => {
    const types = { siglip: "siglip", "siglip-scan": "siglip", "siglip2-naflex": "siglip2" };
    for (const [name, type] of Object.entries(types)) {
      using source = openModelAt(goldenNpz(name));
      const model = pairAt(goldenNpz(name));
      const folder = join(root, `saved-${name}`);
      await saveCheckpoint(folder, {
        config: model.config,
        weights: model.namedState(),
        evaluationTransform: source.evaluationTransform(),
        naflexTransform: source.naflexTransform?.(),
      });
      model.dispose();
      const config = readFileSync(join(folder, "config.json"), "utf8");
      assert.equal((JSON.parse(config) as { model_type: string }).model_type, type);
      using saved = openModelAt(folder);
      assert.deepEqual(saved.evaluationTransform(), source.evaluationTransform());
      assert.deepEqual(saved.naflexTransform?.(), source.naflexTransform?.());
      checkPair(folder, name);
    }
  });

  it("is limn's own for LiT, with its vocabulary", async () => {
    const folder = join(root, "lit");
    mkdirSync(folder);
    copyFileSync(goldenNpz("lit-bert"), join(folder, "LiT-tiny.npz"));
    const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "##s", "dog"];
    writeFileSync(join(folder, "LiT-tiny.txt"), `${words.join("\n")}\n`);
    const given = { contextLength: 8 };
    const loaded = await loadModel(join(folder, "LiT-tiny.npz"), given);
    const texts = ["A cat", "dogs, cats"];
    // [CLS], no [SEP]; the comma is no word of the vocabulary.
    assert.deepEqual(
      [...loaded.tokenizer.encodeBatch(texts).tokens],
      [
        [2, 4, 5, 0, 0, 0, 0, 0],
        [2, 7, 6, 1, 5, 6, 0, 0],
      ].flat(),
    );
    const before = loaded.encodeTexts(texts).toFloat32Array();
    await loaded.save(join(root, "lit-saved"));
    loaded.dispose();
    const again = await loadModel(join(root, "lit-saved"));
    assert.equal(again.layout, "limn's pair");
    assert.deepEqual(again.encodeTexts(texts).toFloat32Array(), before);
    assert.deepEqual(again.evaluationTransform, evaluationPreset("lit", 12));
    again.dispose();
    checkPair(join(root, "lit-saved"), "lit-bert");
  });
});

describe("AugReg's ViTs", () => {
  const towerAt = (name: string, changes: Partial<VisionTransformerConfig> = {}) => {
    using source = openModelAt(goldenNpz(name));
    const { contents } = source;
    assert.ok(contents.kind === "image");
    const config = { ...(contents.config as VisionTransformerConfig), ...changes };
    const tower = createImageTower(config, null) as VisionTransformer;
    loadTower(source, "image", tower, { head: "random" });
    return tower.train(false);
  };

  for (const name of ["augreg", "augreg-pre-linen"]) {
    it(`give a recipe's tower the features that flax computes: ${name}`, () => {
      const expected = expectedOf(name);
      const tower = towerAt(name);
      scope(() =>
        noGrad(() => {
          const pixels = fromData(floats(expected.pixels), expected.pixelShape ?? []);
          const found = unitRows(tower.forward(pixels)).toFloat32Array();
          assertClose(found, floats(expected.imageEmbeddings), expected, name);
        }),
      );
      tower.dispose();
    });

    it(`give a tower of other pictures their places, resized: ${name}`, () => {
      const [small, large] = [towerAt(name), towerAt(name, { imageSize: 20 })];
      scope(() =>
        noGrad(() => {
          const stored = small.positionEmbedding.tensor;
          const wanted = resizeImagePositionEmbedding(stored, 5, { leading: 1 });
          assert.deepEqual(large.positionEmbedding.tensor.shape, [26, 12]);
          assert.deepEqual(
            large.positionEmbedding.tensor.toFloat32Array(),
            wanted.toFloat32Array(),
          );
        }),
      );
      small.dispose();
      large.dispose();
    });
  }

  it("are described, and keep their classifier", async () => {
    const found = await describeModel(goldenNpz("augreg-pre-linen"));
    assert.deepEqual([found.family, found.holds, found.tokenizer], ["ViT", "image tower", null]);
    using source = openModelAt(goldenNpz("augreg-pre-linen"));
    const carried = loadCarried(source);
    assert.deepEqual(carried.map(([name]) => name).sort(), [
      "head/bias",
      "head/kernel",
      "pre_logits/bias",
      "pre_logits/kernel",
    ]);
    for (const [, tensor] of carried) tensor.dispose();
  });

  it("refuse a tower of another width, and a head that they do not have", () => {
    using source = openModelAt(goldenNpz("augreg"));
    const { contents } = source;
    assert.ok(contents.kind === "image");
    const config = contents.config as VisionTransformerConfig;
    const wider = createImageTower({ ...config, width: 24 }, null);
    const load = (tower: typeof wider, head: "random" | "pretrained"): void =>
      loadTower(source, "image", tower, { head });
    assert.throws(() => load(wider, "random"), /another: width 12 there, 24 here/);
    const headed = createImageTower(config, 8);
    assert.throws(() => load(headed, "pretrained"), /a head beside the image tower/);
    wider.dispose();
    headed.dispose();
  });
});
