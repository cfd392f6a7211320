/** LAMB and Lion against timm; test/goldens/generate/lamb-lion.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { fromData, memory, ones, scope } from "../torch/index.ts";
import { Lamb } from "./lamb.ts";
import { Lion } from "./lion.ts";
import { Parameter } from "../nn/module.ts";
import type { Optimizer } from "./optimizer.ts";
import type { ParameterGroup } from "./groups.ts";
import { AdamW } from "./adamw.ts";

interface Run {
  options: Record<string, number>;
  groups: { names: string[]; factor: number; weightDecay: number }[];
  initial: Record<string, { shape: number[]; values: number[] }>;
  steps: {
    learningRate: number;
    gradients: Record<string, number[]>;
    parameters: Record<string, number[]>;
  }[];
}

const file = new URL("../../../test/goldens/lamb-lion.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Record<"lamb" | "lion", Run> & {
  rtol: number;
  atol: number;
};

const makes = {
  lamb: (groups: ParameterGroup[], options: object): Optimizer => new Lamb(groups, options),
  lion: (groups: ParameterGroup[], options: object): Optimizer => new Lion(groups, options),
};

interface Built {
  optimizer: Optimizer;
  parameters: Map<string, Parameter>;
}

function build(kind: "lamb" | "lion"): Built {
  const { groups, initial, options } = golden[kind];
  const parameters = new Map(
    Object.entries(initial).map(([name, { shape, values }]) => [
      name,
      new Parameter(fromData(Float32Array.from(values), shape)),
    ]),
  );
  const described = groups.map(({ names, factor, weightDecay }) => ({
    parameters: new Map(names.map((name) => [name, parameters.get(name) as Parameter])),
    learningRateFactor: factor,
    weightDecay,
  }));
  return { optimizer: makes[kind](described, options), parameters };
}

function run(kind: "lamb" | "lion", { optimizer, parameters }: Built, from: number, to: number) {
  for (const { gradients, learningRate } of golden[kind].steps.slice(from, to)) {
    scope(() => {
      for (const [name, { tensor }] of parameters) {
        tensor.grad = fromData(Float32Array.from(gradients[name] ?? []), tensor.shape);
      }
    });
    optimizer.step(learningRate);
  }
  return new Map([...parameters].map(([name, p]) => [name, p.tensor.toFloat32Array()]));
}

describe("LAMB and Lion misuse", () => {
  it("refuse options that they do not have, and rates out of range", () => {
    assert.throws(() => new Lion([], { epsilon: 1 } as object), /option of Lion .*"epsilon"/);
    assert.throws(() => new Lamb([], { beta3: 1 } as object), /"beta3". Did you mean "beta/);
    assert.throws(() => new Lamb([], { beta1: 1 }), /less than 1 for beta1 but received 1/);
    assert.throws(() => new Lamb([], { epsilon: -1 }), /for epsilon but received -1/);
  });
  it("refuse each other's state", () => {
    const parameters = new Map([["w", new Parameter(ones([2]))]]);
    const [adam, lion] = [new AdamW([{ parameters }]), new Lion([{ parameters }])];
    for (const { tensor } of parameters.values()) tensor.grad = ones([2]);
    adam.step(0.1);
    assert.throws(
      () => lion.load(adam.stateDict(), "run"),
      (error: Error) =>
        error instanceof CheckpointError && /unexpected w\.exp_avg_sq/.test(error.message),
    );
  });
});

for (const kind of ["lamb", "lion"] as const) {
  describe(kind, () => {
    it("equals timm over eight steps", () => {
      const built = build(kind);
      golden[kind].steps.forEach(({ parameters }, step) => {
        for (const [name, values] of run(kind, built, step, step + 1)) {
          assertClose(values, parameters[name] ?? [], golden, `${name} after ${step}`);
        }
      });
    });
    it("resumes bit for bit from a saved state, and holds nothing beside its moments", () => {
      const straight = run(kind, build(kind), 0, 8);
      const first = build(kind);
      run(kind, first, 0, 3);
      const second = build(kind);
      for (const [name, parameter] of second.parameters) {
        parameter.assign((first.parameters.get(name) as Parameter).tensor.detach());
      }
      scope(() => second.optimizer.load(first.optimizer.stateDict()));
      const before = memory().tensors;
      assert.deepEqual(run(kind, second, 3, 8), straight);
      assert.equal(memory().tensors, before);
      const numbers = [...second.parameters.values()].reduce((sum, p) => sum + p.tensor.count, 0);
      assert.equal(second.optimizer.bytes, numbers * 4 * (kind === "lamb" ? 2 : 1));
    });
  });
}
