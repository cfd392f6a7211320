import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { unitRows } from "../../../test/support/objective-check.ts";
import { fromData, grad, memory, scope, tensor, type Tensor } from "../../torch/index.ts";
import { cosineGamma } from "../fastclip.ts";
import { createObjective, objectiveSchema } from "../index.ts";
import type { ObjectiveContext, ObjectiveInput, TrainingObjective } from "../objective.ts";

const root = mkdtempSync(join(tmpdir(), "limn-global-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

function create(
  recipe: { kind: string },
  changes: Partial<ObjectiveContext> = {},
): TrainingObjective {
  const { version } = recipe as { version?: number };
  const learned = recipe.kind === "fastclip" && version !== 1 && version !== 2;
  return createObjective(objectiveSchema.parse(recipe), {
    device: "cpu",
    embedDim: 3,
    batchSize: 4,
    steps: 8,
    hasLogitBias: false,
    logitScaleInit: 5,
    logitScaleLearned: learned,
    scratchFolder: join(root, String(folders++)),
    ...changes,
  });
}

interface GoldenStep {
  epoch: number;
  ids: number[];
  image: number[];
  text: number[];
  gradImage: number[];
  gradText: number[];
  logU1: number[];
  logU2: number[];
  loss?: number[];
  gradScale?: number[];
  tau1?: number[];
  tau2?: number[];
}

interface Golden {
  rtol: number;
  atol: number;
  logitScale: number;
  shape: [number, number];
  cases: { name: string; recipe: { kind: string }; factor?: number; steps: GoldenStep[] }[];
}

const golden = JSON.parse(
  readFileSync(
    new URL("../../../../test/goldens/global-contrastive.json", import.meta.url),
    "utf8",
  ),
) as Golden;

function inputOf(image: Tensor, text: Tensor, more: Partial<ObjectiveInput>): ObjectiveInput {
  return {
    image: image.setRequiresGrad(true),
    text: text.setRequiresGrad(true),
    rawImage: image,
    rawText: text,
    logitScale: tensor(golden.logitScale).setRequiresGrad(true),
    logitBias: null,
    ids: [],
    step: 0,
    position: more.step ?? 0,
    epoch: 0,
    ...more,
  };
}

/** The last numbers of the named examples, by column. */
function columnsOf(objective: TrainingObjective, rows: readonly number[]): number[][] {
  const saved = new Map(objective.kept?.state().tensors);
  const values = (saved.get("samples.values") as Tensor).indexSelect(
    0,
    fromData(BigInt64Array.from(rows, BigInt)),
  );
  return values.unbind(1).map((column) => [...column.toFloat64Array()]);
}

for (const { name, recipe, steps, factor = 1 } of golden.cases) {
  test(`gradients, normalisers and temperatures are the reference's: ${name}`, () => {
    const objective = create(recipe);
    const rows = new Map<number, number>();
    for (const [k, step] of steps.entries()) {
      scope(() => {
        for (const id of step.ids) if (!rows.has(id)) rows.set(id, rows.size);
        const matrix = (values: number[]): Tensor => tensor(values).reshape(...golden.shape);
        const ids = step.ids.map((id) => `example ${id}`);
        const input = inputOf(matrix(step.image), matrix(step.text), {
          ids,
          step: k,
          epoch: step.epoch,
        });
        const { loss, metrics = {} } = objective.compute(input);
        const learned = step.gradScale ? [input.logitScale] : [];
        const slopes = grad(loss, [input.image, input.text, ...learned]);
        const check = (actual: ArrayLike<number>, expected: number[], what: string): void =>
          assertClose(actual, expected, golden, `${what} of step ${k}`);
        const scaled = (values: number[]): number[] => values.map((value) => value / factor);
        check(slopes[0]?.toFloat64Array() ?? [], scaled(step.gradImage), "image's gradient");
        check(slopes[1]?.toFloat64Array() ?? [], scaled(step.gradText), "text's gradient");
        if (step.gradScale) check([slopes[2]?.item() ?? NaN], step.gradScale, "scale's gradient");
        if (step.loss) check([loss.item()], step.loss, "loss");
        const columns = columnsOf(
          objective,
          step.ids.map((id) => rows.get(id) as number),
        );
        check(columns[0] ?? [], step.logU1, "log u of images");
        check(columns[1] ?? [], step.logU2, "log u of texts");
        const mean = [...step.logU1, ...step.logU2].reduce((a, b) => a + b) / (2 * ids.length);
        check([metrics["meanLogU"] ?? NaN], [mean], "meanLogU");
        if (!step.tau1 || !step.tau2) return check([metrics["temperature"] ?? NaN], [0.2], "T");
        check(columns[2] ?? [], step.tau1, "temperatures of images");
        check(columns[3] ?? [], step.tau2, "temperatures of texts");
        const meanT = [...step.tau1, ...step.tau2].reduce((a, b) => a + b) / (2 * ids.length);
        check([metrics["temperature"] ?? NaN], [meanT], "T");
      });
    }
    objective.dispose();
  });
}

test("refuses a scale that is learned and should not be, or the reverse, and a batch of one", () => {
  const path = "logits.scale.learned";
  for (const recipe of [
    { kind: "sogclr" },
    { kind: "isogclr" },
    { kind: "fastclip", version: 1 },
    { kind: "fastclip", version: 2 },
  ]) {
    const message =
      /Expected false for logits.scale.learned .* received true; its temperature is not/;
    const learned = { logitScaleLearned: true };
    assert.throws(() => create(recipe, learned), { name: "RecipeError", path, message });
  }
  for (const version of [0, 3]) {
    const message = /Expected true for logits.scale.learned with objective fastclip-v\d but/;
    const constant = { logitScaleLearned: false };
    assert.throws(() => create({ kind: "fastclip", version } as never, constant), {
      path,
      message,
    });
  }
  for (const kind of ["sogclr", "isogclr", "fastclip"]) {
    assert.throws(() => create({ kind }, { batchSize: 1 }), { path: "train.batchSize" });
  }
});

test("refuses options of another version, unknown ones and temperatures out of their bounds", () => {
  const refuses = (recipe: object, path: string): void =>
    assert.throws(() => create(recipe as never), { name: "RecipeError", path });
  refuses({ kind: "fastclip", version: 1, rho: 1 }, "objective.rho");
  refuses({ kind: "fastclip", temperatureInit: 0.1 }, "objective.temperatureInit");
  refuses(
    { kind: "fastclip", version: 0, weighByTemperature: true },
    "objective.weighByTemperature",
  );
  refuses({ kind: "fastclip", version: 2, temperatureInit: 0.001 }, "objective.temperatureInit");
  refuses({ kind: "isogclr", temperatureInit: 2 }, "objective.temperatureInit");
  assert.throws(() => create({ kind: "sogclr", gama: 0.5 } as never), /gama/);
  assert.throws(() => create({ kind: "sogclr", gamma: 0 } as never), /gamma/);
  assert.throws(() => create({ kind: "fastclip", version: 4 } as never), /version/);
});

/** The gradient, loss and metrics of some steps over 10 examples. */
function run(objective: TrainingObjective, from: number, to: number): number[] {
  const found: number[] = [];
  for (let step = from; step < to; step++) {
    scope(() => {
      const [image, text] = [7 + step, 90 + step].map((seed) =>
        tensor(unitRows(4, 3, seed).flat()).reshape(4, 3),
      ) as [Tensor, Tensor];
      const ids = [0, 1, 2, 3].map((i) => `${(3 * step + i) % 10}`);
      const input = inputOf(image, text, { ids, step, epoch: Math.floor(step / 3) });
      const { loss, metrics } = objective.compute(input);
      const slopes = grad(loss, [input.image, input.text]);
      found.push(loss.item(), ...Object.values(metrics ?? {}));
      for (const slope of slopes) found.push(...(slope?.toFloat64Array() ?? []));
    });
  }
  return found;
}

const kinds = [
  { kind: "sogclr" },
  { kind: "isogclr", chunkSize: 3 },
  ...[0, 1, 2, 3].map((version) => ({ kind: "fastclip", version })),
  { kind: "neuclip", prototypes: 6, innerSteps: 3, restartSteps: 3 },
];

for (const recipe of kinds) {
  test(`a resumed ${JSON.stringify(recipe)} goes on bit for bit`, () => {
    const [whole, first, second] = [create(recipe), create(recipe), create(recipe)];
    const expected = run(whole, 0, 8);
    const before = run(first, 0, 5);
    scope(() => {
      const saved = first.kept?.state();
      const tensors = new Map([...(saved?.tensors ?? [])].map(([name, t]) => [name, t.clone()]));
      // Nothing of the first process is left but its checkpoint.
      run(first, 5, 6);
      second.kept?.restore(tensors, JSON.parse(JSON.stringify(saved?.json)), "a checkpoint");
    });
    assert.deepEqual([...before, ...run(second, 5, 8)], expected);
    const wrong = { name: "CheckpointError", file: "a checkpoint" };
    assert.throws(() => second.kept?.restore(new Map(), undefined, "a checkpoint"), wrong);
    for (const objective of [whole, first, second]) objective.dispose();
  });
}

test("a checkpoint of another kind is refused", () => {
  scope(() => {
    const [v1, sogclr] = [
      create({ kind: "fastclip", version: 1 } as never),
      create({ kind: "sogclr" }),
    ];
    run(v1, 0, 1);
    const saved = v1.kept?.state();
    assert.throws(() => sogclr.kept?.restore(new Map(saved?.tensors), saved?.json, "x"), {
      name: "CheckpointError",
      message: /of a sogclr objective in x but received .* of fastclip-v1/,
    });
    for (const objective of [v1, sogclr]) objective.dispose();
  });
});

test("gamma falls along a cosine: by epochs, by epochs of steps, or over half the run", () => {
  assertClose(
    [0, 1, 2, 3, 4].map((e) => cosineGamma(e, 4, 0.2)),
    [1, 0.8828, 0.6, 0.3172, 0.2],
    {
      atol: 1e-4,
    },
  );
  const gammas = (recipe: object, position = (step: number): number => step): number[] => {
    const objective = create({ kind: "fastclip", version: 1, ...recipe } as never);
    const found = [0, 1, 2, 3, 4, 7].map((step) =>
      scope(() => {
        const image = tensor(unitRows(4, 3, 1).flat()).reshape(4, 3);
        const input = inputOf(image, image.clone(), {
          ids: ["a", "b", "c", "d"],
          step,
          position: position(step),
          epoch: step,
        });
        return objective.compute(input).metrics?.["gamma"] ?? NaN;
      }),
    );
    objective.dispose();
    return found;
  };
  const at = (epochs: number[], end: number): number[] =>
    epochs.map((epoch) => cosineGamma(epoch, end, 0.2));
  assert.deepEqual(gammas({ gammaDecayEpochs: 3 }), at([0, 1, 2, 3, 4, 7], 3));
  assert.deepEqual(gammas({ gammaDecayEpochs: 3, epochSteps: 2 }), at([0, 0, 1, 1, 2, 3], 3));
  assert.deepEqual(gammas({ epochSteps: 2 }), at([0, 0, 1, 1, 2, 3], 2));
  assert.deepEqual(gammas({}), at([0, 1, 2, 3, 4, 7], 4));
  // A run whose minutes are further on than its steps.
  const ahead = (step: number): number => 2 * step;
  assert.deepEqual(gammas({ epochSteps: 2 }, ahead), at([0, 1, 2, 3, 4, 7], 2));
  assert.deepEqual(gammas({}, ahead), at([0, 2, 4, 6, 8, 14], 4));
});

test("a step leaves nothing behind", () => {
  const objective = create({ kind: "fastclip", version: 2 } as never);
  run(objective, 0, 4);
  const before = memory();
  run(objective, 4, 6);
  assert.deepEqual(memory(), before);
  objective.dispose();
});
