import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { goldenFile, readGoldenJson } from "../../../../test/support/golden-models.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { pairConfig, pairNames } from "../../../pair/published.ts";
import { siglip } from "./siglip-family.ts";

function read(json: JsonObject): DualEncoderConfig {
  const { contents } = siglip.fromConfig("config.json", json);
  assert.ok(contents.kind === "pair");
  return contents.config;
}
const written = (config: DualEncoderConfig): JsonObject =>
  JSON.parse(siglip.toConfig?.(config) ?? "") as JsonObject;

describe("SigLIP's config.json, when it is wrong", () => {
  const refused: [JsonObject, RegExp][] = [
    [{ vision_config: { vision_use_head: false } }, /true, .* for vision_config.vision_use_head/],
    [{ vision_config: { hidden_size: 1024, num_attention_heads: 16 } }, /1024, .*projection_size/],
    [{ text_config: { projection_size: 512 } }, /768, .* for text_config.projection_size/],
    [{ text_config: { vocab_size: -1 } }, /for text_config.vocab_size/],
    [{ text_config: { max_position_embeddings: 0 } }, /for text_config.max_position_embeddings/],
    [{ text_config: [] }, /an object for text_config/],
    [{ vision_config: { hidden_act: "relu" } }, /for vision_config.hidden_act/],
  ];
  for (const [json, message] of refused) {
    it(`names the field: ${JSON.stringify(json)}`, () => {
      assert.throws(() => read(json), { code: "LIMN_CHECKPOINT", message });
    });
  }
});

describe("SigLIP's config.json", () => {
  it("is filled in with transformers' defaults, as the published files are", () => {
    const base = { text_config: { model_type: "siglip_text_model" }, vision_config: {} };
    assert.deepEqual(read(base), pairConfig("SigLIP-B/16"));
    const size = { hidden_size: 1152, intermediate_size: 4304, num_attention_heads: 16 };
    const layers = { ...size, num_hidden_layers: 27 };
    const so400m = {
      text_config: { ...layers, max_position_embeddings: 16 },
      vision_config: { ...layers, image_size: 224, patch_size: 14 },
    };
    assert.deepEqual(read(so400m), pairConfig("SigLIP-So400m/14"));
  });

  it("is called SigLIP 2 by its vocabulary, which is padded with id 0", () => {
    const json = { text_config: { vocab_size: 256_000, pad_token_id: 1 } };
    assert.equal(siglip.fromConfig("config.json", json).family, "SigLIP 2");
    assert.deepEqual(read(json), pairConfig("SigLIP2-B/16"));
    assert.equal(siglip.fromConfig("config.json", {}).family, "SigLIP");
  });

  it("has no end of text of CLIP's, but any other", () => {
    const end = (id: number): unknown =>
      (read({ text_config: { eos_token_id: id } }).text as { eotTokenId: number }).eotTokenId;
    assert.deepEqual([end(49407), end(2)], [1, 2]);
  });

  it("is written as transformers was seen to read it, and read back as the same", () => {
    const text = readFileSync(goldenFile("siglip", "limn-config.json"), "utf8");
    const config = read(readGoldenJson("siglip", "config.json"));
    assert.equal(siglip.toConfig?.(config), text);
    assert.deepEqual(read(JSON.parse(text) as JsonObject), config);
  });

  it("is read back as the same for every published size", () => {
    const held = pairNames.filter((name) => siglip.holds(pairConfig(name)));
    assert.deepEqual(
      held,
      pairNames.filter((name) => /^SigLIP2?-(?!NaFlex)/.test(name)),
    );
    for (const name of held)
      assert.deepEqual(read(written(pairConfig(name))), pairConfig(name), name);
  });
});

describe("SigLIP's class", () => {
  it("holds no pair that it computes otherwise", () => {
    const config = pairConfig("SigLIP-B/16");
    const { logitBiasInit: _, ...unbiased } = config;
    const others: DualEncoderConfig[] = [
      unbiased,
      { ...config, imageProjection: true },
      { ...config, textProjection: false },
      { ...config, logitScaleAs: "temperature" },
      { ...config, image: { ...config.image, pooling: "mean" } as DualEncoderConfig["image"] },
      { ...config, image: { ...config.image, patchBias: false } as DualEncoderConfig["image"] },
      { ...config, image: { ...config.image, classToken: true } as DualEncoderConfig["image"] },
      { ...config, image: { ...config.image, normBefore: true } as DualEncoderConfig["image"] },
      { ...config, text: { ...config.text, pooling: "eot" } as DualEncoderConfig["text"] },
      { ...config, text: { ...config.text, attention: "causal" } as DualEncoderConfig["text"] },
      { ...config, text: { ...config.text, projectionBias: false } },
      pairConfig("ALIGN"),
      pairConfig("LiT-B/16"),
    ];
    assert.ok(siglip.holds(config));
    for (const other of others) assert.ok(!siglip.holds(other), JSON.stringify(other));
  });
});
