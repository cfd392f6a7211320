import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { goldenFile, readGoldenJson } from "../../../../test/support/golden-models.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { pairConfig, pairNames } from "../../../pair/published.ts";
import { siglip2 } from "./siglip2-family.ts";

function read(json: JsonObject): DualEncoderConfig {
  const { contents } = siglip2.fromConfig("config.json", json);
  assert.ok(contents.kind === "pair");
  return contents.config;
}

describe("SigLIP 2's config.json", () => {
  const refused: [JsonObject, RegExp][] = [
    [
      { vision_config: { num_patches: 250 } },
      /the square of a whole number for vision_config.num_p/,
    ],
    [{ vision_config: { vision_use_head: false } }, /for vision_config.vision_use_head/],
    [{ vision_config: { num_channels: 4 } }, /for vision_config.num_channels/],
    [{ text_config: { projection_size: 512 } }, /768, .* for text_config.projection_size/],
  ];
  for (const [json, message] of refused) {
    it(`names a field that is wrong: ${JSON.stringify(json)}`, () => {
      assert.throws(() => read(json), { code: "LIMN_CHECKPOINT", message });
    });
  }

  it("is filled in with transformers' defaults", () => {
    const found = siglip2.fromConfig("config.json", { text_config: { vocab_size: 256_000 } });
    assert.deepEqual(found.contents, { kind: "pair", config: pairConfig("SigLIP2-NaFlex-B/16") });
    assert.equal(found.family, "SigLIP 2");
  });

  it("is written as transformers was seen to read it, and read back as the same", () => {
    const text = readFileSync(goldenFile("siglip2-naflex", "limn-config.json"), "utf8");
    const config = read(readGoldenJson("siglip2-naflex", "config.json"));
    assert.equal(siglip2.toConfig?.(config), text);
    assert.deepEqual(read(JSON.parse(text) as JsonObject), config);
  });

  it("keeps the sizes of two unlike towers apart", () => {
    const layers = { num_hidden_layers: 2, num_attention_heads: 4 };
    const config = read({
      text_config: { ...layers, hidden_size: 24, intermediate_size: 40, projection_size: 16 },
      vision_config: { ...layers, hidden_size: 16, intermediate_size: 36 },
    });
    const sizes = [config.image, config.text].map((tower) => {
      const { width, mlpWidth } = tower as { width: number; mlpWidth: number };
      return [width, mlpWidth];
    });
    assert.deepEqual(
      [config.embedDim, sizes],
      [
        16,
        [
          [16, 36],
          [24, 40],
        ],
      ],
    );
    assert.deepEqual(read(JSON.parse(siglip2.toConfig?.(config) ?? "") as JsonObject), config);
  });

  it("is read back as the same for every pair that the class holds", () => {
    const held = pairNames.filter((name) => siglip2.holds(pairConfig(name)));
    assert.deepEqual(held, ["SigLIP2-NaFlex-B/16", "SigLIP2-NaFlex-So400m/16"]);
    for (const name of held) {
      const config = pairConfig(name);
      assert.deepEqual(read(JSON.parse(siglip2.toConfig?.(config) ?? "") as JsonObject), config);
    }
  });
});
