/** AdamW against torch.optim.AdamW; test/goldens/generate/optimizer.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import {
  fromData,
  manualSeed,
  memory,
  noGrad,
  ones,
  randn,
  scope,
  tensor,
} from "../torch/index.ts";
import { Parameter } from "../nn/module.ts";
import { bestUpdatePath, updatePaths, type UpdatePath } from "./adamw-update.ts";
import { AdamW } from "./adamw.ts";
import type { ParameterGroup } from "./groups.ts";

interface Golden {
  rtol: number;
  atol: number;
  adamw: {
    beta1: number;
    beta2: number;
    epsilon: number;
    groups: { names: string[]; factor: number; weightDecay: number }[];
    initial: Record<string, { shape: number[]; values: number[] }>;
    steps: {
      learningRate: number;
      gradients: Record<string, number[]>;
      parameters: Record<string, number[]>;
    }[];
    state: Record<string, { step: number; exp_avg: number[]; exp_avg_sq: number[] }>;
  };
}

const file = new URL("../../../test/goldens/optimizer.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
const tolerance = { rtol: golden.rtol, atol: golden.atol };
const paths = (Object.keys(updatePaths) as UpdatePath[]).filter(
  (path) => path !== "fused" || bestUpdatePath("cpu") === "fused",
);

function build(path?: UpdatePath): { optimizer: AdamW; parameters: Map<string, Parameter> } {
  const { groups, initial, beta1, beta2, epsilon } = golden.adamw;
  const parameters = new Map(
    Object.entries(initial).map(([name, { shape, values }]) => [
      name,
      new Parameter(fromData(Float32Array.from(values), shape)),
    ]),
  );
  const described = groups.map(({ names, factor, weightDecay }): ParameterGroup => ({
    parameters: new Map(names.map((name) => [name, parameters.get(name) as Parameter])),
    learningRateFactor: factor,
    weightDecay,
  }));
  const options = { beta1, beta2, epsilon, ...(path ? { path } : {}) };
  return { optimizer: new AdamW(described, options), parameters };
}

function setGradients(parameters: Map<string, Parameter>, step: number): void {
  const given = golden.adamw.steps[step]?.gradients ?? {};
  for (const [name, { tensor: target }] of parameters) {
    const values = given[name];
    target.grad = values ? fromData(Float32Array.from(values), target.shape) : null;
  }
}

function run(
  { optimizer, parameters }: ReturnType<typeof build>,
  from: number,
  to: number,
): Map<string, Float32Array> {
  for (let step = from; step < to; step++) {
    scope(() => setGradients(parameters, step));
    optimizer.step(golden.adamw.steps[step]?.learningRate ?? 0);
  }
  return new Map([...parameters].map(([name, p]) => [name, p.tensor.toFloat32Array()]));
}

describe("AdamW misuse", () => {
  const one = (): Map<string, Parameter> => new Map([["w", new Parameter(ones([2, 2]))]]);
  it("refuses unknown options and rates out of range", () => {
    assert.throws(() => new AdamW([], { betta1: 1 } as object), /"betta1". Did you mean "beta1"/);
    assert.throws(() => new AdamW([], { beta2: 1 }), /less than 1 for beta2 but received 1/);
    assert.throws(() => new AdamW([], { epsilon: -1 }), /for epsilon but received -1/);
    assert.throws(() => new AdamW([], { path: "x" as UpdatePath }), /fused, multiTensor/);
    assert.throws(
      () => new AdamW([{ parameters: one(), weightDecay: NaN }]),
      /for weightDecay but received NaN/,
    );
    assert.throws(() => new AdamW([]).step(Infinity), /for learningRate but received Infinity/);
  });
  it("refuses a parameter in two groups", () => {
    const parameters = one();
    const other = new Map([["v", parameters.get("w") as Parameter]]);
    assert.throws(() => new AdamW([{ parameters }, { parameters }]), /received w in two/);
    assert.throws(
      () => new AdamW([{ parameters }, { parameters: other }]),
      /v in two \(also as w\)/,
    );
  });
  it("refuses a state that does not fit, naming every entry, and keeps its own", () => {
    const { optimizer } = build();
    const other = new AdamW([{ parameters: one() }]);
    assert.throws(
      () => other.load(optimizer.stateDict(), "run/optimizer.safetensors"),
      (error: Error) =>
        error instanceof CheckpointError &&
        error.file === "run/optimizer.safetensors" &&
        /missing w\.step/.test(error.message) &&
        /unexpected logitScaleLog\.step/.test(error.message),
    );
    const bad = new Map([
      ["w.step", tensor(1)],
      ["w.exp_avg", tensor([1, 2])],
      ["w.exp_avg_sq", ones([2, 2])],
    ]);
    assert.throws(() => other.load(bad), /w\.exp_avg is \[2\], not \[2, 2\]/);
  });
});

for (const path of [...paths, undefined]) {
  describe(`AdamW, ${path ?? "best"} path`, () => {
    it("equals torch over ten steps, with step counts that part", () => {
      const built = build(path);
      golden.adamw.steps.forEach(({ parameters }, step) => {
        for (const [name, values] of run(built, step, step + 1)) {
          assertClose(values, parameters[name] ?? [], tolerance, `${name} after ${step}`);
        }
      });
      const state = built.optimizer.stateDict();
      for (const [name, expected] of Object.entries(golden.adamw.state)) {
        assert.equal(state.get(`${name}.step`)?.item(), expected.step);
        for (const part of ["exp_avg", "exp_avg_sq"] as const) {
          const values = state.get(`${name}.${part}`)?.toFloat32Array() ?? [];
          // Second moments may be tiny; each counts relative to itself.
          assertClose(values, expected[part], { rtol: 2e-6, atol: 1e-12 }, `${name} ${part}`);
        }
      }
    });
    it("resumes bit for bit from a saved state", () => {
      const straight = run(build(path), 0, 10);
      const first = build(path);
      run(first, 0, 4);
      const second = build(path);
      for (const [name, parameter] of second.parameters) {
        parameter.assign((first.parameters.get(name) as Parameter).tensor.detach());
      }
      scope(() => second.optimizer.load(first.optimizer.stateDict()));
      first.optimizer.dispose();
      assert.deepEqual(run(second, 4, 10), straight);
    });
  });
}

describe("AdamW", () => {
  it("updates in blocks as it does in one", () => {
    const shapes = [[3, 70_001], [300_000], [1000, 300]];
    manualSeed(1);
    const make = (): AdamW => {
      const parameters = shapes.map((shape, i) => [`${i}`, new Parameter(ones(shape))] as const);
      return new AdamW([{ parameters: new Map(parameters), weightDecay: 0.1 }]);
    };
    const results = [make(), make()].map((optimizer, i) => {
      manualSeed(2);
      const [group] = optimizer.groups;
      const gradients = shapes.map((shape) => randn(shape));
      for (const [k, { tensor: p }] of [...(group?.parameters.values() ?? [])].entries()) {
        p.grad = gradients[k] ?? null;
      }
      if (i === 0) optimizer.step(1e-2);
      else {
        const tensors = [...(group?.parameters.values() ?? [])].map((p) => p.tensor);
        updatePaths.multiTensor({
          parameters: tensors,
          gradients,
          firstMoments: noGrad(() => tensors.map((p) => p.mul(0))),
          secondMoments: noGrad(() => tensors.map((p) => p.mul(0))),
          ...{ step: 1, learningRate: 1e-2, weightDecay: 0.1 },
          ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-6 },
        });
      }
      return [...(group?.parameters.values() ?? [])].map((p) => p.tensor.toFloat32Array());
    });
    shapes.forEach((_, i) => {
      assertClose(results[0]?.[i] ?? [], results[1]?.[i] ?? [1], tolerance, `shape ${i}`);
    });
  });
  it("leaves locked parameters and those without a gradient bit for bit", () => {
    const [locked, idle, free] = [0, 1, 2].map(() => new Parameter(randn([3, 3])));
    const parameters = new Map(Object.entries({ locked, idle, free })) as Map<string, Parameter>;
    const optimizer = new AdamW([{ parameters, weightDecay: 0.5 }]);
    const before = [...parameters.values()].map((p) => p.tensor.toFloat32Array());
    for (const p of [locked, free]) if (p) p.tensor.grad = ones([3, 3]);
    locked?.tensor.setRequiresGrad(false);
    optimizer.step(0.1);
    const after = [...parameters.values()].map((p) => p.tensor.toFloat32Array());
    assert.deepEqual(after.slice(0, 2), before.slice(0, 2));
    assert.notDeepEqual(after[2], before[2]);
    assert.equal(optimizer.bytes, 2 * 9 * 4);
    optimizer.zeroGrad();
    assert.equal(free?.tensor.grad, null);
  });
  it("holds no tensor beside its moments", () => {
    const { optimizer, parameters } = build();
    run({ optimizer, parameters }, 0, 3);
    const before = memory();
    run({ optimizer, parameters }, 3, 6);
    assert.equal(memory().tensors, before.tensors);
    optimizer.dispose();
    assert.equal(memory().tensors, before.tensors - 2 * parameters.size);
  });
  it("keeps its moments beyond a scope that ends", () => {
    const [within, plain] = [build(), build()];
    scope(() => run(within, 0, 1));
    assert.deepEqual(run(within, 1, 2), run(plain, 0, 2));
  });
});
