/** Misuse, and initial weights against the specification of openai/CLIP's model.py. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { manualSeed, ones, scope, zeros } from "../torch/index.ts";
import type { Module } from "../nn/module.ts";
import { Bert } from "./text/bert-tower.ts";
import { TextTransformer } from "./text/text-transformer.ts";
import { VisionTransformer } from "./image/vision-transformer.ts";

const common = { width: 64, depth: 3, heads: 4, mlpWidth: 256, normEpsilon: 1e-5 };
const image = {
  kind: "vit",
  ...common,
  activation: "quickGelu",
  imageSize: 96,
  patchSize: 8,
} as const;
const text = {
  kind: "transformer",
  ...common,
  activation: "quickGelu",
  contextLength: 77,
  vocabSize: 2000,
  eotTokenId: 1999,
  padTokenId: 0,
} as const;

const bert = {
  ...common,
  kind: "bert",
  activation: "gelu",
  contextLength: 20,
  vocabSize: 2000,
  padTokenId: 0,
} as const;

describe("misuse", () => {
  it("refuses texts longer than the context", () => {
    const tower = new TextTransformer({ ...text, contextLength: 8 }, 16);
    assert.throws(() => tower.forward(ones([1, 9], { dtype: "int64" })), {
      name: "RangeError",
      message:
        "Expected at most 8 tokens for textTower but received 9; " +
        "truncate the texts or raise contextLength",
    });
    tower.dispose();
  });
  it("refuses pictures of another size, and a patch that does not divide", () => {
    const tower = new VisionTransformer({ ...image, imageSize: 16 }, 16);
    for (const shape of [
      [1, 3, 24, 24],
      [1, 1, 16, 16],
      [3, 16, 16],
    ]) {
      assert.throws(() => scope(() => tower.forward(zeros(shape))), {
        name: "ShapeError",
        message: /^Expected pixels \[N, 3, 16, 16\] for imageTower but received \[.*; resize/,
      });
    }
    tower.dispose();
    assert.throws(() => new VisionTransformer({ ...image, imageSize: 100 }, 16), {
      name: "RangeError",
      message: /patchSize to divide imageSize 100 but received 8/,
    });
  });
  it("refuses heads that do not divide the width", () => {
    assert.throws(() => new TextTransformer({ ...text, heads: 5 }, 16), /heads to divide width 64/);
  });
  it("refuses sizes and choices that no tower has", () => {
    const cases: [() => unknown, RegExp][] = [
      [() => new VisionTransformer({ ...image, depth: 0 }, 16), /at least 1 for depth but.* 0/],
      [() => new VisionTransformer({ ...image, pooling: "mao" as "map" }, 16), /mean "map"\?/],
      [
        () => new TextTransformer({ ...text, attention: "casual" as "causal" }, 16),
        /for attention but received "casual"; did you mean "causal"\?/i,
      ],
      [
        () => new TextTransformer({ ...text, pooling: "first" as "last" }, 16),
        /eot, greatest, last for pool/,
      ],
      [
        () => new Bert({ ...bert, activation: "relu" as "gelu" }, 16),
        /for activation but received/,
      ],
      [() => new Bert({ ...bert, contextLength: 1.5 }, 16), /for contextLength but received 1.5/],
    ];
    for (const [make, message] of cases) {
      assert.throws(make, (error) => error instanceof RangeError && message.test(error.message));
    }
  });
  it("refuses the class token's output without a class token", () => {
    assert.throws(() => new VisionTransformer({ ...image, classToken: false }, 16), {
      name: "RangeError",
      message:
        'Expected "map" or "mean" for pooling of an imageTower without class token but received ' +
        '"class"; choose one of them or set classToken',
    });
  });
  it("refuses texts that are shorter than a context whose padding is read", () => {
    for (const change of [{ pooling: "last" }, { attention: "bidirectional" }] as const) {
      const tower = new TextTransformer({ ...text, ...change, contextLength: 8 }, 16);
      assert.throws(() => tower.forward(ones([1, 7], { dtype: "int64" })), {
        name: "RangeError",
        message:
          "Expected 8 tokens for textTower, which reads padding too, but received 7; " +
          "pad the texts with 0",
      });
      tower.dispose();
    }
  });
  it("refuses texts longer than BERT's context", () => {
    const tower = new Bert({ ...bert, contextLength: 8 }, null);
    assert.throws(
      () => tower.forward(ones([1, 9], { dtype: "int64" })),
      /^RangeError: Expected at most 8 tokens for textTower but received 9; truncate/,
    );
    tower.dispose();
  });
});

/** What a weight is drawn from: its deviation, and the bound of a uniform draw. */
type Draw = { std: number; bound?: number };
const normal = (std: number): Draw => ({ std });
const uniform = (bound: number): Draw => ({ std: bound / Math.sqrt(3), bound });
/** The deviation of a standard normal that is cut at two. */
const cutAtTwo = 0.87962566;
const cut = (std: number): Draw => ({ std, bound: (2 * std) / cutAtTwo });

function assertDrawn(module: Module, expected: [RegExp, Draw | number][]): void {
  const seen = new Set<RegExp>();
  for (const [name, { tensor }] of module.namedParameters()) {
    const [pattern, draw] = expected.find(([one]) => one.test(name)) ?? [];
    assert.ok(pattern !== undefined && draw !== undefined, `nothing is said about ${name}`);
    seen.add(pattern);
    const values = tensor.toFloat64Array();
    if (typeof draw === "number") {
      assert.ok(
        values.every((value) => value === draw),
        name,
      );
      continue;
    }
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    // Five standard errors of n draws: 1 / sqrt(n) for the mean, at most 1 / sqrt(2n) for the spread.
    const slack = (5 * draw.std) / Math.sqrt(values.length);
    assert.ok(Math.abs(mean) < slack, `${name}: mean ${mean}`);
    assert.ok(Math.abs(std - draw.std) < slack, `${name}: deviation ${std}, not ${draw.std}`);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // float32 rounds the bound
    if (draw.bound !== undefined) assert.ok(largest <= draw.bound * (1 + 1e-6), name);
  }
  for (const [pattern] of expected) assert.ok(seen.has(pattern), `no parameter is ${pattern}`);
}

describe("initial weights", () => {
  const [w, depth] = [64, 3];
  it("of the image tower: width^-0.5 outside the blocks, torch's defaults inside", () => {
    manualSeed(11);
    const tower = new VisionTransformer(image, 48);
    assertDrawn(tower, [
      [/^patchEmbedding\.weight$/, uniform(1 / Math.sqrt(3 * 8 * 8))],
      [/^(classEmbedding|positionEmbedding|projection\.weight)$/, normal(w ** -0.5)],
      [/norm\w*\.weight$/i, 1],
      [/norm\w*\.bias$/i, 0],
      [/attention\.input\.weight$/, uniform(Math.sqrt(6 / (4 * w)))],
      [/attention\.(input|output)\.bias$/, 0],
      [/attention\.output\.weight$|mlp\.up\.(weight|bias)$/, uniform(w ** -0.5)],
      [/mlp\.down\.(weight|bias)$/, uniform((4 * w) ** -0.5)],
    ]);
    tower.dispose();
  });
  it("of the text tower: as initialize_parameters", () => {
    manualSeed(11);
    const tower = new TextTransformer(text, 48);
    assertDrawn(tower, [
      [/^tokenEmbedding\.weight$/, normal(0.02)],
      [/^positionEmbedding$/, normal(0.01)],
      [/^projection\.weight$/, normal(w ** -0.5)],
      [/norm\w*\.weight$/i, 1],
      [/norm\w*\.bias$/i, 0],
      [/attention\.input\.weight$/, normal(w ** -0.5)],
      [/attention\.(input|output)\.bias$/, 0],
      [/attention\.output\.weight$/, normal(w ** -0.5 * (2 * depth) ** -0.5)],
      [/mlp\.up\.weight$/, normal((2 * w) ** -0.5)],
      [/mlp\.up\.bias$/, uniform(w ** -0.5)],
      [/mlp\.down\.weight$/, normal(w ** -0.5 * (2 * depth) ** -0.5)],
      [/mlp\.down\.bias$/, uniform((4 * w) ** -0.5)],
    ]);
    tower.dispose();
  });
  const bigVision: [RegExp, Draw | number][] = [
    [/norm\w*\.weight$/i, 1],
    [/norm\w*\.bias$/i, 0],
    [/attention\.(input|output)\.weight$/, uniform(Math.sqrt(6 / (2 * w)))],
    [/attention\.(input|output)\.bias$/, 0],
    [/mlp\.(up|down)\.weight$/, uniform(Math.sqrt(6 / (5 * w)))],
    [/mlp\.(up|down)\.bias$/, normal(1e-6)],
    [/^projection\.weight$/, cut(w ** -0.5)],
    [/^projection\.bias$/, 0],
    [/^positionEmbedding$/, normal(w ** -0.5)],
  ];
  const changes = { initialization: "bigVision", projectionBias: true } as const;
  it("of SigLIP's image tower and LiT's: as big_vision's vit.py", () => {
    manualSeed(11);
    const own: [RegExp, Draw | number][] = [
      [/^patchEmbedding\.weight$/, cut(1 / Math.sqrt(3 * 8 * 8))],
      [/^patchEmbedding\.bias$/, 0],
    ];
    const vit = { ...image, ...changes, normBefore: false, patchBias: true };
    const siglip = new VisionTransformer({ ...vit, classToken: false, pooling: "map" }, 48);
    assertDrawn(siglip, [
      ...bigVision,
      ...own,
      [/^pooling\.probe$/, uniform(Math.sqrt(6 / (1 + w)))],
    ]);
    siglip.dispose();
    const augreg = new VisionTransformer(vit, 48);
    assertDrawn(augreg, [...bigVision, ...own, [/^classEmbedding$/, 0]]);
    augreg.dispose();
  });
  it("of SigLIP's text tower: as big_vision's text_transformer.py", () => {
    manualSeed(11);
    const tower = new TextTransformer({ ...text, ...changes }, 48);
    assertDrawn(tower, [...bigVision, [/^tokenEmbedding\.weight$/, normal(w ** -0.5)]]);
    tower.dispose();
  });
  it("of BERT: a normal of 0.02, cut; the head Xavier-uniform", () => {
    manualSeed(11);
    const tower = new Bert(bert, 48);
    assertDrawn(tower, [
      [/norm\w*\.weight$/i, 1],
      [/bias$/, 0],
      [/^projection\.weight$/, uniform(Math.sqrt(6 / (48 + w)))],
      [/weight$|Embedding$/, { ...cut(0.02 * cutAtTwo), bound: 0.04 }],
    ]);
    tower.dispose();
  });
});
