import assert from "node:assert/strict";
import { test } from "node:test";

import { Module, Parameter } from "../nn/module.ts";
import { backward, scope, tensor } from "../torch/index.ts";
import { parameterGroups } from "./groups.ts";
import { createOptimizer, optimizerKinds, optimizerSchema } from "./optimizers.ts";

class Weight extends Module {
  readonly weight = new Parameter(tensor([1, -2, 3, 4]).reshape(2, 2));
}

test("every optimizer has a kind of its own, and describes itself and each of its keys", () => {
  assert.equal(new Set(optimizerKinds.map(({ kind }) => kind)).size, optimizerKinds.length);
  for (const { kind, schema } of optimizerKinds) {
    assert.equal(schema.parse({ kind, learningRate: 1 }).kind, kind);
    assert.ok(schema.description, kind);
    for (const [key, child] of Object.entries(schema.shape)) {
      assert.ok(key === "kind" || child.description, `${kind}.${key}`);
    }
  }
});

test("every optimizer steps with its defaults, and AdamW need not be named", () => {
  assert.equal(optimizerSchema.parse({ learningRate: 1 }).kind, "adamw");
  for (const { kind } of optimizerKinds) {
    scope(() => {
      const module = new Weight();
      const recipe = optimizerSchema.parse({ kind, learningRate: 0.1 });
      const optimizer = createOptimizer(recipe, parameterGroups(module, recipe));
      backward(module.weight.tensor.pow(2).sum());
      optimizer.step(recipe.learningRate);
      const moved = module.weight.tensor.toFloat64Array().map((x, i) => x - [1, -2, 3, 4][i]!);
      // Downhill: against the weight's own sign.
      assert.deepEqual([...moved].map(Math.sign), [-1, 1, -1, -1], kind);
      optimizer.dispose();
    });
  }
});
