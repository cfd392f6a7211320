import assert from "node:assert/strict";
import { test } from "node:test";

import { DualEncoder } from "./dual-encoder.ts";
import { clipConfig, clipConfigNames } from "./configs.ts";
import { huggingFaceRows } from "./hugging-face-keys.ts";

/** Learned numbers of a configuration, from shapes alone. */
function parameterCount(name: string): number {
  const sizes = huggingFaceRows(clipConfig(name)).map(({ shape }) =>
    shape.reduce((product, side) => product * side, 1),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

test("an unknown name is refused with the nearest one", () => {
  assert.throws(() => clipConfig("ViT-B/33"), {
    name: "RecipeError",
    message: /^Expected one of ViT-B\/32, .* received "ViT-B\/33"; Did you mean "ViT-B\/32"\?$/,
  });
  assert.throws(() => clipConfig("toString"), { name: "RecipeError" });
});

test("published sizes have their published number of parameters", () => {
  assert.equal(parameterCount("ViT-B/32"), 151_277_313);
  // open_clip's model profiles, in millions
  const millions = Object.fromEntries(
    clipConfigNames.map((name) => [name, Math.round(parameterCount(name) / 1e4) / 100]),
  );
  assert.deepEqual(millions, {
    "ViT-B/32": 151.28,
    "ViT-B/16": 149.62,
    "ViT-L/14": 427.62,
    "ViT-L/14-336": 427.94,
    "ViT-H/14": 986.11,
    "ViT-g/14": 1366.68,
    "ViT-bigG/14": 2539.57,
  });
});

test("a model has exactly the parameters that its configuration tells", () => {
  const config = clipConfig("ViT-B/32");
  const small = { width: 16, depth: 2, heads: 2, mlpWidth: 24 };
  const tiny = {
    ...config,
    embedDim: 8,
    image: { ...config.image, ...small, imageSize: 32, patchSize: 8 },
    text: { ...config.text, ...small, vocabSize: 30, contextLength: 6, eotTokenId: 29 },
  };
  const model = new DualEncoder(tiny);
  const rows = new Map(huggingFaceRows(tiny).map(({ ours, shape }) => [ours, [...shape]]));
  const found = new Map(
    [...model.namedParameters()].map(([name, { tensor }]) => [name, tensor.shape]),
  );
  assert.deepEqual(new Map([...found].map(([name, shape]) => [name, [...shape]])), rows);
  assert.equal(model.scaleParameter.tensor.item(), Math.fround(Math.log(1 / 0.07)));
  model.dispose();
});
