/** The list of kinds: what a recipe writes becomes a configuration, and names are unique. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  configureImageTower,
  configureTextTower,
  createImageTower,
  imageTowerKinds,
  imageTowerNames,
  namedImageTower,
  textTowerKinds,
  textTowerNames,
  withVocabulary,
  type ImageTowerConfig,
} from "./index.ts";

const layers = { width: 16, depth: 2, heads: 2 };
const shared = { activation: "quickGelu", normEpsilon: 1e-5 } as const;

test("what a recipe leaves out is filled in, from the pair where the kind has no default", () => {
  const written = { kind: "vit", ...layers, imageSize: 32, patchSize: 16, pooling: undefined };
  // A pair's recipe holds more than its towers share.
  const pair = { ...shared, embedDim: 8, image: written };
  assert.deepEqual(configureImageTower(written as never, pair), {
    kind: "vit",
    ...layers,
    ...shared,
    imageSize: 32,
    patchSize: 16,
    mlpWidth: 64,
  });
  const bert = { kind: "bert", ...layers, activation: "gelu", normEpsilon: 1e-12 } as const;
  const empty = { contextLength: 0, vocabSize: 0, padTokenId: 0 };
  assert.deepEqual(configureTextTower(bert, pair), { ...bert, mlpWidth: 64, ...empty });
});

test("the names of all kinds are known, and none stands for two", () => {
  const all = imageTowerKinds.flatMap(({ sizes }) => Object.keys(sizes));
  const texts = textTowerKinds.flatMap(({ sizes }) => Object.keys(sizes));
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(imageTowerNames, all);
  assert.deepEqual(textTowerNames, texts);
});

test("misuse is refused with what is known", () => {
  assert.throws(() => namedImageTower("RN5O", "model.image"), {
    name: "RangeError",
    message: /^Expected one of .* for model\.image but received "RN5O"; Did you mean "RN50"\?/,
  });
  assert.throws(() => createImageTower({ kind: "swin" } as unknown as ImageTowerConfig, null), {
    name: "RangeError",
    message: 'Expected a kind of image tower but received "swin"',
  });
});

test("a tower that is read at the end of text needs that token", () => {
  const config = configureTextTower({ kind: "transformer", ...layers }, shared);
  const vocabulary = { vocabSize: 10, contextLength: 4, padId: 0, endId: undefined };
  assert.throws(() => withVocabulary(config, vocabulary, "data.tokenizer"), {
    name: "RangeError",
    message:
      "Expected an end-of-text token for data.tokenizer but received a tokenizer without one; " +
      "the text tower is read at that token",
  });
  assert.deepEqual(withVocabulary(config, { ...vocabulary, endId: 9 }), {
    ...config,
    vocabSize: 10,
    contextLength: 4,
    padTokenId: 0,
    eotTokenId: 9,
  });
});
