import assert from "node:assert/strict";
import { test } from "node:test";

import { softmaxContrastive } from "../clip.ts";
import { assertClose } from "../../../test/support/close.ts";
import { backward, fromData, grad, manualSeed, randn, type Tensor } from "../../torch/index.ts";
import { lixpObjective } from "./training.ts";
import type { ObjectiveContext, ObjectiveInput, TrainingObjective } from "../objective.ts";

const context = {
  device: "cpu" as const,
  embedDim: 16,
  batchSize: 8,
  steps: 10,
  hasLogitBias: true,
  logitScaleInit: 10,
  logitScaleLearned: true,
  scratchFolder: "",
};

const create = (
  recipe: Record<string, unknown> = {},
  about: Partial<ObjectiveContext> = {},
): TrainingObjective =>
  lixpObjective.create(lixpObjective.schema.parse({ kind: "lixp", base: "sigmoid", ...recipe }), {
    ...context,
    ...about,
  });

const scalar = (value: number): Tensor =>
  fromData(Float32Array.of(value), []).setRequiresGrad(true);

function input(step = 1): ObjectiveInput {
  manualSeed(3);
  const rawImage = randn([8, 16]).setRequiresGrad(true);
  const rawText = randn([8, 16]).setRequiresGrad(true);
  const unit = (x: Tensor): Tensor => x.div(x.norm([1], true));
  return {
    rawImage,
    rawText,
    image: unit(rawImage),
    text: unit(rawText),
    logitScale: scalar(12),
    logitBias: scalar(-4),
    ids: Array.from({ length: 8 }, (_, i) => `${i}`),
    step,
    position: step,
    epoch: 0,
  };
}

test("refuses options out of range and options that contradict each other", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ alpha: 0 }, /objective\.alpha but received 0/],
    [{ alpha: 1.5 }, /above 0 and up to 1 for objective\.alpha/],
    [{ contextTemperatureInit: 0 }, /positive number for objective\.contextTemperatureInit/],
    [{ contextTemperatureInit: 1e-4 }, /at least 0\.001 for objective\.contextTemperatureInit/],
    [{ contextLogitScaleInit: -3 }, /positive number for objective\.contextLogitScaleInit/],
    [{ temperatureLearningRateFactor: -1 }, /objective\.temperatureLearningRateFactor/],
    [{ base: "softmax", secondBias: true }, /false with base softmax for objective\.secondBias/],
    [{ base: "softmax", contextLogitBiasInit: -1 }, /none with base softmax/],
    [{ base: "softmax", contextLogitScaleInit: 101 }, /from 1 to 100 with base softmax/],
    [{ sharedTemperature: true, secondBias: true }, /false with sharedTemperature/],
    [{ sharedTemperature: true, contextLogitScaleInit: 3 }, /none with sharedTemperature/],
    [{ secondBias: false, contextLogitBiasInit: -3 }, /none with a shared bias/],
  ];
  for (const [recipe, message] of cases) {
    assert.throws(() => create(recipe), { name: "RecipeError", message });
  }
  assert.throws(() => create({}, { hasLogitBias: false }), /a model with a logit bias/);
  assert.throws(() => create({}, { batchSize: 1 }), {
    name: "RecipeError",
    path: "train.batchSize",
    message: /at least 2 pairs for train\.batchSize/,
  });
  assert.throws(() => lixpObjective.schema.parse({ kind: "lixp", base: "sigmoid", tau: 1 }), /tau/);
});

test("owns a temperature, a scale and a bias of the context's own, unless they are shared", () => {
  const names = (recipe: Record<string, unknown>): string[] =>
    [...(create(recipe).module?.namedParameters() ?? [])].map(([name]) => name);
  const [temperature, scale, bias] = [
    "contextTemperatureLog",
    "contextLogitScaleLog",
    "contextLogitBias",
  ];
  assert.deepEqual(names({}), [temperature, scale, bias]);
  assert.deepEqual(names({ secondBias: false }), [temperature, scale]);
  assert.deepEqual(names({ base: "softmax" }), [temperature, scale]);
  assert.deepEqual(names({ sharedTemperature: true }), [temperature]);
  assert.deepEqual(names({ alpha: 1 }), []);
  assert.equal(create({ temperatureLearningRateFactor: 10 }).learningRateFactor, 10);
});

test("starts at the model's own scale and bias in a run's first step, and logs what it does", () => {
  const objective = create();
  const { loss, metrics = {} } = objective.compute(input(0));
  assertClose([metrics["contextLogitScale"]!], [12], { rtol: 1e-5 });
  assertClose([metrics["contextTemperature"]!], [0.3 / 4], { rtol: 1e-5 });
  assertClose([metrics["effectiveContextTemperature"]!], [0.3], { rtol: 1e-5 });
  assert.ok(metrics["attentionEntropy"]! > 0 && metrics["attentionEntropy"]! < 1);
  const sum = 0.9 * metrics["baseLoss"]! + 0.1 * metrics["contextLoss"]!;
  assertClose([loss.item()], [sum], { rtol: 1e-5 });
  backward(loss);
  for (const { tensor } of objective.module!.parameters()) {
    assert.ok(Math.abs(tensor.grad!.item()) > 0);
  }
  // Later steps, and a resumed run, keep what was learned; a value that was given stays.
  const later = create().compute(input(1)).metrics!;
  assertClose([later["contextLogitScale"]!], [10], { rtol: 1e-5 });
  const given = create({ contextLogitScaleInit: 5 }).compute(input(0)).metrics!;
  assertClose([given["contextLogitScale"]!], [5], { rtol: 1e-5 });
});

test("a shared temperature is the model's, for both losses", () => {
  const about = input(0);
  const objective = create({ sharedTemperature: true });
  const { loss, metrics = {} } = objective.compute(about);
  assertClose([metrics["contextLogitScale"]!], [12], { rtol: 1e-6 });
  const plain = create({ alpha: 1 }).compute(about).loss;
  const [shared, alone] = [loss, plain].map((one) => grad(one, [about.logitScale])[0]!.item());
  assert.ok(Math.abs(shared! - alone!) > 1e-6);
});

test("alpha = 1 trains as the plain objective does, and owns nothing", () => {
  const about = input(0);
  const { image, text, logitScale, rawImage, rawText } = about;
  const objective = create({ base: "softmax", alpha: 1 });
  const { loss } = objective.compute(about);
  const plain = softmaxContrastive(image, text, { logitScale });
  const inputs = [rawImage, rawText, logitScale];
  const values = (one: Tensor): unknown => {
    const found = grad(one, inputs, { retainGraph: true });
    return found.map((gradient) => gradient?.toFloat32Array());
  };
  assert.equal(loss.item(), plain.item());
  assert.deepEqual(values(loss), values(plain));
  assert.deepEqual(objective.warnings?.(), []);
  assert.equal(objective.module, null);
});

test("keeps the temperatures in their range after a step", () => {
  const softmax = create({ base: "softmax" });
  const named = new Map(softmax.module?.namedParameters());
  named.get("contextTemperatureLog")!.tensor.setData(scalar(-30).detach());
  named.get("contextLogitScaleLog")!.tensor.setData(scalar(7).detach());
  softmax.afterStep?.();
  const { metrics = {} } = softmax.compute(input(1));
  assertClose([metrics["effectiveContextTemperature"]!], [1e-3], { rtol: 1e-4 });
  assertClose([metrics["contextLogitScale"]!], [100], { rtol: 1e-4 });
  const sigmoid = create({ contextLogitScaleInit: 150 });
  sigmoid.afterStep?.();
  assertClose([sigmoid.compute(input(1)).metrics!["contextLogitScale"]!], [150], { rtol: 1e-4 });
});

test("warns when the context never switched on, also after a resume", () => {
  const cold = create({ contextTemperatureInit: 0.05 });
  assert.deepEqual(cold.warnings?.(), []);
  cold.compute(input());
  assert.deepEqual(cold.warnings?.(), []);
  const warm = create({ contextTemperatureInit: 4 });
  warm.compute(input());
  assert.match(warm.warnings?.()[0] ?? "", /never switched on: .* stayed at 4\.000 or above/);
  const resumed = create({ contextTemperatureInit: 4 });
  resumed.kept?.restore(new Map(), JSON.parse(JSON.stringify(cold.kept?.state().json)), "run.json");
  resumed.compute(input());
  assert.deepEqual(resumed.warnings?.(), []);
  assert.deepEqual(create().kept?.state().json, { lowestTemperature: null, lowestEntropy: null });
  assert.throws(() => resumed.kept?.restore(new Map(), { other: 1 }, "run.json"), {
    name: "CheckpointError",
    message: /state of a lixp objective in run\.json/,
  });
});

test("warns when attention stayed even although the temperature is low", () => {
  const objective = create({ contextTemperatureInit: 0.4 });
  const about = input();
  // Every image alike: no neighbourhood to tell apart.
  const image = about.image.detach().narrow(0, 0, 1).expand(8, 16).clone().setRequiresGrad(true);
  objective.compute({ ...about, image, rawImage: image });
  assert.match(objective.warnings?.()[0] ?? "", /never told neighbours apart/);
});
