import assert from "node:assert/strict";
import { test } from "node:test";

import { softmaxContrastive } from "../clip.ts";
import { assertClose } from "../../../test/support/close.ts";
import {
  backward,
  grad,
  manualSeed,
  memory,
  noGrad,
  randn,
  randomState,
  scope,
  setRandomState,
  tensor,
  type Tensor,
} from "../../torch/index.ts";
import { Linear } from "../../nn/layers.ts";
import {
  amorlipSchema,
  betaOf,
  createAmorlip,
  segmentValue,
  type AmorlipObjective,
} from "./training.ts";
import type { AmortizationNetworks } from "./amortization-network.ts";
import type { ObjectiveContext, ObjectiveInput } from "../objective.ts";

const [pairs, dim] = [6, 8];

const context: ObjectiveContext = {
  device: "cpu",
  embedDim: dim,
  batchSize: pairs,
  steps: 40,
  hasLogitBias: false,
  logitScaleInit: 14,
  logitScaleLearned: true,
  scratchFolder: "none",
};

const create = (
  recipe: Record<string, unknown> = {},
  about: Partial<ObjectiveContext> = {},
): AmorlipObjective =>
  createAmorlip(amorlipSchema.parse({ kind: "amorlip", ...recipe }), { ...context, ...about });

const unit = (x: Tensor): Tensor => x.div(x.norm([1], true));

function inputOf(image: Tensor, text: Tensor, step: number, scale = 14): ObjectiveInput {
  return {
    image,
    text,
    rawImage: image,
    rawText: text,
    logitScale: tensor(scale).setRequiresGrad(true),
    logitBias: null,
    ids: Array.from({ length: pairs }, (_, i) => `${i}`),
    step,
    position: step,
    epoch: Math.floor(step / 5),
  };
}

const randomInput = (step: number, scale?: number): ObjectiveInput =>
  inputOf(
    unit(randn([pairs, dim])).setRequiresGrad(true),
    unit(randn([pairs, dim])).setRequiresGrad(true),
    step,
    scale,
  );

const weightsOf = (networks: AmortizationNetworks): number[] =>
  networks.parameters().flatMap(({ tensor }) => [...tensor.toFloat64Array()]);

test("contradictions in the recipe are refused before the first step", () => {
  const cases: [Record<string, unknown>, string, RegExp][] = [
    [{ stage2: "emaNetwork", startAtTarget: false }, "startAtTarget", /but received false/],
    [
      { stage2: "emaNetwork", innerSteps: 0, betaMax: 0 },
      "innerSteps",
      /networks that never learn/,
    ],
    [{ innerSteps: 0 }, "innerSteps", /at least 1/],
    [{ rho: [] }, "rho", /one for each segment of the run, .* received \[\]/],
    [{ rho: 3, scaleLoss: false }, "rho", /no objective.rho without scaleLoss/],
    [{ regularization: 1 }, "regularization", /amortization l2Log/],
    [{ widthFactor: 0.1 }, "widthFactor", /at least one unit.*use at least 0.125/],
  ];
  for (const [recipe, key, message] of cases) {
    assert.throws(() => create(recipe), {
      name: "RecipeError",
      path: `objective.${key}`,
      message,
    });
  }
  const path = "train.batchSize";
  assert.throws(() => create({}, { batchSize: 1 }), { path, message: /at least 2 pairs/ });
  assert.throws(() => create({}, { hasLogitBias: true }), { path: "logits.bias" });
  for (const recipe of [
    { betaMax: 1.1 },
    { emaDecay: 1 },
    { onlineinterval: 2 },
    { stage2: "both" },
  ]) {
    assert.throws(() => create(recipe), JSON.stringify(recipe));
  }
  for (const recipe of [{ rho: 3 }, { adaptiveTemperature: true }]) {
    const [key = ""] = Object.keys(recipe);
    const error = { path: `objective.${key}`, message: /learned logit scale/ };
    assert.throws(() => create(recipe, { logitScaleLearned: false }), error);
  }
  create({ innerSteps: 0, betaMax: 0 }, { logitScaleLearned: false }).dispose();
});

test("beta and rho follow their published schedules", () => {
  const betas = [0, 4, 8, 16, 30].map((epoch) => betaOf(epoch, 0.8, 16));
  assertClose(betas, [0, 0.4 * (1 - Math.SQRT1_2), 0.4, 0.8, 0.8], { rtol: 1e-12, atol: 1e-15 });
  const rho = (step: number): number => segmentValue([6.5, 6.4, 6.3, -8], step, 30);
  assert.deepEqual([0, 6, 7, 13, 14, 20, 21, 29].map(rho), [6.5, 6.5, 6.4, 6.4, 6.3, 6.3, -8, -8]);
  // A smoke run is shorter than the list.
  assert.deepEqual(
    [0, 1].map((at) => segmentValue([1, 2, 3], at, 2)),
    [1, 2],
  );
  assert.equal(segmentValue([8.5], 99, 40), 8.5);
});

test("in the first epoch, with whole positives, it is CLIP's gradient twice", () => {
  manualSeed(1);
  const objective = create({ positiveCoefficient: 1, scaleLoss: false });
  const input = randomInput(0);
  const leaves = [input.image, input.text, input.logitScale];
  const mine = grad(objective.compute(input).loss, leaves);
  const { image, text, logitScale } = input;
  const clip = grad(softmaxContrastive(image, text, { logitScale }).mul(2), leaves);
  for (const [i, found] of mine.entries()) {
    const expected = clip[i]?.toFloat64Array() ?? [];
    assertClose(found?.toFloat64Array() ?? [], expected, { rtol: 1e-4, atol: 1e-5 });
  }
  objective.dispose();
});

test("the networks' updates leave no gradient on the embeddings", () => {
  manualSeed(2);
  const objective = create({ stage2: "emaNetwork", denormalize: true });
  const input = randomInput(0);
  const before = weightsOf(objective.amortizer.online);
  objective.compute(input);
  assert.notDeepEqual(weightsOf(objective.amortizer.online), before);
  for (const leaf of [input.image, input.text, input.logitScale]) assert.equal(leaf.grad, null);
  for (const { tensor } of objective.amortizer.online.parameters()) assert.equal(tensor.grad, null);
  objective.dispose();
});

test("networks learn every onlineInterval steps of an epoch, their average every targetInterval", () => {
  manualSeed(3);
  const objective = create({ onlineInterval: 3, targetInterval: 2, reinitializeEveryEpochs: 0 });
  const { online, average } = objective.amortizer;
  const changes = { online: "", average: "", logged: "" };
  for (let step = 0; step < 10; step++) {
    const before = [online, average].map(weightsOf);
    const { metrics = {} } = scope(() => objective.compute(randomInput(step)));
    const changed = [online, average].map((now, i) => {
      return weightsOf(now).some((value, k) => value !== before[i]?.[k]) ? "x" : ".";
    });
    changes.online += changed[0];
    changes.average += changed[1];
    changes.logged += "amortizationLoss" in metrics && "targetError" in metrics ? "x" : ".";
  }
  // The input's epoch has five steps, and both counts start anew with it.
  assert.deepEqual(changes, { online: "x..x.x..x.", average: "x.x.xx.x.x", logged: "x..x.x..x." });
  objective.dispose();
});

test("an epoch's end keeps the average, then begins with fresh networks", () => {
  manualSeed(4);
  const objective = create({ reinitializeEveryEpochs: 2, epochSteps: 2, onlineInterval: 8 });
  const { amortizer } = objective;
  const run = (step: number): Record<string, number> =>
    scope(() => objective.compute(randomInput(step)).metrics) ?? {};
  assert.equal(run(0).beta, 0);
  run(1);
  assert.equal(amortizer.previous, null);
  assert.match(objective.warnings()[0] ?? "", /no longer than an epoch.*epochSteps/);
  const [online, average] = [amortizer.online, amortizer.average].map(weightsOf);
  assertClose([run(2).beta ?? 0], [betaOf(1, 0.8, 16)]);
  assert.deepEqual(objective.warnings(), []);
  assert.ok(amortizer.previous);
  assert.deepEqual(weightsOf(amortizer.previous), average);
  // Epoch 1 goes on with the same network, which has had one more round of updates.
  const distance = (from: number[] | undefined): number =>
    Math.max(
      ...weightsOf(amortizer.online).map((value, i) => Math.abs(value - (from?.[i] ?? NaN))),
    );
  assert.ok(distance(online) < 0.02);
  run(3);
  const kept = weightsOf(amortizer.online);
  run(4);
  assert.ok(distance(kept) > 0.1);
  // Adam starts anew as well: three steps in all.
  const steps = [...amortizer.tensors()].filter(([name]) => /^adam.*\.step$/.test(name));
  assert.deepEqual(new Set(steps.map(([, value]) => value.item())), new Set([3]));
  objective.dispose();
});

test("fresh networks that start at their target say its mean at once", () => {
  for (const stage2 of ["combinedTarget", "emaNetwork"]) {
    manualSeed(5);
    const objective = create({
      stage2,
      startAtTarget: true,
      networkLearningRate: 1e-9,
      emaDecay: 0,
    });
    const { metrics } = objective.compute(randomInput(0, 100));
    const rows = randomInput(1);
    const said = noGrad(() => objective.amortizer.online.forward(rows))
      .image.mean()
      .item();
    assertClose([said], [metrics?.logPartitionImage ?? NaN], { rtol: 0.02 });
    objective.dispose();
  }
});

for (const [amortization, stage2] of [
  ["l2Log", "combinedTarget"],
  ["kl", "combinedTarget"],
  ["js", "emaNetwork"],
  ["generalizedKl", "emaNetwork"],
]) {
  test(`everything stays finite at a logit scale of 100: ${amortization}, ${stage2}`, () => {
    manualSeed(6);
    const objective = create({ amortization, stage2, epochSteps: 2 });
    for (let step = 0; step < 6; step++) {
      const rows = unit(randn([pairs, dim]));
      // All embeddings nearly equal: every sum is about e^102.
      const near = (): Tensor => unit(rows.narrow(0, 0, 1).add(randn([pairs, dim]).mul(1e-2)));
      const input = inputOf(near().setRequiresGrad(true), near().setRequiresGrad(true), step, 100);
      const { loss, metrics } = objective.compute(input);
      backward(loss);
      for (const value of [loss, input.image.grad, input.text.grad]) {
        assert.ok(value?.isFinite().all().item());
      }
      for (const [name, value] of Object.entries(metrics ?? {})) {
        assert.ok(Number.isFinite(value), name);
      }
      assert.ok(weightsOf(objective.amortizer.online).every(Number.isFinite));
    }
    objective.dispose();
  });
}

test("chunked and whole steps agree", () => {
  const values = [undefined, 4].map((chunkSize) => {
    manualSeed(7);
    const objective = create({ epochSteps: 2, ...(chunkSize ? { chunkSize } : {}) });
    const losses: number[] = [];
    for (let step = 0; step < 5; step++)
      losses.push(objective.compute(randomInput(step)).loss.item());
    objective.dispose();
    return losses;
  });
  assertClose(values[1] ?? [], values[0] ?? [], { rtol: 1e-5, atol: 1e-6 });
});

/** Two linear towers trained by plain descent on data of their own generator. */
class TinyRun {
  readonly towers: Linear[];
  readonly objective: AmorlipObjective;
  step = 0;

  constructor(recipe: Record<string, unknown>) {
    this.towers = [new Linear(5, dim), new Linear(5, dim)];
    this.objective = create(recipe);
  }

  train(steps: number): void {
    const parameters = this.towers.flatMap((tower) => tower.parameters());
    for (let k = 0; k < steps; k++, this.step++) {
      scope(() => {
        const data = randn([2, pairs, 5]).unbind(0);
        const [image, text] = data.map((x, i) => unit((this.towers[i] as Linear).forward(x)));
        backward(this.objective.compute(inputOf(image as Tensor, text as Tensor, this.step)).loss);
        noGrad(() => {
          for (const { tensor } of parameters) {
            if (tensor.grad) tensor.add_(tensor.grad.mul(-0.1));
            tensor.grad = null;
          }
        });
      });
    }
  }

  numbers(): number[] {
    const state = [...this.objective.kept.state().tensors].map(([, tensor]) => tensor);
    const weights = this.towers.flatMap((tower) => tower.parameters()).map(({ tensor }) => tensor);
    return [...state, ...weights].flatMap((tensor) => [...tensor.toFloat64Array()]);
  }

  dispose(): void {
    this.objective.dispose();
    for (const tower of this.towers) tower.dispose();
  }
}

for (const at of [0, 3, 5, 7]) {
  test(`resumed after ${at} steps, a run ends with the same bits`, () => {
    const recipe = { amortization: "js", onlineInterval: 2, targetInterval: 3, epochSteps: 4 };
    manualSeed(8);
    const whole = new TinyRun(recipe);
    whole.train(at);
    const saved = new Map(
      [...whole.objective.kept.state().tensors].map(([name, tensor]) => [
        name,
        tensor.detach().clone(),
      ]),
    );
    const json: unknown = JSON.parse(JSON.stringify(whole.objective.kept.state().json));
    const towers = whole.towers.map((tower) =>
      tower.parameters().map((p) => p.tensor.detach().clone()),
    );
    const random = randomState();
    whole.train(10);

    manualSeed(99);
    const resumed = new TinyRun(recipe);
    resumed.objective.kept.restore(saved, json, "a checkpoint");
    for (const [i, tower] of resumed.towers.entries()) {
      tower.parameters().forEach((p, k) => p.assign(towers[i]?.[k] as Tensor));
    }
    resumed.step = at;
    setRandomState(random);
    resumed.train(10);
    assert.deepEqual(resumed.numbers(), whole.numbers());
    resumed.dispose();
    whole.dispose();
  });
}

test("a state of something else is refused, and changes nothing", () => {
  manualSeed(9);
  const objective = create();
  objective.compute(randomInput(0));
  const tensors = new Map(objective.kept.state().tensors);
  const before = weightsOf(objective.amortizer.online);
  const name = "CheckpointError";
  assert.throws(() => objective.kept.restore(tensors, { epoch: "one" }, "x.safetensors"), {
    name,
    message: /x\.safetensors but received {"epoch":"one"}/,
  });
  const wrong = new Map(tensors)
    .set("surplus", tensor(1))
    .set("online.image.output.bias", tensor([1, 2]));
  wrong.delete("average.text.norm1.weight");
  const position = { epoch: 0, stepOfEpoch: 1 };
  assert.throws(() => objective.kept.restore(wrong, position, "x.safetensors"), {
    name,
    message: /\[2\] float32, not \[1\].*missing average\.text\.norm1\.weight.*unexpected surplus/,
  });
  const without = new Map(tensors);
  without.delete("adam.image.expand.weight.exp_avg");
  assert.throws(() => objective.kept.restore(without, position, "x.safetensors"), { name });
  assert.deepEqual(weightsOf(objective.amortizer.online), before);
  objective.dispose();
});

test("steps leave no tensor behind", () => {
  manualSeed(10);
  const run = new TinyRun({ epochSteps: 2, chunkSize: 4 });
  run.train(5);
  const before = memory();
  run.train(4);
  assert.deepEqual(memory(), before);
  run.dispose();
});
