/** Transformer towers against other libraries; test/goldens/generate/transformer-towers.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";

import { initializeOn } from "../nn/initialize.ts";
import { patchDropout } from "../nn/regularize.ts";
import { runAll } from "../nn/transformer.ts";
import { assertClose } from "../../test/support/close.ts";
import {
  autocast,
  backward,
  cat,
  fromData,
  manualSeed,
  memory,
  noGrad,
  randn,
  scope,
  type Tensor,
} from "../torch/index.ts";
import { Bert, bertSizes, type BertConfig } from "./text/bert-tower.ts";
import {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "./resize-position-embedding.ts";
import { TextTransformer, textSizes, type TextTransformerConfig } from "./text/text-transformer.ts";
import {
  VisionTransformer,
  vitSizes,
  type VisionTransformerConfig,
} from "./image/vision-transformer.ts";

interface Entry {
  shape: number[];
  data: string;
}
type Config = VisionTransformerConfig | TextTransformerConfig | BertConfig;
interface Case {
  name: string;
  config: Config;
  embedDim: number | null;
  input: Entry | number[][];
  weights: Record<string, Entry>;
  output: Entry;
  outputGradient: Entry;
  gradients: Record<string, Entry>;
}
interface Positions {
  side?: number;
  leading?: number;
  contextLength?: number;
  table: Entry;
  result: Entry;
}
const file = new URL("../../../test/goldens/transformer-towers.json.gz", import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(file)).toString()) as {
  rtol: number;
  atol: number;
  cases: Case[];
  positions: Positions[];
  parameterCounts: Record<string, number>;
};

const numbers = ({ data }: Entry): Float32Array => {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  return new Float32Array(bytes.buffer);
};
const float = (entry: Entry, shape: readonly number[] = entry.shape): Tensor =>
  fromData(numbers(entry), shape);
const ids = (rows: number[][]): Tensor =>
  fromData(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]?.length ?? 0]);

type Tower = VisionTransformer | TextTransformer | Bert;
function create(config: Config, embedDim: number | null): Tower {
  switch (config.kind) {
    case "vit":
      return new VisionTransformer(config, embedDim);
    case "transformer":
      return new TextTransformer(config, embedDim);
    case "bert":
      return new Bert(config, embedDim);
  }
}

/** The tower of a golden with its weights, in evaluation mode. */
function load({ config, embedDim, weights }: Case): Tower {
  const tower = create(config, embedDim);
  const named = new Map(tower.namedParameters());
  assert.deepEqual([...named.keys()].sort(), Object.keys(weights).sort());
  scope(() => {
    for (const [name, parameter] of named) {
      parameter.assign(float(weights[name] as Entry, parameter.tensor.shape));
    }
  });
  return tower.train(false);
}

const inputOf = ({ input }: Case): Tensor => (Array.isArray(input) ? ids(input) : float(input));
const find = (name: string): Case => golden.cases.find((one) => one.name === name) as Case;

describe("towers equal those of transformers and timm", () => {
  for (const expected of golden.cases) {
    for (const checkpointing of [false, true]) {
      it(`${expected.name}${checkpointing ? ", recomputing activations" : ""}`, () => {
        const tower = load(expected);
        tower.run.checkpointing = checkpointing;
        const before = memory().tensors;
        scope(() => {
          const output = tower.forward(inputOf(expected));
          assert.deepEqual(output.shape, expected.output.shape);
          assertClose(output.toFloat32Array(), numbers(expected.output), golden, "output");
          backward(output, float(expected.outputGradient));
        });
        // Nothing but the gradients stays.
        assert.equal(memory().tensors, before);
        const named = new Map(tower.namedParameters());
        for (const [name, entry] of Object.entries(expected.gradients)) {
          const values = named.get(name)?.tensor.grad?.toFloat32Array() ?? [];
          assertClose(values, numbers(entry), golden, `gradient of ${name}`);
        }
        assert.equal(tower.featureDim, expected.config.width);
        tower.dispose();
      });
    }
    it(`${expected.name}, in bfloat16 to its precision`, () => {
      const tower = load(expected);
      scope(() => {
        const output = autocast("cpu", () => tower.forward(inputOf(expected))).to("float32");
        const wanted = numbers(expected.output);
        const largest = Math.max(...wanted.map(Math.abs));
        assertClose(output.toFloat32Array(), wanted, { rtol: 0, atol: 0.05 * largest }, "output");
        backward(output, float(expected.outputGradient));
      });
      const gradients = [...tower.namedParameters()].map(([, { tensor }]) => tensor.grad);
      for (const gradient of gradients) {
        assert.ok(gradient === null || gradient.toFloat32Array().every(Number.isFinite));
      }
      tower.dispose();
    });
  }
});

describe("named sizes", () => {
  const sizes: Record<string, () => Config> = { ...vitSizes, ...textSizes, ...bertSizes };
  it("have the parameters of the published towers", () => {
    const before = memory().bytes;
    for (const [name, count] of Object.entries(golden.parameterCounts)) {
      const config = (sizes[name] as () => Config)();
      const embedDim = config.kind === "transformer" ? config.width : null;
      const tower = initializeOn("meta", () => create(config, embedDim));
      assert.equal(tower.parameterCount(), count, name);
      tower.dispose();
    }
    assert.ok(memory().bytes - before < 1e6, "the counts took memory");
  });
  it("can all be made", () => {
    for (const [name, config] of Object.entries(sizes)) {
      const tower = initializeOn("meta", () => create(config(), 64));
      assert.equal(tower.projection?.bias?.tensor.count, 64, name);
      tower.dispose();
    }
  });
});

describe("positions at another size", () => {
  for (const { side, leading = 0, contextLength = 0, table, result } of golden.positions) {
    const to =
      side === undefined ? `${contextLength} tokens` : `${side} x ${side} after ${leading}`;
    it(`equal torch's, [${table.shape.join(", ")}] to ${to}`, () => {
      const resized =
        side === undefined
          ? resizeTextPositionEmbedding(float(table), contextLength)
          : resizeImagePositionEmbedding(float(table), side, { leading });
      assert.deepEqual(resized.shape, result.shape);
      assertClose(resized.toFloat32Array(), numbers(result), { rtol: 1e-5, atol: 1e-6 });
    });
  }
  it("refuse a table that is no square grid, and sizes that cannot be", () => {
    const table = randn([10, 3]);
    assert.throws(() => resizeImagePositionEmbedding(table, 4, { leading: 0 }), {
      name: "ShapeError",
      message:
        "Expected 0 + G x G rows for the table of positions but received 10; " +
        "say how many leading rows it has",
    });
    assert.throws(() => resizeImagePositionEmbedding(table, 0), /of at least 1 for side but/);
    assert.throws(
      () => resizeTextPositionEmbedding(table, 1.5),
      /for contextLength but received 1.5/,
    );
    assert.throws(() => resizeTextPositionEmbedding(randn([1, 10, 3]), 4), /received \[1, 10, 3\]/);
  });
});

describe("BERT", () => {
  it("gives the same features whether padding is there or not", () => {
    const tower = load(find("BERT, gelu"));
    const rows = [
      [5, 6, 7, 0, 0, 0],
      [3, 9, 0, 0, 0, 0],
    ];
    const whole = tower.features(ids(rows)).toFloat32Array();
    const cut = tower.features(ids(rows.map((row) => row.slice(0, 3)))).toFloat32Array();
    assertClose(cut, whole, { rtol: 1e-5, atol: 1e-6 });
    assert.ok((tower as Bert).trimmable);
    tower.dispose();
  });
  it("gives numbers for a text of nothing but padding", () => {
    const tower = load(find("BERT, gelu"));
    assert.ok(
      tower
        .features(ids([[0, 0, 0]]))
        .isFinite()
        .all()
        .item(),
    );
    tower.dispose();
  });
  it("reads its features off the hidden states", () => {
    const tower = load(find("BERT, gelu")) as Bert;
    const tokens = ids([[5, 6, 7, 0]]);
    const hidden = tower.hidden(tokens).select(1, 0).toFloat32Array();
    assertClose(tower.features(tokens).toFloat32Array(), hidden, { rtol: 1e-5, atol: 1e-6 });
    tower.dispose();
  });
});

describe("text transformer", () => {
  const { config } = find("SigLIP text tower, transformers") as { config: TextTransformerConfig };
  const tokens = [[4, 8, 15, 16, 1, 23, 7, 2, 9]];
  it("is trimmable where it is causal and read at the end of text", () => {
    for (const attention of ["causal", "bidirectional"] as const) {
      for (const pooling of ["eot", "last"] as const) {
        const tower = new TextTransformer({ ...config, attention, pooling }, null);
        assert.equal(tower.trimmable, attention === "causal" && pooling === "eot");
        const at = pooling === "last" ? 8 : 4;
        const hidden = tower.hidden(ids(tokens)).select(1, at).toFloat32Array();
        const features = tower.features(ids(tokens)).toFloat32Array();
        assertClose(features, hidden, { rtol: 1e-4, atol: 1e-5 }, `${attention} ${pooling}`);
        tower.dispose();
      }
    }
  });
  it("has hidden states that do not know later tokens, where causal", () => {
    const tower = new TextTransformer({ ...config, attention: "causal" }, null);
    const [one, other] = [tokens, [[4, 8, 15, 16, 30, 31, 32, 33, 34]]].map((rows) =>
      tower.hidden(ids(rows)).narrow(1, 0, 4).toFloat32Array(),
    );
    assert.deepEqual(one, other);
    tower.dispose();
  });
});

describe("image tower", () => {
  const cases = ["SigLIP image tower, timm", "AugReg image tower with head, timm"];
  for (const name of cases) {
    for (const pooling of ["class", "map", "mean"] as const) {
      const { config } = find(name) as { config: VisionTransformerConfig };
      const classToken = config.classToken ?? true;
      if (pooling === "class" && !classToken) continue;
      const title = `${pooling} pooling ${classToken ? "with" : "without"} class token`;
      it(`drops patches in training and reads those that are kept, ${title}`, () => {
        manualSeed(3);
        const changed = { ...config, pooling, patchDropout: 0.5 };
        const tower = new VisionTransformer(changed, null);
        const leading = classToken ? 1 : 0;
        scope(() => {
          const pixels = randn([2, 3, 24, 24]);
          manualSeed(4);
          const features = tower.features(pixels).toFloat32Array();
          manualSeed(4);
          const expected = byHand(tower, pixels, leading).toFloat32Array();
          assertClose(features, expected, { rtol: 1e-4, atol: 1e-5 });
          const inEvaluation = tower.train(false).features(pixels).toFloat32Array();
          assert.notDeepEqual(features, inEvaluation);
        });
        tower.dispose();
      });
    }
  }
});

describe("patches that a picture does not fill", () => {
  const { config } = find("SigLIP image tower, timm") as { config: VisionTransformerConfig };
  const sized = (imageSize: number, patchSize: number, drops: boolean) => (): VisionTransformer => {
    const partial = drops ? { dropsPartialPatches: true } : {};
    return new VisionTransformer({ ...config, imageSize, patchSize, ...partial }, null);
  };
  it("are refused unless told otherwise, and so is a picture smaller than a patch", () => {
    const message = /patchSize to divide imageSize 26 but received/;
    assert.throws(sized(26, 8, false), { name: "RangeError", message });
    assert.throws(sized(26, 27, true), { name: "RangeError", message });
  });
  it("are left out at the right and the bottom", () => {
    const tower = sized(26, 8, true)();
    assert.deepEqual(tower.positionEmbedding.tensor.shape, [9, config.width]);
    const whole = sized(24, 8, false)();
    scope(() => {
      const weights = new Map(tower.namedParameters());
      for (const [name, parameter] of whole.namedParameters()) {
        parameter.assign((weights.get(name) as { tensor: Tensor }).tensor);
      }
      const pixels = randn([2, 3, 26, 26]);
      const inside = pixels.narrow(2, 0, 24).narrow(3, 0, 24);
      assert.deepEqual(
        tower.forward(pixels).toFloat32Array(),
        whole.forward(inside).toFloat32Array(),
      );
    });
    tower.dispose();
    whole.dispose();
  });
});

/** The features from their parts, with 4 of the 9 patches. */
function byHand(tower: VisionTransformer, pixels: Tensor, leading: number): Tensor {
  return noGrad(() => {
    const patches = tower.patchEmbedding.forward(pixels);
    const first = tower.classEmbedding?.tensor.expand(2, 1, patches.size(2));
    const tokens = (first ? cat([first, patches], 1) : patches).add(tower.positionEmbedding.tensor);
    const kept = patchDropout(tokens, 0.5, true, { leading });
    assert.deepEqual(kept.shape, [2, leading + 4, tower.config.width]);
    const hidden = tower.normAfter.forward(runAll(tower.blocks, kept, { checkpointing: false }));
    if (tower.config.pooling === "class") return hidden.select(1, 0);
    if (tower.config.pooling === "mean") return hidden.narrow(1, leading, 4).mean([1]);
    const head = tower.pooling as NonNullable<typeof tower.pooling>;
    const width = tower.config.width;
    // The head at one position of the general form: a row of queries that are all the probe.
    const pooled = head.attention.forwardAt(
      hidden,
      head.probe.tensor.view(1, width).expand(2, width),
      { position: "last" },
    );
    return pooled.add(head.mlp.forward(head.norm.forward(pooled)));
  });
}
