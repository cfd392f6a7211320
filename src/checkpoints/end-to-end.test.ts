/**
 * Pictures and texts through every family and layout, against what its own library makes of them
 * (test/goldens/generate/end-to-end.py): preprocessing, tokenizer, towers and logits together.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import {
  endToEnd,
  endToEndPairs,
  endToEndPath,
  endToEndPictures,
} from "../../test/support/end-to-end-goldens.ts";
import { describeModel } from "./describe-model.ts";
import { loadModel, type LoadedModel } from "../inference/load-model.ts";

for (const pair of endToEndPairs) {
  const path = endToEndPath(pair);
  const golden = endToEnd(pair);
  const { given, texts, kind } = golden;

  describe(`${pair.name}, end to end`, () => {
    let model: LoadedModel;
    before(async () => {
      model = await loadModel(path, given);
    });
    after(() => model.dispose());

    it("is recognised", async () => {
      const { layout, family, probabilities } = model;
      assert.deepEqual([layout, family, probabilities], [pair.layout, pair.family, kind]);
      const found = await describeModel(path, given);
      assert.equal(found.parameters.total, model.pair.parameterCount());
      assert.deepEqual(found.config, model.config);
      assert.deepEqual(found.evaluationTransform, model.evaluationTransform);
      assert.deepEqual(found.tokenizer?.description, model.tokenizer.description);
      assert.equal(found.probabilities, kind);
    });

    it("embeds texts", () => {
      const rows = model.encodeTexts(texts).toFloat32Array();
      assertClose(rows, golden.textEmbeddings, golden, "text");
    });

    it("embeds pictures", async () => {
      const rows = (await model.encodeImages(endToEndPictures)).toFloat32Array();
      assertClose(rows, golden.imageEmbeddings, golden, "image");
    });

    it("gives logits and probabilities", async () => {
      const found = await model.similarity(endToEndPictures, texts);
      // Up to ten times the difference of two embeddings.
      assertClose(found.logits, golden.logits, { rtol: 1e-5, atol: 3e-5 }, "logits");
      assertClose(found.probabilities, golden.probabilities, { atol: 1e-5 }, "probabilities");
      assert.equal(found.kind, kind);
    });
  });
}
