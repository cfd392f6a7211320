/**
 * Every kind of tower, prepared for inference in every precision of this machine, beside the same
 * weights as they are. (`inference/prepared.test.ts` does so with the pairs of the goldens.)
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { tinyImageTowers, tinyTextTowers } from "../../test/support/tiny-towers.ts";
import { adaptations } from "../nn/low-rank.ts";
import type { Module } from "../nn/module.ts";
import { availablePrecisions, type Precision } from "../nn/precision.ts";
import { prepareForInference, textPrecision } from "../nn/prepare.ts";
import { fromData, manualSeed, memory, noGrad, randn, scope, type Tensor } from "../torch/index.ts";
import { adaptTower, projectionRoles } from "../towers/adapt-tower.ts";
import {
  configureImageTower,
  configureTextTower,
  createImageTower,
  createTextTower,
  imageTowerKinds,
  textTowerKinds,
  withVocabulary,
  type ImageTowerConfig,
  type TextTowerConfig,
  type WrittenImageTower,
  type WrittenTextTower,
} from "../towers/index.ts";
import type { ImageTower, TextTower } from "../towers/tower.ts";
import { DualEncoder, unitRows } from "./dual-encoder.ts";

const ROWS = 8;
const EMBED_DIM = 16;
const shared = { activation: "quickGelu", normEpsilon: 1e-5 } as const;
const vocabulary = { vocabSize: 40, contextLength: 10, padId: 0, endId: 39 };

// Pictures of 64 pixels where 32 would end in one position, which attention and pooling leave alone.
const { vit, map, naflex, mixer, modifiedResNet, bitResNet, efficientNet } = tinyImageTowers;
const imageTowers: Record<string, ImageTowerConfig> = Object.fromEntries(
  configured(imageTowerKinds, {
    ...{ vit, map, naflex, mixer },
    modifiedResNet: { ...modifiedResNet, imageSize: 64 },
    bitResNet: { ...bitResNet, imageSize: 64 },
    efficientNet: { ...efficientNet, normMomentum: 0.1 },
  }).map(([name, one]) => [name, configureImageTower(one as WrittenImageTower, shared)]),
);
const { transformer, last, bert } = tinyTextTowers;
const textTowers: Record<string, TextTowerConfig> = Object.fromEntries(
  configured(textTowerKinds, {
    ...{ transformer, last, bert },
    greatest: { ...transformer, pooling: "greatest", activation: "geluTanh" },
  }).map(([name, one]) => {
    const config = configureTextTower(one as WrittenTextTower, shared);
    return [name, withVocabulary(config, vocabulary)];
  }),
);

/** What a recipe writes, with its defaults. Fails unless there is one of every kind. */
function configured(
  kinds: typeof imageTowerKinds | typeof textTowerKinds,
  written: Record<string, { kind: string; [key: string]: unknown }>,
): [name: string, filled: unknown][] {
  const schemas = new Map(kinds.map(({ schema }) => [schema.shape.kind.value as string, schema]));
  const given = new Set(Object.values(written).map(({ kind }) => kind));
  assert.deepEqual([...given].sort(), [...schemas.keys()].sort(), "a tower of every kind");
  return Object.entries(written).map(([name, one]) => [name, schemas.get(one.kind)?.parse(one)]);
}

/** A tower, always with the same weights, and its embeddings of inputs that are always the same. */
interface Case {
  precisions: readonly Precision[];
  make(): Module;
  embed(tower: Module): Tensor;
}

function imageCase(config: ImageTowerConfig): Case {
  return {
    precisions: availablePrecisions(),
    make: () => withStatistics(randomized(createImageTower(config, EMBED_DIM)), config),
    embed: (tower) => (tower as ImageTower).forward(pixels(config)),
  };
}

function textCase(config: TextTowerConfig): Case {
  return {
    precisions: availablePrecisions().filter((one) => textPrecision(one, "cpu") === one),
    make: () => randomized(createTextTower(config, EMBED_DIM)),
    embed: (tower) => (tower as TextTower).forward(tokens()),
  };
}

/** Pictures of different shapes, in patches. */
function patchCase(config: ImageTowerConfig): Case {
  const grids = Array.from({ length: ROWS }, (_, i) => [1 + (i % 3), 1 + (i % 2)] as const);
  return {
    ...imageCase(config),
    embed: (tower) => {
      manualSeed(5);
      const patches = randn([ROWS, 6, 3 * 16 * 16]);
      return (tower as ImageTower).forwardPatches?.({ patches, grids }) as Tensor;
    },
  };
}

/** With a low-rank change of every matrix that can have one. */
function adapted(one: Case): Case {
  return {
    ...one,
    make: () => {
      const tower = one.make();
      adaptTower(tower, { targets: projectionRoles, rank: 2, alpha: 2 });
      return randomized(tower);
    },
  };
}

function pixels({ imageSize }: ImageTowerConfig): Tensor {
  manualSeed(5);
  return randn([ROWS, 3, imageSize, imageSize]).add(1);
}

/** Texts of 3 to 10 tokens, each closed by the token that ends one. */
function tokens(): Tensor {
  const { contextLength, vocabSize, endId } = vocabulary;
  const ids = new BigInt64Array(ROWS * contextLength);
  for (let row = 0; row < ROWS; row++) {
    for (let at = 0; at < 3 + row; at++) {
      const id = at === 2 + row ? endId : 1 + ((7 * row + 11 * at) % (vocabSize - 2));
      ids[row * contextLength + at] = BigInt(id);
    }
  }
  return fromData(ids, [ROWS, contextLength]);
}

/** Gives every weight a part in the outputs: fresh ones have biases of 0 and norms of 1. */
function randomized<M extends Module>(module: M): M {
  manualSeed(7);
  scope(() =>
    noGrad(() => {
      for (const [name, { tensor }] of module.namedParameters()) {
        if (tensor.rank > 0) tensor.copy_(randn(tensor.shape).mul(spread(name, tensor)));
        if (isGain(name)) tensor.add_(1);
      }
    }),
  );
  return module.train(false);
}

/** The statistics of batch norms, where there are some, are those of the pictures. */
function withStatistics(tower: ImageTower & Module, config: ImageTowerConfig): Module {
  if ([...tower.namedBuffers()].length === 0) return tower;
  tower.train(true);
  for (let i = 0; i < 30; i++) scope(() => void noGrad(() => tower.forward(pixels(config))));
  return tower.train(false);
}

function isGain(name: string): boolean {
  return /norm\w*\.weight$/i.test(name);
}

function spread(name: string, { rank, shape, count }: Tensor): number {
  if (/Embedding$|^pooling\.probe$/.test(name)) return 1;
  return rank === 1 ? 0.3 : ((shape[0] as number) / count) ** 0.5;
}

function rowsOf(embed: () => Tensor): Float32Array {
  return scope(() => noGrad(() => unitRows(embed()).toFloat32Array()));
}

/** 1 - cosine of unit rows, on average. */
function distance(a: Float32Array, b: Float32Array): number {
  return 1 - a.reduce((sum, value, i) => sum + value * (b[i] as number), 0) / ROWS;
}

/**
 * What has no part in the outputs: a bias of all keys alike leaves the softmax as it is, and one of
 * all channels alike the norms behind it.
 */
const without = /^attentionPool\.key\.bias$|\.tokenMlp\.down\.bias$/;

/** The least distance of the embeddings when one bias, gain, statistic or matrix is left out. */
function leastPart(tower: Module, one: Case): { part: string; least: number } {
  const rows = rowsOf(() => one.embed(tower));
  const found = [...tower.namedState()].flatMap(([part, tensor]) => {
    if (without.test(part)) return [];
    return scope(() => {
      const kept = noGrad(() => tensor.detach().clone());
      const nothing = isGain(part) || part.endsWith("runningVariance") ? 1 : 0;
      noGrad(() => tensor.fill_(nothing));
      const least = distance(
        rowsOf(() => one.embed(tower)),
        rows,
      );
      noGrad(() => tensor.copy_(kept));
      return [{ part, least }];
    });
  });
  return found.reduce((a, b) => (a.least < b.least ? a : b));
}

/**
 * The most of 1 - cosine, on average: about twice what the furthest of these towers gives, which in
 * bfloat16 is 1.1e-3 with libtorch 1.13 and 4.8e-4 with 2.15.
 */
const most: Record<Precision, number> = { float32: 1e-6, bfloat16: 2e-3, int8: 5e-4 };

/** In float32 to rounding, else to the bound. */
function assertNear(
  found: Float32Array,
  expected: Float32Array,
  { precision, bound = most[precision] }: { precision: Precision; bound?: number },
): void {
  const apart = distance(found, expected);
  assert.ok(apart < bound, `${precision} is apart by ${apart}, not less than ${bound}`);
  if (precision !== "float32") return;
  assertClose(found, expected, { rtol: 1e-5, atol: 1e-5 }, precision);
}

const cases: Record<string, Case> = {};
for (const [name, config] of Object.entries(imageTowers)) {
  cases[name] = imageCase(config);
  if (config.kind === "naflex") cases[`${name}, of patches`] = patchCase(config);
}
for (const [name, config] of Object.entries(textTowers)) cases[name] = textCase(config);
for (const name of ["vit", "naflex", "transformer", "bert"]) {
  cases[`${name} with low-rank changes`] = adapted(cases[name] as Case);
}

describe("a prepared tower gives what its weights give as they are", () => {
  for (const [name, one] of Object.entries(cases)) {
    it(name, () => {
      const before = memory();
      const plain = one.make();
      const expected = rowsOf(() => one.embed(plain));
      const { part, least } = leastPart(plain, one);
      plain.dispose();
      for (const precision of one.precisions) {
        const tower = one.make();
        prepareForInference(tower, precision);
        const found = rowsOf(() => one.embed(tower));
        assert.equal(adaptations(tower).length, 0);
        tower.dispose();
        assertNear(found, expected, { precision });
        // So that no bias, norm or matrix could be missing and the bound be kept.
        const apart = distance(found, expected);
        assert.ok(apart < least / 2, `${precision}: ${apart}, but ${least} without ${part}`);
      }
      assert.deepEqual(memory(), before);
    });
  }
});

/** LiT: an image tower that is locked and has no head, and any text tower. */
describe("a prepared pair with a locked image tower gives what its weights give as they are", () => {
  for (const imageName of ["vit", "bitResNet"]) {
    const image = imageTowers[imageName] as ImageTowerConfig;
    for (const [name, text] of Object.entries(textTowers)) {
      it(`${imageName} and ${name}`, () => {
        const embedDim = image.kind === "bitResNet" ? 32 * image.width : EMBED_DIM;
        const config = { embedDim, image, text, imageProjection: false, logitScaleLogInit: 1 };
        const make = (): DualEncoder => {
          const pair = randomized(new DualEncoder(config));
          for (const { tensor } of pair.imageTower.parameters()) tensor.setRequiresGrad(false);
          return pair;
        };
        const sides = (pair: DualEncoder): [Float32Array, Float32Array] => [
          rowsOf(() => pair.encodeImages(pixels(image))),
          rowsOf(() => pair.encodeTexts(tokens())),
        ];
        const plain = make();
        const [images, texts] = sides(plain);
        plain.dispose();
        for (const precision of availablePrecisions()) {
          const pair = make().prepareForInference(precision);
          const [foundImages, foundTexts] = sides(pair);
          assertNear(foundImages, images, { precision });
          const textsIn = textPrecision(precision, "cpu");
          assert.equal(pair.textTower.preparedAs, textsIn);
          assertNear(foundTexts, texts, { precision: textsIn });
          pair.dispose();
        }
      });
    }
  }
});
