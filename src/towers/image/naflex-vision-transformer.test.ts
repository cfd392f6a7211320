/** Against transformers: test/goldens/generate/hugging-face-models.py; embeddings in families.test.ts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { DualEncoder } from "../../pair/dual-encoder.ts";
import { siglip2 } from "../../checkpoints/layouts/hugging-face/siglip2-family.ts";
import { assertClose } from "../../../test/support/close.ts";
import { floats, loadGolden, readExpected } from "../../../test/support/golden-models.ts";
import {
  autocast,
  backward,
  fromData,
  manualSeed,
  memory,
  randn,
  scope,
  type Tensor,
} from "../../torch/index.ts";
import { createImageTower } from "../index.ts";
import type { ImagePatches } from "../tower.ts";
import {
  cutIntoPatches,
  NaflexVisionTransformer,
  type NaflexVisionTransformerConfig,
} from "./naflex-vision-transformer.ts";

const config: NaflexVisionTransformerConfig = {
  kind: "naflex",
  imageSize: 16,
  patchSize: 4,
  width: 16,
  depth: 2,
  heads: 4,
  mlpWidth: 36,
  activation: "geluTanh",
  normEpsilon: 1e-6,
};
const expected = readExpected("siglip2-naflex");

function goldenTower(): { tower: NaflexVisionTransformer; dispose: () => void } {
  const { model } = loadGolden(siglip2);
  assert.ok(model instanceof DualEncoder && model.imageTower instanceof NaflexVisionTransformer);
  return { tower: model.imageTower, dispose: () => model.dispose() };
}
const goldenInput = (): ImagePatches => ({
  patches: fromData(floats(expected.pixels), expected.pixelShape ?? []),
  grids: expected.grids ?? [],
});

describe("NaFlex tower, when its input does not fit", () => {
  const tower = new NaflexVisionTransformer(config, null);
  const refuses = (body: () => unknown, name: string, message: RegExp | string): void => {
    scope(() => assert.throws(body, { name, message }));
  };

  it("refuses pictures that patches do not fill", () => {
    for (const shape of [
      [1, 3, 16, 18],
      [1, 3, 2, 16],
      [1, 1, 16, 16],
      [3, 16, 16],
    ]) {
      refuses(
        () => tower.forward(randn(shape)),
        "ShapeError",
        "Expected pixels [N, 3, H, W] with sides that are multiples of 4 for imageTower but received " +
          `[${shape.join(", ")}]; resize the pictures`,
      );
    }
  });

  it("refuses patches of another width, and another number of grids", () => {
    const [wide, count] = [/\[N, P, 48\] and N grids .* \[1, 4, 47\] and 1;/, /and 1; cut the/];
    const grids = [[2, 2]] as const;
    refuses(() => tower.forwardPatches({ patches: randn([1, 4, 47]), grids }), "ShapeError", wide);
    refuses(() => tower.forwardPatches({ patches: randn([2, 4, 48]), grids }), "ShapeError", count);
  });

  it("refuses grids of more patches than there are, or of none", () => {
    for (const grid of [
      [2, 3],
      [0, 4],
      [1.5, 2],
      [-2, -2],
    ] as const) {
      const images = { patches: randn([2, 4, 48]), grids: [[2, 2], grid] as const };
      refuses(
        () => tower.forwardPatches(images),
        "ShapeError",
        `Expected grids of at most 4 patches for imageTower but received ${grid.join(" x ")}; ` +
          "give rows and columns of each picture",
      );
    }
  });

  it("refuses sizes that cannot be", () => {
    const make = (change: object) => () => createImageTower({ ...config, ...change }, null);
    refuses(make({ patchSize: 5 }), "RangeError", /a multiple of 5 for imageSize but received 16/);
    refuses(make({ heads: 3 }), "RangeError", /heads to divide width 16 but received 3/);
    refuses(make({ depth: 0 }), "RangeError", /at least 1 for depth/);
  });
});

describe("NaFlex tower", () => {
  it("cuts patches row by row, channels last", () => {
    scope(() => {
      const [height, width, p] = [4, 6, 2];
      const pixels = Float32Array.from({ length: 3 * height * width }, (_, i) => i);
      const { patches, grids } = cutIntoPatches(fromData(pixels, [1, 3, height, width]), p);
      const wanted: number[] = [];
      for (let top = 0; top < height; top += p)
        for (let left = 0; left < width; left += p)
          for (let y = top; y < top + p; y++)
            for (let x = left; x < left + p; x++)
              for (let c = 0; c < 3; c++) wanted.push((c * height + y) * width + x);
      assert.deepEqual(patches.shape, [1, 6, 12]);
      assert.deepEqual([...patches.toFloat32Array()], wanted);
      assert.deepEqual(grids, [[2, 3]]);
    });
  });

  it("gives every picture what it gives it alone, whatever lies behind its patches", () => {
    const { tower, dispose } = goldenTower();
    scope(() => {
      manualSeed(1);
      const pictures = [randn([1, 3, 16, 16]), randn([1, 3, 8, 24]), randn([1, 3, 4, 4])];
      const alone = pictures.map((pixels) => tower.forward(pixels).toFloat32Array());
      const cut = pictures.map((pixels) => cutIntoPatches(pixels, 4));
      const patches = randn([3, 18, 48]);
      for (const [i, { patches: own }] of cut.entries()) {
        patches.select(0, i).narrow(0, 0, own.size(1)).copy_(own.select(0, 0));
      }
      const grids = cut.flatMap((one) => one.grids);
      const together = tower.forwardPatches({ patches, grids });
      for (const [i, one] of alone.entries()) {
        assertClose(together.select(0, i).toFloat32Array(), one, { rtol: 1e-5, atol: 1e-5 });
      }
    });
    dispose();
  });

  for (const checkpointing of [false, true]) {
    it(`has transformers' gradients${checkpointing ? ", recomputing activations" : ""}`, () => {
      const { tower, dispose } = goldenTower();
      tower.run.checkpointing = checkpointing;
      const before = memory().tensors;
      scope(() => {
        const output = tower.forwardPatches(goldenInput());
        backward(output, fromData(floats(expected.outputGradient), output.shape));
      });
      const named: Record<string, Tensor | null> = {
        "vision_model.embeddings.position_embedding.weight": tower.positionEmbedding.tensor.grad,
        "vision_model.embeddings.patch_embedding.weight": tower.patchEmbedding.weight.tensor.grad,
        "vision_model.head.probe": tower.pooling.probe.tensor.grad,
      };
      assert.deepEqual(Object.keys(named), Object.keys(expected.gradients ?? {}));
      for (const [name, data] of Object.entries(expected.gradients ?? {})) {
        const tolerance = { rtol: 1e-4, atol: 2e-5 };
        assertClose(named[name]?.toFloat32Array() ?? [], floats(data), tolerance, name);
      }
      assert.equal(memory().tensors, before + Object.keys(named).length);
      dispose();
    });
  }

  it("runs in bfloat16 to its precision", () => {
    const { tower, dispose } = goldenTower();
    scope(() => {
      const wanted = tower.forwardPatches(goldenInput()).toFloat32Array();
      const found = autocast("cpu", () => tower.forwardPatches(goldenInput())).to("float32");
      const largest = Math.max(...wanted.map(Math.abs));
      assertClose(found.toFloat32Array(), wanted, { rtol: 0, atol: 0.05 * largest });
    });
    dispose();
  });

  it("has a head where it is asked for", () => {
    const tower = new NaflexVisionTransformer({ ...config, projectionBias: true }, 6);
    assert.deepEqual(tower.projection?.bias?.tensor.shape, [6]);
    scope(() => assert.deepEqual(tower.forward(randn([2, 3, 8, 12])).shape, [2, 6]));
    tower.dispose();
  });
});
