import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { towersSchema } from "../recipe/recipe-model.ts";
import { resolveTowers, type TowerStates } from "./tower-states.ts";

const resolve = (towers: unknown, pretrained?: string): TowerStates =>
  resolveTowers(towersSchema.parse(towers), { steps: 10, pretrained });

/** Both sides' `pretrained`, where the setting wants them. */
const folders = (setting: string): Record<string, unknown> => {
  const side = (letter = "u"): object => (letter === "u" ? {} : { pretrained: "folder" });
  return { setting, image: side(setting[0]), text: side(setting[1]) };
};

describe("LiT's settings", () => {
  const letters = ["L", "U", "u"];
  for (const setting of letters.flatMap((image) => letters.map((text) => image + text))) {
    test(`${setting} says what is locked`, () => {
      const { image, text } = resolve(folders(setting));
      assert.deepEqual(
        [image.locked, text.locked],
        setting.split("").map((letter) => letter === "L"),
      );
    });
  }
  test("without a setting the keys say it, and nothing is locked by itself", () => {
    const states = resolve({ image: { pretrained: "a", locked: true }, text: { pretrained: "b" } });
    assert.deepEqual([states.image.locked, states.text.locked], [true, false]);
    assert.equal(resolve({}).image.locked, false);
  });
  test("a whole pair's weights count as both towers'", () => {
    const { image, text } = resolve({ setting: "LU" }, "pair");
    assert.deepEqual([image.locked, text.locked], [true, false]);
    assert.equal(resolve({ image: { locked: true } }, "pair").image.locked, true);
  });
});

const locked = { pretrained: "folder", locked: true };
const refused: [name: string, towers: unknown, path: string, message: RegExp, pair?: string][] = [
  [
    "a lock without weights",
    { image: { locked: true } },
    "towers.image.pretrained",
    /a model folder for towers\.image\.pretrained but received nothing; a random tower/,
  ],
  [
    "L without weights",
    { setting: "uL" },
    "towers.text.pretrained",
    /a model folder, as the setting says L, for towers\.text\.pretrained but received nothing/,
  ],
  ["U without weights", { setting: "Uu" }, "towers.image.pretrained", /as the setting says U/],
  [
    "u with weights",
    { setting: "uu", text: { pretrained: "folder" } },
    "towers.text.pretrained",
    /nothing, as the setting says u, for towers\.text\.pretrained but received "folder"; write U or L/,
  ],
  [
    "u with a pair's weights",
    { setting: "Lu" },
    "pretrained",
    /text tower.* setting says u/,
    "pair",
  ],
  [
    "a lock that the setting denies",
    { setting: "Uu", image: locked },
    "towers.image.locked",
    /false, as the setting says U, for towers\.image\.locked but received true; remove one/,
  ],
  [
    "no lock where the setting wants one",
    { setting: "Lu", image: { pretrained: "folder", locked: false } },
    "towers.image.locked",
    /true, as the setting says L, .* received false/,
  ],
  [
    "a pretrained head without weights",
    { text: { head: "pretrained" } },
    "towers.text.head",
    /random for towers\.text\.head but received pretrained; name the weights/,
  ],
  [
    "unlocking what is not locked",
    { image: { pretrained: "folder", unlockAtStep: 3 } },
    "towers.image.unlockAtStep",
    /a step before train\.steps 10 of a locked tower .* received 3/,
  ],
  [
    "unlocking after the last step",
    { image: { ...locked, unlockAtStep: 10 } },
    "towers.image.unlockAtStep",
    /train\.steps 10 .* received 10; remove it or lock/,
  ],
  [
    "a cache of a trained tower",
    { text: { pretrained: "folder", cache: {} } },
    "towers.text.cache",
    /a locked tower for towers\.text\.cache but received a tower that is trained/,
  ],
  [
    "a cache of a tower that is unlocked later",
    { image: { ...locked, unlockAtStep: 3, cache: {} } },
    "towers.image.cache",
    /received a tower that is unlocked later; features that change cannot be kept/,
  ],
];

describe("states that contradict each other", () => {
  for (const [name, towers, path, message, pair] of refused) {
    test(name, () => {
      assert.throws(() => resolve(towers, pair), { name: "RecipeError", path, message });
    });
  }
  test("unknown letters, and values out of range", () => {
    for (const towers of [
      { setting: "lu" },
      { setting: "L" },
      { setting: "Luu" },
      { image: { unlockAtStep: 0 } },
      { image: { learningRateFactor: 0 } },
      { text: { weightDecay: -1 } },
      { text: { cache: { precision: "int8" } } },
      { text: { cache: { views: 0 } } },
      { image: { lock: true } },
    ]) {
      assert.throws(() => towersSchema.parse(towers), JSON.stringify(towers));
    }
  });
});
