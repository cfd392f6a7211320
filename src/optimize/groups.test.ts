import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ones } from "../torch/index.ts";
import { LayerNorm, Linear } from "../nn/layers.ts";
import { Module, Parameter } from "../nn/module.ts";
import { parameterGroups } from "./groups.ts";

class Tower extends Module {
  readonly norm = new LayerNorm(4);
  readonly blocks = [new Linear(4, 4), new Linear(4, 4)];
  readonly positionEmbedding = new Parameter(ones([3, 4]));
}

class Pair extends Module {
  readonly imageTower = new Tower();
  readonly textTower = new Tower();
  readonly logitScaleLog = new Parameter(ones([]));
}

const model = new Pair();

describe("parameterGroups", () => {
  it("refuses rates out of range and names that fit nothing", () => {
    assert.throws(() => parameterGroups(model, { weightDecay: -1 }), /weightDecay but received -1/);
    assert.throws(
      () => parameterGroups(model, { weightDecay: 0, towers: { "imageTowr.": {} } }),
      /for towers but received "imageTowr."\. Did you mean "imageTower."\?/,
    );
    assert.throws(
      () => parameterGroups(model, { weightDecay: 0, scales: ["positionEmbeding"] }),
      /for scales but received "positionEmbeding"\. Did you mean "positionEmbedding"\?/,
    );
    const towers = { "textTower.": { learningRateFactor: NaN } };
    assert.throws(() => parameterGroups(model, { weightDecay: 0, towers }), /textTower. learning/);
  });
  it("decays matrices only", () => {
    const groups = parameterGroups(model, { weightDecay: 0.2 });
    assert.deepEqual(
      groups.map((group) => [group.learningRateFactor, group.weightDecay, group.parameters.size]),
      [
        [1, 0, 9],
        [1, 0.2, 6],
      ],
    );
    for (const { weightDecay, parameters } of groups) {
      for (const { tensor } of parameters.values()) assert.equal(tensor.rank >= 2, weightDecay > 0);
    }
  });
  it("never decays what is named a scale, by its path or the last part of it", () => {
    const decayed = (scales: string[]): string[] =>
      parameterGroups(model, { weightDecay: 0.2, scales })
        .filter((group) => group.weightDecay > 0)
        .flatMap((group) => [...group.parameters.keys()]);
    assert.ok(!decayed(["positionEmbedding"]).some((path) => path.endsWith("positionEmbedding")));
    assert.equal(decayed(["imageTower.positionEmbedding"]).length, 5);
  });
  it("gives towers, and parts of them, rates of their own", () => {
    const groups = parameterGroups(model, {
      weightDecay: 0.2,
      towers: {
        "imageTower.": { learningRateFactor: 0.1, weightDecay: 0 },
        "imageTower.blocks.1.": { learningRateFactor: 0.5, weightDecay: 0.3 },
      },
    });
    const rates = (path: string): number[] => {
      const group = groups.find(({ parameters }) => parameters.has(path));
      return [group?.learningRateFactor ?? NaN, group?.weightDecay ?? NaN];
    };
    assert.deepEqual(rates("imageTower.blocks.0.weight"), [0.1, 0]);
    assert.deepEqual(rates("imageTower.blocks.1.weight"), [0.5, 0.3]);
    assert.deepEqual(rates("imageTower.blocks.1.bias"), [0.5, 0]);
    assert.deepEqual(rates("textTower.blocks.1.weight"), [1, 0.2]);
    assert.deepEqual(rates("logitScaleLog"), [1, 0]);
    const total = groups.reduce((sum, { parameters }) => sum + parameters.size, 0);
    assert.equal(total, model.parameters().length);
  });
});
