/**
 * The convolutional towers and the mixer against their references in float64, forward and backward, in
 * both modes; test/goldens/generate/convolutional-towers.py makes the file.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { withoutStatistics } from "../../nn/batch-norm.ts";
import { initializeOn } from "../../nn/initialize.ts";
import { assertClose } from "../../../test/support/close.ts";
import { hashedValues } from "../../../test/support/hashed-values.ts";
import {
  autocast,
  backward,
  fromData,
  manualSeed,
  memory,
  noGrad,
  scope,
  zeros,
  type Tensor,
} from "../../torch/index.ts";
import { BitResNet, bitResNetSizes, type BitResNetConfig } from "./bit-resnet.ts";
import { EfficientNet, efficientNetSizes, type EfficientNetConfig } from "./efficient-net.ts";
import { Mixer, mixerSizes, type MixerConfig } from "./mixer.ts";
import {
  ModifiedResNet,
  modifiedResNetSizes,
  type ModifiedResNetConfig,
} from "./modified-resnet.ts";
import type { ImageTower } from "../tower.ts";

type Config = ModifiedResNetConfig | EfficientNetConfig | MixerConfig | BitResNetConfig;

interface Run {
  output: { shape: number[]; values: number[] };
  /** Evenly spaced values of each. */
  gradients: Record<string, number[]>;
  running: Record<string, number[]>;
}

interface Case {
  config: Config;
  embedDim: number | null;
  state: { name: string; shape: number[]; seed: number; offset: number; scale: number }[];
  inputShape: number[];
  evaluation: Run;
  training: Run;
}

const file = new URL("../../../../test/goldens/convolutional-towers.json.gz", import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(file)).toString()) as {
  rtol: number;
  atol: number;
  cases: Case[];
  parameterCounts: Record<string, { embedDim?: number; count: number }>;
};

function create(config: Config, embedDim: number | null): ImageTower {
  switch (config.kind) {
    case "modifiedResNet":
      return new ModifiedResNet(config, embedDim);
    case "efficientNet":
      return new EfficientNet(config, embedDim);
    case "mixer":
      return new Mixer(config, embedDim);
    case "bitResNet":
      return new BitResNet(config, embedDim);
  }
}

/** From the reference's names to ours, tried in order; every one that fits is applied. */
const names: Record<Config["kind"], [RegExp, string][]> = {
  modifiedResNet: [
    [/^(conv|bn)\d/, "stem.$&"],
    [/\bbn(\d)/, "norm$1"],
    [/layer(\d)/, "layer$1.blocks"],
    [/layer1/, "stages.0"],
    [/layer2/, "stages.1"],
    [/layer3/, "stages.2"],
    [/layer4/, "stages.3"],
    [/downsample\.0/, "shortcut.conv"],
    [/downsample\.1/, "shortcut.norm"],
    [/attnpool\.c_proj/, "projection"],
    [/attnpool\.positional_embedding/, "attentionPool.positionEmbedding"],
    [/attnpool\.q_proj/, "attentionPool.query"],
    [/attnpool\.k_proj/, "attentionPool.key"],
    [/attnpool\.v_proj/, "attentionPool.value"],
  ],
  efficientNet: [
    [/embeddings\.convolution/, "stem"],
    [/embeddings\.batchnorm/, "stem.norm"],
    [/^encoder\./, ""],
    [/expansion\.expand_conv/, "expansion"],
    [/expansion\.expand_bn/, "expansion.norm"],
    [/depthwise_conv\.depthwise_conv/, "depthwise"],
    [/depthwise_conv\.depthwise_norm/, "depthwise.norm"],
    [/squeeze_excite/, "squeezeExcitation"],
    [/projection\.project_conv/, "output"],
    [/projection\.project_bn/, "output.norm"],
  ],
  mixer: [
    [/^stem\.proj/, "patchEmbedding"],
    [/mlp_tokens/, "tokenMlp"],
    [/mlp_channels/, "channelMlp"],
    [/fc1/, "up"],
    [/fc2/, "down"],
    [/^norm\./, "normAfter."],
  ],
  bitResNet: [
    [/^stem\.conv/, "stem"],
    [/downsample\.conv/, "shortcut"],
    [/^norm\./, "normAfter."],
  ],
};

function ourName(kind: Config["kind"], name: string): string {
  const rules: [RegExp, string][] = [
    ...names[kind],
    [/running_mean/, "runningMean"],
    [/running_var/, "runningVariance"],
  ];
  return rules.reduce((path, [from, to]) => path.replace(from, to), name);
}

/** A tower in float64 with the golden's weights. */
function golded({ config, embedDim, state }: Case): ImageTower {
  const tower = create(config, embedDim);
  const tensors = new Map(tower.namedState());
  for (const { name, shape, seed, offset, scale } of state) {
    const path = ourName(config.kind, name);
    const tensor = tensors.get(path);
    assert.ok(tensor, `${name} is not at ${path}`);
    assert.deepEqual(tensor.shape, shape, path);
    const values = hashedValues(tensor.count, seed).map((value) => offset + scale * value);
    scope(() => tensor.setData(fromData(values, shape)));
    tensors.delete(path);
  }
  assert.deepEqual([...tensors.keys()], [], "not in the reference");
  return tower;
}

const hashed = (shape: readonly number[], seed: number): Tensor =>
  fromData(
    hashedValues(
      shape.reduce((product, side) => product * side, 1),
      seed,
    ),
    shape,
  );

function assertRun(tower: ImageTower, { config, inputShape }: Case, expected: Run): void {
  tower.zeroGrad();
  const output = tower.forward(hashed(inputShape, 999));
  assert.deepEqual(output.shape, expected.output.shape);
  assertClose(output.toFloat64Array(), expected.output.values, golden, "output");
  backward(output, hashed(output.shape, 998));
  const parameters = new Map(tower.namedParameters());
  for (const [name, values] of Object.entries(expected.gradients)) {
    const { grad } = parameters.get(ourName(config.kind, name))?.tensor ?? {};
    assert.ok(grad, `${name} has no gradient`);
    assertClose(spaced(grad), values, golden, `gradient of ${name}`);
  }
  const buffers = new Map(tower.namedBuffers());
  assert.equal(buffers.size, Object.keys(expected.running).length);
  for (const [name, values] of Object.entries(expected.running)) {
    const { tensor } = buffers.get(ourName(config.kind, name)) ?? {};
    assertClose(spaced(tensor as Tensor), values, golden, name);
  }
}

/** The values that the golden holds of a tensor. */
function spaced(tensor: Tensor): number[] {
  const values = tensor.toFloat64Array();
  const stride = Math.max(1, Math.floor(values.length / 16));
  return [...values].filter((_, i) => i % stride === 0).slice(0, 16);
}

const first = (kind: Config["kind"]): Case =>
  golden.cases.find(({ config }) => config.kind === kind) as Case;
const kinds = ["modifiedResNet", "efficientNet", "mixer", "bitResNet"] as const;

describe("misuse", () => {
  for (const kind of kinds) {
    it(`${kind} refuses pixels of another shape`, () => {
      const { config, embedDim } = first(kind);
      const tower = create(config, embedDim);
      const side = config.imageSize;
      for (const shape of [
        [1, 3, side + 1, side],
        [1, 1, side, side],
        [3, side, side],
      ]) {
        assert.throws(() => scope(() => tower.forward(zeros(shape))), {
          name: "ShapeError",
          message: new RegExp(`^Expected pixels \\[N, 3, ${side}, ${side}\\] for imageTower but `),
        });
      }
      tower.dispose();
    });
  }
  const refused: [Config["kind"], Partial<Record<string, unknown>>, string][] = [
    [
      "modifiedResNet",
      { imageSize: 40 },
      "Expected a multiple of 32 for imageSize but received 40; choose another size",
    ],
    [
      "modifiedResNet",
      { depths: [1, 1, 0, 1] },
      "Expected a whole number of at least 1 for depths[2] but received 0; choose another size",
    ],
    [
      "modifiedResNet",
      { heads: 5 },
      "Expected heads to divide the attention pool's width 128 but received 5; " +
        "choose another number",
    ],
    [
      "efficientNet",
      { imageSize: 7, padding: "even" },
      "Expected at least 8 for imageSize but received 7; nothing would be left after the last stride",
    ],
    [
      "efficientNet",
      { stages: [{ kernel: 4, width: 8, stride: 1, depth: 1, expansion: 1 }] },
      "Expected an odd kernel of at least 3 and a stride of 1 or 2 for stages[0] but received " +
        "4 and 1; choose others",
    ],
    [
      "efficientNet",
      { dropConnect: 1 },
      "Expected at least 0 and less than 1 for dropConnect but received 1; choose another",
    ],
    [
      "mixer",
      { patchSize: 7 },
      "Expected patchSize to divide imageSize 32 but received 7; " +
        "choose an image size that is a multiple of the patch",
    ],
    [
      "bitResNet",
      { groups: 3 },
      "Expected groups to divide 8 channels but received 3; choose another number",
    ],
  ];
  for (const [kind, change, message] of refused) {
    it(`${kind} refuses ${JSON.stringify(change)}`, () => {
      const config = { ...first(kind).config, ...change };
      assert.throws(() => create(config, null), { name: "RangeError", message });
    });
  }
});

describe("equal their references", () => {
  for (const [i, expected] of golden.cases.entries()) {
    it(`${expected.config.kind} (${i}): output, gradients, running statistics`, () => {
      const tower = golded(expected);
      scope(() => {
        tower.train(false);
        assertRun(tower, expected, expected.evaluation);
        tower.train(true);
        assertRun(tower, expected, expected.training);
      });
      tower.dispose();
    });
  }
  it("features are what the projection maps, and alone where there is none", () => {
    const expected = first("modifiedResNet");
    const tower = golded(expected).train(false);
    const bare = new ModifiedResNet(expected.config as ModifiedResNetConfig, null).train(false);
    scope(() => {
      const pixels = hashed(expected.inputShape, 999);
      const features = tower.features(pixels);
      assert.deepEqual(features.shape, [3, tower.featureDim]);
      const projected = tower.projection?.forward(features) as Tensor;
      assertClose(projected.toFloat64Array(), expected.evaluation.output.values, golden);
      assert.equal(bare.projection, null);
      assert.deepEqual(bare.forward(pixels.to("float32")).shape, [3, bare.featureDim]);
    });
  });
});

describe("sizes", () => {
  const sizes = { ...modifiedResNetSizes, ...efficientNetSizes, ...mixerSizes, ...bitResNetSizes };
  it("have the reference's numbers of parameters", () => {
    const before = memory().bytes;
    const make = sizes as Record<string, () => Config>;
    for (const [name, { embedDim = null, count }] of Object.entries(golden.parameterCounts)) {
      const tower = initializeOn("meta", () => create((make[name] as () => Config)(), embedDim));
      assert.equal(tower.parameterCount(), count, name);
      tower.dispose();
    }
    assert.ok(memory().bytes - before < 1e6, "the counts took memory");
    const missing = Object.keys(make).filter((name) => !(name in golden.parameterCounts));
    assert.deepEqual(missing, ["EfficientNet-B7-ALIGN"]);
  });
  it("of ALIGN give 640 features from 289 pixels", () => {
    const config = efficientNetSizes["EfficientNet-B7-ALIGN"]?.() as EfficientNetConfig;
    const tower = initializeOn("meta", () => new EfficientNet(config, null));
    assert.equal(tower.featureDim, 640);
    assert.equal(config.imageSize, 289);
  });
});

describe("initial weights", () => {
  /** Checks the deviation of normal draws within five standard errors, constants exactly. */
  function assertInitial(tower: ImageTower, path: string, std: number | { all: number }): void {
    const { tensor } = new Map(tower.namedParameters()).get(path) ?? {};
    const values = [...(tensor as Tensor).toFloat64Array()];
    if (typeof std === "object") {
      assert.ok(
        values.every((value) => value === std.all),
        path,
      );
      return;
    }
    const found = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    const slack = (5 * std) / Math.sqrt(2 * values.length);
    assert.ok(Math.abs(found - std) < slack, `${path}: deviation ${found}, not ${std}`);
  }
  const fresh = (kind: Config["kind"]): ImageTower => {
    manualSeed(5);
    return create(first(kind).config, 20);
  };
  it("are openai/CLIP's in its ResNets", () => {
    const tower = fresh("modifiedResNet");
    assertInitial(tower, "attentionPool.query.weight", 128 ** -0.5);
    assertInitial(tower, "attentionPool.positionEmbedding", 128 ** -0.5);
    assertInitial(tower, "projection.weight", 128 ** -0.5);
    assertInitial(tower, "stages.3.blocks.0.conv2.weight", (3 * 32 * 9) ** -0.5);
    assertInitial(tower, "stages.0.blocks.1.norm3.weight", { all: 0 });
    assertInitial(tower, "stages.0.blocks.0.shortcut.norm.weight", { all: 1 });
  });
  it("are the original's in EfficientNet: by fan-out, one kernel's for depthwise ones", () => {
    const tower = fresh("efficientNet");
    assertInitial(tower, "stem.weight", Math.sqrt(2 / (8 * 9)));
    assertInitial(tower, "blocks.1.depthwise.weight", Math.sqrt(2 / 9));
    assertInitial(tower, "blocks.5.output.weight", Math.sqrt(2 / 24));
    assertInitial(tower, "blocks.5.output.norm.weight", { all: 1 });
    assertInitial(tower, "projection.weight", 24 ** -0.5);
  });
  it("are timm's in the mixer and in BiT", () => {
    const mixer = fresh("mixer");
    assertInitial(mixer, "patchEmbedding.weight", (3 * 64) ** -0.5);
    assertInitial(mixer, "patchEmbedding.bias", { all: 0 });
    assertInitial(mixer, "blocks.1.channelMlp.up.weight", Math.sqrt(2 / (24 + 96)));
    assertInitial(mixer, "blocks.1.channelMlp.up.bias", 1e-6);
    const bit = fresh("bitResNet");
    assertInitial(bit, "stem.weight", Math.sqrt(2 / (8 * 49)));
    assertInitial(bit, "stages.2.blocks.0.conv3.weight", Math.sqrt(2 / 128));
  });
});

describe("training", () => {
  /** Every gradient and buffer after a pass in training mode. */
  function pass(tower: ImageTower, shape: readonly number[], forward = tower.forward.bind(tower)) {
    return scope(() => {
      manualSeed(3);
      tower.train(true).zeroGrad();
      const output = forward(hashed(shape, 999).to("float32"));
      backward(output, hashed(output.shape, 998).to("float32"));
      const gradients = tower.parameters().map(({ tensor }) => [...(tensor.grad?.data() ?? [])]);
      return { output: [...output.data()], gradients, buffers: buffersOf(tower) };
    });
  }
  const buffersOf = (tower: ImageTower): number[][] =>
    [...tower.namedBuffers()].map(([, { tensor }]) => [...tensor.data()].map(Number));
  const skipping = (kind: Config["kind"]): ImageTower => {
    const skip = kind === "efficientNet" ? { dropConnect: 0.6 } : { stochasticDepth: 0.6 };
    const extra = kind === "modifiedResNet" ? {} : skip;
    manualSeed(1);
    return create({ ...first(kind).config, ...extra }, 6);
  };

  for (const kind of kinds) {
    it(`${kind}: recomputed activations change nothing and count statistics once`, () => {
      const { inputShape } = first(kind);
      const [plain, again] = [skipping(kind), skipping(kind)];
      again.run.checkpointing = true;
      const expected = pass(plain, inputShape);
      assert.deepEqual(pass(again, inputShape), expected);
      if (kind === "modifiedResNet") return;
      manualSeed(4);
      const other = scope(() => [...plain.forward(hashed(inputShape, 999).to("float32")).data()]);
      assert.notDeepEqual(other, expected.output, "another seed skips other samples");
    });
    it(`${kind}: runs in bfloat16`, () => {
      const { inputShape } = first(kind);
      const tower = skipping(kind);
      const { gradients } = pass(tower, inputShape, (x) =>
        autocast("cpu", () => tower.forward(x)).to("float32"),
      );
      assert.ok(gradients.flat().every(Number.isFinite));
    });
  }
  it("repeated passes leave the statistics to the first", () => {
    const { inputShape } = first("modifiedResNet");
    const tower = skipping("modifiedResNet");
    const initial = buffersOf(tower);
    const forward = (x: Tensor): Tensor => withoutStatistics(() => tower.forward(x));
    const without = pass(tower, inputShape, forward);
    assert.deepEqual(without.buffers, initial);
    const counted = pass(tower, inputShape);
    assert.notDeepEqual(counted.buffers, initial);
    assert.deepEqual(counted.output, without.output);
    assert.deepEqual(counted.gradients, without.gradients);
    scope(() => noGrad(() => tower.train(false).forward(zeros(inputShape))));
    assert.deepEqual(buffersOf(tower), counted.buffers);
  });
});
