import assert from "node:assert/strict";
import { test } from "node:test";

import { initializeOn } from "../nn/initialize.ts";
import { DualEncoder } from "./dual-encoder.ts";
import { clipConfig, clipConfigNames } from "./clip-configs.ts";

/** Learned numbers of a configuration, without memory for them. */
function parameterCount(name: string): number {
  return initializeOn("meta", () => new DualEncoder(clipConfig(name))).parameterCount();
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
