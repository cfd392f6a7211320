import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { initializeOn } from "../nn/initialize.ts";
import { assertClose } from "../../test/support/close.ts";
import {
  createImageTower,
  createTextTower,
  namedImageTower,
  namedTextTower,
  type ImageTowerConfig,
} from "./index.ts";
import { layerFactors } from "./layer-levels.ts";
import type { ImageTower, TextTower } from "./tower.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../test/goldens/layer-decay.json", import.meta.url), "utf8"),
) as { decay: number; towers: Record<string, Record<string, number>> };

const vit = { kind: "vit", imageSize: 32, patchSize: 16, width: 16, depth: 4, heads: 2 } as const;
const rest = { mlpWidth: 64, activation: "gelu", normEpsilon: 1e-5 } as const;
const siglip = { classToken: false, pooling: "map", normBefore: false, patchBias: true } as const;
const images: Record<string, [ImageTowerConfig, number | null]> = {
  clip: [{ ...vit, ...rest }, 8],
  siglip: [{ ...vit, ...rest, ...siglip }, 8],
  headless: [{ ...vit, ...rest, normBefore: false }, null],
  mixer: [namedImageTower("Mixer-S/32"), 8],
  bit: [namedImageTower("BiT-R50x1"), 8],
};

function imageTower(config: ImageTowerConfig, embedDim: number | null): ImageTower {
  return initializeOn("meta", () => createImageTower(config, embedDim));
}

describe("timm gives every layer the same multiplier", () => {
  for (const [name, [config, embedDim]] of Object.entries(images)) {
    test(name, () => {
      const wanted = golden.towers[name]!;
      const layers = Object.keys(wanted).sort((a, b) => b.length - a.length);
      const seen = new Set<string>();
      for (const [path, factor] of layerFactors(imageTower(config, embedDim), golden.decay)) {
        // The class token shares its layer with the positions.
        const known = path === "classEmbedding" ? "positionEmbedding" : path;
        const layer = layers.find((one) => known === one || known.startsWith(`${one}.`));
        assert.ok(layer, path);
        seen.add(layer);
        assertClose([factor], [wanted[layer]!], { rtol: 1e-12 }, path);
      }
      assert.deepEqual([...seen].sort(), Object.keys(wanted).sort());
    });
  }
});

describe("towers that timm does not have", () => {
  const factorsOf = (tower: ImageTower | TextTower): ((path: string) => number | undefined) => {
    const factors = layerFactors(tower, 0.5);
    return (path) => factors.get(path);
  };
  test("a ResNet of CLIP: the stem, every block, the attention pool and the head", () => {
    const config = { kind: "modifiedResNet", imageSize: 32, width: 4, heads: 4 } as const;
    const of = factorsOf(imageTower({ ...config, depths: [1, 2, 1, 1] }, 8));
    assert.equal(of("stem.conv1.weight"), 0.5 ** 6);
    assert.equal(of("stages.0.blocks.0.conv1.weight"), 0.5 ** 5);
    assert.equal(of("stages.1.blocks.1.norm2.bias"), 0.5 ** 3);
    assert.equal(of("attentionPool.positionEmbedding"), 1);
    assert.equal(of("projection.weight"), 1);
  });
  test("an EfficientNet without a head: its last block is trained in full", () => {
    const tower = imageTower(namedImageTower("EfficientNet-B0"), null);
    const of = factorsOf(tower);
    assert.equal(of("stem.weight"), 0.5 ** 16);
    assert.equal(of("blocks.15.output.weight"), 1);
  });
  for (const [name, embeddings] of [
    ["siglip-S", ["tokenEmbedding.weight", "positionEmbedding"]],
    ["bert-tiny", ["tokenEmbedding.weight", "positionEmbedding", "typeEmbedding"]],
  ] as const) {
    test(`the text tower ${name}: embeddings, blocks, head`, () => {
      const config = { ...namedTextTower(name), contextLength: 8, vocabSize: 16 };
      const of = factorsOf(initializeOn("meta", () => createTextTower(config, 8)));
      const { depth } = config as { depth: number };
      for (const path of embeddings) assert.equal(of(path), 0.5 ** (depth + 1), path);
      if (name === "bert-tiny") assert.equal(of("normBefore.weight"), 0.5 ** (depth + 1));
      else assert.equal(of("normAfter.weight"), 0.5);
      assert.equal(of("blocks.0.mlp.up.weight"), 0.5 ** depth);
      assert.equal(of("projection.weight"), 1);
    });
  }
  test("a decay that would grow or stop is refused", () => {
    const tower = imageTower(images["headless"]![0], null);
    for (const decay of [0, 1.1, Number.NaN]) {
      assert.throws(() => layerFactors(tower, decay), /at most 1 for layerDecay but received/);
    }
  });
});
