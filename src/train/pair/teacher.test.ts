/** Which pictures a teacher and its student must see alike. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import {
  evaluationPreset,
  type EvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { loadModel } from "../../inference/load-model.ts";
import { saveTinyModel } from "../../../test/support/tiny-model.ts";
import { memory } from "../../torch/index.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import { openTeacher } from "./teacher.ts";

const root = mkdtempSync(join(tmpdir(), "limn-teacher-"));
after(() => rmSync(root, { recursive: true }));
const clip = evaluationPreset("clip", 16);
const squash: EvaluationTransform = { ...clip, resizeMode: "squash", crop: "none" };
const longest: EvaluationTransform = { ...clip, resizeMode: "longest" };

const teachers = { clip, squash, longest };
before(async () => {
  const model = await loadModel(await saveTinyModel(join(root, "clip")));
  for (const [name, evaluationTransform] of Object.entries(teachers)) {
    const other = await loadModel(join(root, "clip"), { evaluationTransform });
    await other.save(join(root, name));
    other.dispose();
  }
  model.dispose();
});

async function open(teacher: keyof typeof teachers, transform: EvaluationTransform): Promise<void> {
  const recipe = {
    objective: { kind: "distillation", teacher: join(root, teacher) },
    data: {},
    towers: { image: {} },
  } as unknown as ResolvedRecipe;
  (await openTeacher(recipe, { transform, device: "cpu" }))?.close();
}

describe("a teacher is refused where the student's pictures differ in", () => {
  const cases: [keyof typeof teachers, Partial<EvaluationTransform>, RegExp][] = [
    ["clip", { imageSize: 8 }, /imageSize 8 .* 16;/],
    ["clip", { resizeMode: "squash" }, /resizeMode squash .* shortest;/],
    ["clip", { resizeSize: 20 }, /resizeSize 20 .* 16;/],
    ["clip", { interpolation: "bilinear" }, /interpolation bilinear .* bicubic;/],
    ["clip", { resampler: "torchvision" }, /resampler torchvision .* pillow;/],
    ["clip", { cropRounding: "down" }, /cropRounding down .* halfEven;/],
    ["clip", { transparency: "white" }, /transparency white .* drop;/],
    ["squash", { resizeSize: 20, crop: "center" }, /resizeSize 20 .* 16;/],
    ["longest", { fill: [9, 8, 7] }, /fill \[9, 8, 7\] .* \[0, 0, 0\]; give data\.transform/],
  ];
  for (const [teacher, change, message] of cases) {
    it(`${teacher}: ${JSON.stringify(change)}`, async () => {
      const before = memory().tensors;
      await assert.rejects(open(teacher, { ...teachers[teacher], ...change }), {
        name: "RecipeError",
        path: "objective.teacher",
        message,
      });
      assert.equal(memory().tensors, before);
    });
  }
});

describe("a teacher is taken", () => {
  it("with another mean and deviation, as its pictures are normalised for it", () =>
    open("clip", { ...clip, mean: [0, 0, 0], std: [1, 1, 1] }));

  it("where what is written out is the default", async () => {
    const defaults = { resizeSize: 16, resampler: "pillow", transparency: "drop" } as const;
    await open("clip", { ...clip, ...defaults, cropRounding: "halfEven" });
    await open("longest", { ...longest, fill: [0, 0, 0] });
    await open("squash", { ...squash, crop: "center" });
  });
});
