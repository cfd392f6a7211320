import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SettingError, ShapeError } from "../../errors.ts";
import { goldenBytes } from "./golden-pictures.test.helper.ts";
import {
  applyNaflexTransform,
  naflexGrid,
  naflexPreset,
  normalizePatches,
  parseNaflexTransform,
  toNaflexPatches,
} from "./naflex-transform.ts";

// Patches of 195 pictures stand in models/preprocessing/golden-processors.test.ts.
const transform = { ...naflexPreset(12), patchSize: 2 };

describe("parseNaflexTransform refuses", () => {
  const cases: [object, string, RegExp][] = [
    [{ kind: "square" }, "naflexTransform.kind", /"naflex"/],
    [{ patchSize: 0 }, "naflexTransform.patchSize", /positive whole number/],
    [{ maxPatch: 3 }, "naflexTransform.maxPatch", /Did you mean "maxPatches"/],
    [{ resampler: "tensorflow" }, "naflexTransform.resampler", /"pillow" or "torchvision"/],
    [{ std: [1, 1, 0] }, "naflexTransform.std", /above 0/],
  ];
  for (const [change, path, pattern] of cases) {
    it(JSON.stringify(change), () =>
      assert.throws(
        () => parseNaflexTransform({ ...transform, ...change }),
        (error) =>
          error instanceof SettingError &&
          error.path === path &&
          (assert.match(error.message, pattern), true),
      ),
    );
  }
});

describe("naflexGrid", () => {
  it("keeps the aspect ratio and the limit", () => {
    const square = { patchSize: 16, maxPatches: 256 };
    assert.deepEqual(naflexGrid({ width: 500, height: 500 }, square), { width: 16, height: 16 });
    for (const [width, height] of [
      [640, 480],
      [1, 5000],
      [3, 2],
      [10_000, 7],
    ] as const) {
      for (const maxPatches of [1, 7, 256]) {
        const grid = naflexGrid({ width, height }, { patchSize: 16, maxPatches });
        assert.ok(grid.width >= 1 && grid.height >= 1 && grid.width * grid.height <= maxPatches);
      }
    }
  });
});

describe("NaFlex patches", () => {
  it("hold rows of patches from left to right, each with its own rows", () => {
    // 4 x 2 pixels become a grid of 4 x 2 patches of side 1 without a change of size.
    const data = Uint8Array.from({ length: 24 }, (_, i) => i);
    const one = { ...transform, patchSize: 1, maxPatches: 10 };
    const { patches, count, width, height } = toNaflexPatches({ data, width: 4, height: 2 }, one);
    assert.deepEqual([width, height, count], [4, 2, 8]);
    assert.deepEqual([...patches], [...data, 0, 0, 0, 0, 0, 0]);
    const two = { ...transform, patchSize: 2, maxPatches: 2 };
    const wide = toNaflexPatches({ data, width: 4, height: 2 }, two).patches;
    assert.deepEqual([...wide.subarray(0, 12)], [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]);
  });
  it("are normalised where they hold pixels, and 0 where not", async () => {
    const padded = { ...transform, maxPatches: 13 };
    const patches = await applyNaflexTransform(goldenBytes("png-rgb-5x3"), padded);
    const values = normalizePatches(patches, padded);
    const used = patches.count * 12;
    assert.ok(patches.count < 13 && values.subarray(used).every((value) => value === 0));
    // Three roundings to float32 of a value up to 1.
    const expected = ((patches.patches[0] as number) / 255 - 0.5) / 0.5;
    assert.ok(Math.abs((values[0] as number) - expected) < 1e-6);
    assert.throws(() => normalizePatches({ ...patches, count: 14 }, padded), ShapeError);
  });
});
