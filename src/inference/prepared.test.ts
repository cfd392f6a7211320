import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import {
  endToEnd,
  endToEndPairs,
  endToEndPath,
  endToEndPictures,
} from "../../test/support/end-to-end-goldens.ts";
import { tensorsOf } from "../../test/support/tiny-towers.ts";
import { availablePrecisions, type Precision } from "../nn/precision.ts";
import { memory } from "../torch/index.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";

const root = mkdtempSync(join(tmpdir(), "limn-prepared-"));
after(() => rmSync(root, { recursive: true, force: true }));

interface Rows {
  images: Float32Array;
  texts: Float32Array;
}

async function rowsOf(model: LoadedModel, texts: string[]): Promise<Rows> {
  const images = await model.encodeImages(endToEndPictures);
  const encoded = model.encodeTexts(texts);
  const rows = { images: images.toFloat32Array(), texts: encoded.toFloat32Array() };
  images.dispose();
  encoded.dispose();
  return rows;
}

/** The cosines between two lists of unit rows, the least first. */
function cosines(a: Float32Array, b: Float32Array, dim: number): number[] {
  const found = Array.from({ length: a.length / dim }, (_, row) => {
    const at = row * dim;
    let sum = 0;
    for (let i = at; i < at + dim; i++) sum += (a[i] as number) * (b[i] as number);
    return sum;
  });
  return found.sort((one, other) => one - other);
}

/**
 * The middle cosine that the goldens' tiny random models keep. A single row may be apart by more: of
 * one picture ALIGN's tiny model keeps 0.77, here as under libtorch's autocast.
 */
const least: Record<Exclude<Precision, "float32">, number> = { bfloat16: 0.9995, int8: 0.99 };

for (const pair of endToEndPairs) {
  const path = endToEndPath(pair);
  const { given, texts } = endToEnd(pair);

  describe(`${pair.name}, prepared`, () => {
    for (const precision of availablePrecisions()) {
      it(`gives in ${precision} what its weights give as they are`, async () => {
        const plain = await loadModel(path, { ...given, prepare: false });
        const expected = await rowsOf(plain, texts);
        const dim = plain.config.embedDim;
        plain.dispose();
        const before = memory();
        const model = await loadModel(path, { ...given, precision });
        const found = await rowsOf(model, texts);
        const one = await model.encodeImages(endToEndPictures.slice(0, 1));
        const alone = one.toFloat32Array();
        one.dispose();
        model.dispose();
        assert.deepEqual(memory(), before);
        for (const key of ["images", "texts"] as const) {
          if (precision === "float32") {
            assertClose(found[key], expected[key], { rtol: 1e-5, atol: 1e-5 }, key);
          } else {
            const all = cosines(found[key], expected[key], dim);
            assert.ok((all[all.length >> 1] as number) > least[precision], `${key}: ${all.join()}`);
            assert.ok((all[0] as number) > 0.7, `${key}: ${all.join()}`);
          }
        }
        // What else is in a batch changes no more than rounding.
        const first = found.images.subarray(0, dim);
        const [same = 0] = cosines(alone, first, dim);
        assert.ok(same > (precision === "bfloat16" ? 0.99 : 0.999999), `alone: ${same}`);
      });
    }
  });
}

describe("a model that is prepared for inference", () => {
  const [pair] = endToEndPairs;
  const path = endToEndPath(pair);
  const { given } = endToEnd(pair);

  it("cannot be read, trained, moved or changed", async () => {
    const model = await loadModel(path, given);
    const what = "Expected a model whose weights can be trained, moved or saved but received";
    const cure = "a model that is prepared for inference; load it with prepare: false";
    for (const use of [
      () => [...model.pair.namedState()],
      () => model.pair.parameters(),
      () => model.pair.train(),
      () => model.pair.imageTower.to("cpu"),
      () => model.pair.textTower.zeroGrad(),
    ]) {
      assert.throws(use, { name: "TypeError", message: `${what} ${cure}` });
    }
    const block = (
      model.pair.textTower as unknown as { blocks: { mlp: { up: { weight: Weight } } }[] }
    ).blocks[0];
    interface Weight {
      readonly tensor: object;
    }
    assert.throws(() => block?.mlp.up.weight.tensor, {
      name: "TypeError",
      message: `Expected weights that can be read, changed or saved but received ${cure}`,
    });
    assert.throws(() => model.pair.prepareForInference(), TypeError);
    model.dispose();
  });

  it("is saved with the weights of its files", async () => {
    const [precision = "float32"] = availablePrecisions().slice(-1);
    const model = await loadModel(path, { ...given, precision });
    const plain = await loadModel(path, { ...given, prepare: false });
    const folders = [join(root, "prepared"), join(root, "plain")] as const;
    await model.save(folders[0]);
    await plain.save(folders[1]);
    const [a, b] = folders.map((folder) => tensorsOf(join(folder, "model.safetensors")));
    assert.deepEqual(a, b);
    model.dispose();
    plain.dispose();
  });

  it("knows its numbers", async () => {
    const model = await loadModel(path, given);
    const plain = await loadModel(path, { ...given, prepare: false });
    assert.equal(model.pair.parameterCount(), plain.pair.parameterCount());
    assert.deepEqual(
      [model.precision, model.pair.preparedAs, plain.pair.preparedAs],
      ["float32", "float32", null],
    );
    model.dispose();
    plain.dispose();
  });

  it("needs prepared weights for another precision", async () => {
    const precision = "bfloat16";
    if (!availablePrecisions().includes(precision)) return;
    await assert.rejects(loadModel(path, { ...given, precision, prepare: false }), {
      name: "RangeError",
      message: /^Expected float32 for precision with prepare: false but received bfloat16; only/,
    });
  });
});
