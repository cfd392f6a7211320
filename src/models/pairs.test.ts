import assert from "node:assert/strict";
import { test } from "node:test";

import { initializeOn } from "../nn/initialize.ts";
import { DualEncoder } from "./dual-encoder.ts";
import { pairConfig, pairNames } from "./pairs.ts";

/** Of open_clip's and transformers' models of these names. */
const counts: Record<string, number> = {
  "ViT-B/32": 151_277_313,
  "ViT-L/14": 427_616_513,
  RN50: 102_007_137,
  RN101: 119_688_033,
  RN50x4: 178_300_601,
  "SigLIP-B/16": 203_155_970,
  "SigLIP-So400m/14": 877_415_602,
};

test("published pairs have their published number of parameters", () => {
  const found = Object.keys(counts).map((name) => {
    const model = initializeOn("meta", () => new DualEncoder(pairConfig(name)));
    return [name, model.parameterCount()];
  });
  assert.deepEqual(Object.fromEntries(found), counts);
});

test("every published pair can be made, and each call gives a fresh configuration", () => {
  for (const name of pairNames) {
    assert.deepEqual(pairConfig(name), pairConfig(name));
    assert.notEqual(pairConfig(name).image, pairConfig(name).image);
    assert.ok(initializeOn("meta", () => new DualEncoder(pairConfig(name))).parameterCount() > 5e7);
  }
});

test("an unknown pair is refused with the nearest one", () => {
  assert.throws(() => pairConfig("SigLIP-B/15"), { message: /SigLIP-B\/16/ });
});
