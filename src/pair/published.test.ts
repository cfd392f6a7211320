import assert from "node:assert/strict";
import { test } from "node:test";

import { initializeOn } from "../nn/initialize.ts";
import { DualEncoder } from "./dual-encoder.ts";
import { pairConfig, pairNames, smallPairNames, clipConfig, clipConfigNames } from "./published.ts";

/** Of open_clip's and transformers' models of these names. */
const counts: Record<string, number> = {
  "ViT-B/32": 151_277_313,
  "ViT-L/14": 427_616_513,
  RN50: 102_007_137,
  RN101: 119_688_033,
  RN50x4: 178_300_601,
  "SigLIP-B/16": 203_155_970,
  "SigLIP-L/16-384": 652_478_466,
  "SigLIP-So400m/14": 877_360_306,
  "SigLIP-So400m/14-384": 877_960_498,
  "SigLIP2-B/32": 376_856_066,
  "SigLIP2-B/16-512": 375_823_874,
  "SigLIP2-L/16": 881_526_786,
  "SigLIP2-So400m/16-512": 1_136_555_698,
  "SigLIP2-g-opt/16-384": 1_871_885_426,
  "SigLIP2-NaFlex-B/16": 375_234_050,
  "SigLIP2-NaFlex-So400m/16": 1_135_670_962,
  // Without the pooler of its BERT, which feeds nothing.
  ALIGN: 172_117_841 - (768 * 768 + 768),
};

test("published pairs have their published number of parameters", () => {
  const found = Object.keys(counts).map((name) => {
    const model = initializeOn("meta", () => new DualEncoder(pairConfig(name)));
    return [name, model.parameterCount()];
  });
  assert.deepEqual(Object.fromEntries(found), counts);
});

test("every published pair can be made, and each call gives a fresh configuration", () => {
  for (const name of pairNames.filter((one) => !smallPairNames.includes(one))) {
    assert.deepEqual(pairConfig(name), pairConfig(name));
    assert.notEqual(pairConfig(name).image, pairConfig(name).image);
    assert.ok(initializeOn("meta", () => new DualEncoder(pairConfig(name))).parameterCount() > 5e7);
  }
});

test("the small pairs of limn's own have these numbers of parameters, in thousands, without their words", () => {
  const found = smallPairNames.map((name) => {
    const { text, ...towers } = pairConfig(name);
    const config = { ...towers, text: { ...text, vocabSize: 2000, contextLength: 16 } };
    const model = initializeOn("meta", () => new DualEncoder(config));
    const words = 2000 * text.width;
    return [name, Math.round((model.parameterCount() - words) / 1000)];
  });
  // open_clip 3.3.0: CLIP(embedDim, CLIPVisionCfg(...), CLIPTextCfg(vocab_size=2000, context_length=16, ...))
  assert.deepEqual(Object.fromEntries(found), {
    "ModifiedResNet-16/32px": 1817,
    "ModifiedResNet-16/64px": 1818,
    "ModifiedResNet-32/64px": 8659,
    "ModifiedResNet-32/96px": 8664,
    "ViT-Ti/4-32px": 5821,
    "ViT-Ti/8-64px": 5849,
  });
});

test("an unknown pair is refused with the nearest one", () => {
  assert.throws(() => pairConfig("SigLIP-B/15"), { message: /SigLIP-B\/16/ });
});

/** Learned numbers of a configuration, without memory for them. */
function parameterCount(name: string): number {
  return initializeOn("meta", () => new DualEncoder(clipConfig(name))).parameterCount();
}

test("an unknown name is refused with the nearest one", () => {
  assert.throws(() => clipConfig("ViT-B/33"), {
    name: "SettingError",
    message: /^Expected one of ViT-B\/32, .* received "ViT-B\/33"; Did you mean "ViT-B\/32"\?$/,
  });
  assert.throws(() => clipConfig("toString"), { name: "SettingError" });
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
