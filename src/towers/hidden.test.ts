/** The rows that towers pool into features: their shape, their gradient, and that nothing else is pooled. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { backward, manualSeed, noGrad, randn, scope, type Tensor } from "../torch/index.ts";
import { createImageTower, type ImageTowerConfig } from "./index.ts";
import { NaflexVisionTransformer } from "./image/naflex-vision-transformer.ts";

const layers = { width: 16, depth: 2, heads: 4, mlpWidth: 32, activation: "gelu" } as const;
const square = { imageSize: 16, patchSize: 4, normEpsilon: 1e-6, ...layers } as const;
const mixer = { tokenMlpWidth: 8, channelMlpWidth: 32 };
const stage = { kernel: 3, width: 12, stride: 2, depth: 2, expansion: 2 };

/** Each kind, and the shape of the rows of three pictures. */
const towers: Record<string, [ImageTowerConfig, readonly [number, number, number]]> = {
  "vit, read at its class token": [{ kind: "vit", ...square }, [3, 17, 16]],
  "vit with attention pooling": [
    { kind: "vit", ...square, classToken: false, pooling: "map" },
    [3, 16, 16],
  ],
  "vit with a class token that the mean leaves out": [
    { kind: "vit", ...square, pooling: "mean" },
    [3, 17, 16],
  ],
  naflex: [{ kind: "naflex", ...square }, [3, 16, 16]],
  mixer: [{ kind: "mixer", ...square, ...mixer }, [3, 16, 16]],
  modifiedResNet: [
    { kind: "modifiedResNet", imageSize: 64, width: 4, depths: [1, 1, 1, 1], heads: 4 },
    [3, 4, 128],
  ],
  bitResNet: [
    { kind: "bitResNet", imageSize: 64, width: 4, depths: [1, 1, 1, 1], groups: 2 },
    [3, 4, 128],
  ],
  efficientNet: [
    {
      kind: "efficientNet",
      imageSize: 16,
      stemWidth: 8,
      stages: [stage],
      squeezeRatio: 0.25,
      padding: "same",
      dropConnect: 0,
      normEpsilon: 1e-3,
      normMomentum: 0.01,
    },
    [3, 16, 12],
  ],
};

const numbers = (x: Tensor): number[] => [...x.detach().contiguous().toFloat32Array()];

describe("the rows before pooling", () => {
  for (const [name, [config, shape]] of Object.entries(towers)) {
    it(`of ${name}: pooled they are the features, and a gradient flows through them`, () => {
      manualSeed(3);
      const tower = createImageTower(config, null).train(false);
      scope(() => {
        const pixels = randn([3, 3, config.imageSize, config.imageSize]);
        const rows = tower.hidden(pixels);
        assert.deepEqual(rows.shape, shape);
        // Only the class token's row is computed in its last block where nothing else is read.
        const tolerance = config.kind === "vit" && config.pooling === undefined ? 1e-5 : 0;
        assertClose(numbers(tower.pool(rows)), numbers(tower.features(pixels)), {
          rtol: tolerance,
          atol: tolerance,
        });

        const leaf = noGrad(() => rows.detach().clone()).setRequiresGrad(true);
        backward(tower.pool(leaf).pow(2).sum());
        const direct = numbers(leaf.grad as Tensor);
        assert.ok(direct.some((value) => value !== 0));
        backward(tower.pool(rows).pow(2).sum());
        const first = tower.parameters()[0];
        assert.ok(numbers(first?.tensor.grad as Tensor).some((value) => value !== 0));
      });
      tower.dispose();
    });
  }

  it("of pictures of different shapes: places behind the last patch are not pooled", () => {
    manualSeed(3);
    const tower = new NaflexVisionTransformer({ kind: "naflex", ...square }, null);
    scope(() => {
      const images = { patches: randn([2, 6, 48]), grids: [[2, 3] as const, [1, 4] as const] };
      const rows = tower.hidden(images);
      assert.deepEqual(rows.shape, [2, 6, 16]);
      const pooled = tower.pool(rows, images.grids);
      assert.deepEqual(numbers(pooled), numbers(tower.features(images)));
      assert.notDeepEqual(numbers(tower.pool(rows)), numbers(pooled));
    });
    tower.dispose();
  });
});
