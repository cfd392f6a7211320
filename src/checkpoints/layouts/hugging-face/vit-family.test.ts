import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { namedImageTower } from "../../../towers/index.ts";
import { pairConfig } from "../../../pair/published.ts";
import { vit } from "./vit-family.ts";

const read = (json: object): unknown =>
  vit.fromConfig("config.json", { model_type: "vit", ...json });

describe("ViT's config.json", () => {
  it("names a field that is wrong, or that limn does not have", () => {
    const refuses = (json: object, message: RegExp): void =>
      assert.throws(() => read(json), { code: "LIMN_CHECKPOINT", message });
    refuses({ qkv_bias: false }, /true, .* for qkv_bias in config.json/);
    refuses({ hidden_act: "silu" }, /for hidden_act/);
    refuses({ image_size: [224, 192] }, /equal sides/);
    refuses({ num_attention_heads: 7 }, /a divisor of hidden_size 768/);
  });

  it("is filled in with transformers' defaults: AugReg's ViT with BERT's activation and norms", () => {
    const config = { ...namedImageTower("augreg-B/16"), activation: "gelu", normEpsilon: 1e-12 };
    assert.deepEqual(read({}), {
      family: "ViT",
      contents: { kind: "image", config, embedDim: null },
    });
  });

  it("is read only: no pair is written as one tower", () => {
    assert.ok(!vit.holds(pairConfig("LiT-B/16")));
    assert.ok(!("toConfig" in vit));
  });
});
