import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { namedTextTower } from "../../../towers/index.ts";
import { pairConfig } from "../../../pair/published.ts";
import { bert } from "./bert-family.ts";

const read = (json: object): unknown =>
  bert.fromConfig("config.json", { model_type: "bert", ...json });

describe("BERT's config.json", () => {
  it("names a field that is wrong, or that limn does not have", () => {
    const refuses = (json: object, message: RegExp): void =>
      assert.throws(() => read(json), { code: "LIMN_CHECKPOINT", message });
    refuses({ type_vocab_size: 1 }, /2, for .* for type_vocab_size in config.json/);
    refuses({ position_embedding_type: "relative_key" }, /"absolute" for position_embedding_type/);
    refuses({ is_decoder: true }, /false, for an encoder for is_decoder/);
    refuses({ add_cross_attention: true }, /false, for an encoder for add_cross_attention/);
    refuses({ hidden_act: "relu" }, /for hidden_act/);
  });

  it("is filled in with transformers' defaults: BERT-base", () => {
    const config = namedTextTower("bert-base");
    assert.deepEqual(read({ position_embedding_type: "absolute", pad_token_id: null }), {
      family: "BERT",
      tokenizer: { file: "align", className: "BertTokenizer" },
      contents: { kind: "text", config, embedDim: null },
    });
  });

  it("is read only: no pair is written as one tower", () => {
    assert.ok(!bert.holds(pairConfig("LiT-B/16")));
    assert.ok(!("toConfig" in bert));
  });
});
