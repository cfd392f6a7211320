import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { adaptations } from "../nn/low-rank.ts";
import type { Module } from "../nn/module.ts";
import { adaptTower, type ProjectionRole, type TowerAdaptation } from "./adapt-tower.ts";
import { createImageTower, createTextTower } from "./index.ts";
import { namedImageTower } from "./index.ts";

const layers = { width: 16, depth: 3, heads: 2, mlpWidth: 64, activation: "gelu" } as const;
const vit = (): Module =>
  createImageTower({ kind: "vit", imageSize: 32, patchSize: 16, normEpsilon: 1e-5, ...layers }, 8);
const bert = (): Module =>
  createTextTower(
    { kind: "bert", contextLength: 8, vocabSize: 32, padTokenId: 0, normEpsilon: 1e-12, ...layers },
    8,
  );
const rank2 = { rank: 2, alpha: 4 };

describe("a tower that cannot be adapted so is refused, and stays as it was", () => {
  const refused: [string, () => Module, TowerAdaptation, RegExp][] = [
    [
      "a role",
      vit,
      { ...rank2, targets: ["qurey" as ProjectionRole] },
      /"qurey"\. Did you mean "query"/,
    ],
    ["a rank", vit, { rank: 17, alpha: 1, targets: ["up"] }, /from 1 to 16 for rank.* received 17/],
    [
      "blocks",
      vit,
      { ...rank2, targets: ["up"], blocks: { last: 4 } },
      /1 to 3, the tower's blocks/,
    ],
    [
      "a tower without blocks of attention",
      () => createImageTower({ ...namedImageTower("Mixer-S/32"), width: 16, depth: 1 } as never, 8),
      { ...rank2, targets: ["up"] },
      /transformer blocks for low-rank changes but received mixer/,
    ],
  ];
  for (const [name, make, adaptation, message] of refused) {
    test(name, () => {
      const tower = make();
      assert.throws(() => adaptTower(tower, adaptation), { name: "RangeError", message });
      assert.deepEqual(adaptations(tower), []);
      tower.dispose();
    });
  }
  test("twice", () => {
    const tower = vit();
    adaptTower(tower, { ...rank2, targets: ["value"] });
    assert.throws(
      () => adaptTower(tower, { ...rank2, targets: ["query", "value"] }),
      /merge those/,
    );
    assert.equal(adaptations(tower).length, 3);
    tower.dispose();
  });
});

for (const [name, make] of [
  ["vit", vit],
  ["bert", bert],
] as const) {
  test(`${name}: the chosen roles of the chosen blocks are changed, each with its sizes`, () => {
    const tower = make();
    const targets = ["query", "value", "output", "up", "down", "up"] as const;
    adaptTower(tower, { ...rank2, targets, blocks: { last: 2 } });
    const found = adaptations(tower).map(({ path, weight, part, change }) => {
      const sizes = [change.a.tensor.shape, change.b.tensor.shape].flat();
      return [path.replace("blocks.", ""), weight.replace("blocks.", ""), part, ...sizes];
    });
    assert.deepEqual(
      found,
      [1, 2].flatMap((i) => [
        [`${i}.attention.input.query`, `${i}.attention.input.weight`, 0, 2, 16, 16, 2],
        [`${i}.attention.input.value`, `${i}.attention.input.weight`, 2, 2, 16, 16, 2],
        [`${i}.attention.output.change`, `${i}.attention.output.weight`, undefined, 2, 16, 16, 2],
        [`${i}.mlp.up.change`, `${i}.mlp.up.weight`, undefined, 2, 16, 64, 2],
        [`${i}.mlp.down.change`, `${i}.mlp.down.weight`, undefined, 2, 64, 16, 2],
      ]),
    );
    tower.dispose();
  });
}
