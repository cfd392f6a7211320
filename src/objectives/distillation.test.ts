import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  checkObjective,
  leafOf,
  logitRows,
  logSumExp,
  transposed,
  unitRows,
  valueAndGradients,
  type Inputs,
  type Rows,
} from "../../test/support/objective-check.ts";
import { backward, scope, tensor, type Tensor } from "../torch/index.ts";
import { distillation, type DistillationOptions } from "./distillation.ts";
import { softmaxContrastive } from "./clip.ts";

type Options = Omit<DistillationOptions, "logitScale" | "teacher">;

interface Teacher {
  image: Rows;
  text: Rows;
  logitScale: number;
}

/** -sum softmax(teacher) log softmax(student), and CLIP's loss, in plain loops. */
const naive =
  (teacher: Teacher, { distillationWeight = 1, contrastiveWeight = 1 }: Options) =>
  ({ rows, scalars }: Inputs): number => {
    const { image = [], text = [] } = rows;
    const students = logitRows(image, text, scalars["logitScale"]);
    const teachers = logitRows(teacher.image, teacher.text, teacher.logitScale);
    const n = image.length;
    let total = 0;
    for (const [s, u] of [
      [students, teachers],
      [transposed(students), transposed(teachers)],
    ] as const) {
      for (const [i, row] of s.entries()) {
        const [own, theirs] = [logSumExp(row), logSumExp(u[i] as number[])];
        total += contrastiveWeight * (own - (row[i] as number));
        for (const [j, logit] of row.entries()) {
          const target = Math.exp((u[i]?.[j] as number) - theirs);
          total -= distillationWeight * target * (logit - own);
        }
      }
    }
    return total / (2 * n);
  };

const objective =
  (teacher: Teacher, options: Options) =>
  ({ image, text, logitScale }: Record<string, Tensor>): Tensor =>
    distillation(image as Tensor, text as Tensor, {
      logitScale: logitScale as Tensor,
      teacher: {
        image: leafOf(teacher.image).detach(),
        text: leafOf(teacher.text).detach(),
        logitScale: leafOf(teacher.logitScale).detach(),
      },
      ...options,
    });

const teacherOf = (n: number, dim: number, logitScale = 14): Teacher => ({
  image: unitRows(n, dim, 31),
  text: unitRows(n, dim, 37),
  logitScale,
});

test("refuses a teacher of other pairs and weights below 0", () => {
  const rows = leafOf(unitRows(3, 4, 1));
  const run = (teacher: Teacher, options: Options): Tensor =>
    objective(teacher, options)({ image: rows, text: rows, logitScale: tensor(1) });
  assert.throws(() => run(teacherOf(2, 4), {}), {
    name: "ShapeError",
    message: /Expected 3 pairs for the teacher but received 2/,
  });
  assert.throws(() => run(teacherOf(3, 4), { distillationWeight: -1 }), /distillationWeight/);
  assert.throws(() => run(teacherOf(3, 4), { contrastiveWeight: NaN }), /contrastiveWeight/);
  assert.throws(() => run(teacherOf(3, 4), { chunkSize: 0 }), /chunkSize/);
});

for (const [n, chunkSize] of [
  [1, undefined],
  [2, undefined],
  [7, undefined],
  [1, 1],
  [7, 3],
  [8, 4],
  [5, 50],
] as const) {
  test(`value and gradient equal the naive form: N = ${n}, chunkSize = ${chunkSize}`, () => {
    const teacher = teacherOf(n, 3);
    for (const weights of [
      {},
      { distillationWeight: 2, contrastiveWeight: 0 },
      { distillationWeight: 0, contrastiveWeight: 2 },
    ]) {
      for (const logitScale of [1, 100]) {
        checkObjective({
          inputs: {
            rows: { image: unitRows(n, 5, 3), text: unitRows(n, 5, 8) },
            scalars: { logitScale },
          },
          reference: naive(teacher, weights),
          objective: objective(
            teacher,
            chunkSize === undefined ? weights : { ...weights, chunkSize },
          ),
        });
      }
    }
  });
}

test("a teacher equal to the student pulls nowhere; a sharp and right one is CLIP's own target", () => {
  const rows = { image: unitRows(6, 4, 5), text: unitRows(6, 4, 6) };
  const inputs = { rows, scalars: { logitScale: 9 } };
  for (const chosen of [{}, { chunkSize: 4 }]) {
    const options = { ...chosen, contrastiveWeight: 0 };
    const same = valueAndGradients(inputs, objective({ ...rows, logitScale: 9 }, options));
    assertClose(same.gradients, new Float64Array(same.gradients.length), { atol: 1e-12 });
    const basis = Array.from({ length: 6 }, (_, i) => [0, 1, 2, 3, 4, 5].map((j) => +(i === j)));
    const sharp = { image: basis, text: basis, logitScale: 1000 };
    const found = valueAndGradients(inputs, objective(sharp, options));
    const clip = valueAndGradients(inputs, ({ image, text, logitScale }) =>
      softmaxContrastive(image as Tensor, text as Tensor, { logitScale: logitScale as Tensor }),
    );
    assertClose([found.loss], [clip.loss], { rtol: 1e-12 });
    assertClose(found.gradients, clip.gradients, { rtol: 1e-10, atol: 1e-12 });
  }
});

test("permuting the pairs of both leaves the loss alone", () => {
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = (rows: Rows): Rows => order.map((i) => rows[i] as number[]);
  const teacher = teacherOf(6, 3);
  const [image, text] = [unitRows(6, 4, 5), unitRows(6, 4, 6)];
  const scalars = { logitScale: 10 };
  const plain = valueAndGradients(
    { rows: { image, text }, scalars },
    objective(teacher, { chunkSize: 4 }),
  );
  const other = valueAndGradients(
    { rows: { image: permuted(image), text: permuted(text) }, scalars },
    objective(
      { image: permuted(teacher.image), text: permuted(teacher.text), logitScale: 14 },
      { chunkSize: 4 },
    ),
  );
  assertClose([other.loss], [plain.loss], { rtol: 1e-12 });
});

test("logits of +-100 on either side stay finite in float32", () => {
  for (const options of [{}, { chunkSize: 1 }]) {
    scope(() => {
      const image = tensor([1, 0, -1, 0]).reshape(2, 2).setRequiresGrad(true);
      const text = tensor([-1, 0, 1, 0]).reshape(2, 2).setRequiresGrad(true);
      const logitScale = tensor(100).setRequiresGrad(true);
      const teacher = { image: text.detach(), text: text.detach(), logitScale: tensor(100) };
      const loss = distillation(image, text, { logitScale, teacher, ...options });
      backward(loss);
      assertClose([loss.item()], [400], { rtol: 1e-6 });
      assert.ok(image.grad?.isFinite().all().item());
      assertClose([logitScale.grad?.item() ?? NaN], [4], { rtol: 1e-6 });
    });
  }
});

interface Golden {
  rtol: number;
  atol: number;
  distillation: {
    inputs: Inputs;
    teacher: Teacher;
    contrastive: number;
    distance: number;
    loss: number;
    gradients: number[];
  }[];
  softmax: { inputs: Inputs; loss: number; gradients: number[] }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../../test/goldens/objectives.json", import.meta.url), "utf8"),
) as Golden;

test("value and gradient equal open_clip's DistillClipLoss, and so do its two terms", () => {
  for (const { inputs, teacher, contrastive, distance, loss, gradients } of golden.distillation) {
    for (const options of [{}, { chunkSize: 2 }]) {
      const found = valueAndGradients(inputs, objective(teacher, options));
      assertClose([found.loss], [loss], golden);
      assertClose(found.gradients, gradients, golden);
      const term = (weights: Options): number =>
        valueAndGradients(inputs, objective(teacher, { ...options, ...weights })).loss;
      assertClose([term({ distillationWeight: 0 })], [contrastive], golden);
      assertClose([term({ contrastiveWeight: 0 })], [distance], golden);
    }
  }
});

test("softmaxContrastive equals open_clip's ClipLoss", () => {
  for (const { inputs, loss, gradients } of golden.softmax) {
    for (const options of [{}, { chunkSize: 2 }]) {
      const found = valueAndGradients(inputs, ({ image, text, logitScale }) =>
        softmaxContrastive(image as Tensor, text as Tensor, {
          logitScale: logitScale as Tensor,
          ...options,
        }),
      );
      assertClose([found.loss], [loss], golden);
      assertClose(found.gradients, gradients, golden);
    }
  }
});
