/** A NaFlex checkpoint that is fine-tuned on squares, and what is saved of it. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { loadModel } from "../inference/load-model.ts";
import { expectedPictures, saveGoldenNaflex } from "../../test/support/golden-models.ts";
import { tinyData, type TinyData } from "../../test/support/tiny-run.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  lossesOf,
  plainRecipe,
  weightsOf,
} from "../../test/support/tiny-towers.ts";
import { resolveRecipe } from "./recipe/resolve-recipe.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train } from "./train-pair.ts";

const root = mkdtempSync(join(tmpdir(), "limn-naflex-run-"));
const processor = { max_num_patches: 40, do_convert_rgb: true };
const pretrained = saveGoldenNaflex(join(root, "base"), processor);
let data: TinyData;
before(async () => {
  data = await tinyData(16);
});
after(() => {
  rmSync(root, { recursive: true });
  rmSync(data.folder, { recursive: true });
});

/** The golden's sizes. */
const layers = { depth: 2, heads: 2, mlpWidth: 28 };
const written = {
  embedDim: 16,
  image: { kind: "naflex", imageSize: 16, patchSize: 4, width: 16, ...layers },
  text: {
    kind: "transformer",
    ...{ width: 16, ...layers },
    activation: "geluTanh",
    normEpsilon: 1e-6,
    projectionBias: true,
    attention: "bidirectional",
    pooling: "last",
    initialization: "bigVision",
  },
  imageProjection: false,
} as const;

function recipeOf(changes: Partial<Recipe> = {}): Recipe {
  const { model: _, ...plain } = plainRecipe(data);
  const { tokenizer: __, ...source } = plain.data;
  return { ...plain, objective: { kind: "sigmoid" }, data: source, pretrained, ...changes };
}

test("a NaFlex tower in a recipe has its family's defaults, and no keys of others", () => {
  const resolve = (image: object): unknown =>
    resolveRecipe({ ...recipeOf(), model: { ...written, image: { ...written.image, ...image } } })
      .model;
  const { image } = resolve({}) as { image: object };
  assert.deepEqual(image, { ...written.image, activation: "geluTanh", normEpsilon: 1e-6 });
  assert.throws(() => resolve({ patchDropout: 0.5 }), {
    name: "RecipeError",
    path: "model.image.patchDropout",
  });
});

describe("a NaFlex checkpoint", () => {
  test("is fine-tuned without its sizes, resumes, and takes pictures of any aspect ratio after", async () => {
    const directory = join(root, "short");
    const recipe = recipeOf();
    await train({ recipe, directory });
    const copy = join(root, "resumed");
    cpSync(directory, copy, { recursive: true });
    rmSync(checkpointOf(copy, 4), { recursive: true });
    rmSync(join(copy, "model"), { recursive: true });
    await train({ recipe, directory: copy });
    assertSameCheckpoint(checkpointOf(copy, 4), checkpointOf(directory, 4));
    assert.deepEqual(lossesOf(copy), lossesOf(directory));

    const base = await weightsOf(pretrained);
    for (const [name, values] of await weightsOf(join(directory, "model"))) {
      assert.notDeepEqual(values, base.get(name), `${name} was not trained`);
    }
    const tuned = await loadModel(join(directory, "model"));
    assert.equal(tuned.layout, "Hugging Face Siglip2Model");
    const { naflexTransform, evaluationTransform } = tuned;
    // As many patches as the squares had.
    assert.equal(naflexTransform?.maxPatches, 16);
    assert.equal(naflexTransform?.transparency, "white");
    assert.deepEqual(
      [evaluationTransform.imageSize, evaluationTransform.resizeMode],
      [16, "squash"],
    );
    const [wide] = expectedPictures().pictures;
    assert.ok(wide);
    const picture = { ...wide, data: Uint8Array.from(Buffer.from(wide.data, "base64")) };
    assert.deepEqual((await tuned.encodeImages(picture)).shape, [1, 16]);
    tuned.dispose();
  });

  test("is fine-tuned the same where its sizes are written out", async () => {
    const loaded = await loadModel(pretrained);
    const transform = loaded.evaluationTransform;
    loaded.dispose();
    const recipe = recipeOf({ model: written });
    const directory = join(root, "long");
    await train({ recipe: { ...recipe, data: { ...recipe.data, transform } }, directory });
    assertSameCheckpoint(checkpointOf(directory, 4), checkpointOf(join(root, "short"), 4));
  });
});
