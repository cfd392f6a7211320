import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CheckpointError } from "../../../errors.ts";
import { clipConfig, clipConfigNames, type ClipConfig } from "../../../pair/published.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { clip } from "./clip-family.ts";

const file = "model/config.json";
const read = (json: JsonObject): ClipConfig =>
  clip.fromConfig(file, { model_type: "clip", ...json }).contents.config as ClipConfig;
const toConfig = (config: ClipConfig): string => clip.toConfig?.(config) ?? "";
const parsed = (config: ClipConfig): JsonObject => JSON.parse(toConfig(config)) as JsonObject;

describe("CLIP's config.json, read", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ vision_config: 3 }, /an object for vision_config .* 3/],
    [{ text_config: [] }, /an object for text_config/],
    [{ projection_dim: 0 }, /from 1 to \d+ for projection_dim .* received 0/],
    [{ vision_config: { hidden_size: "768" } }, /for vision_config\.hidden_size .*"768"/],
    [{ vision_config: { hidden_size: 770 } }, /divisor of hidden_size 770 for .*num_attention_h/],
    [{ vision_config: { image_size: [224, 112] } }, /equal sides.*\[224,112\]/],
    [{ vision_config: { num_channels: 1 } }, /Expected 3 for vision_config\.num_channels/],
    [{ vision_config: { num_hidden_layers: 1e9 } }, /to 10000 for vision_config\.num_hidden_lay/],
    [{ text_config: { hidden_act: "relu" } }, /quick_gelu, .* for text_config\.hidden_act.*"relu"/],
    [{ text_config: { hidden_act: "toString" } }, /hidden_act/],
    [{ text_config: { eos_token_id: 49408 } }, /below vocab_size 49408 for text_config\.eos_tok/],
    [{ text_config: { layer_norm_eps: "1e-5" } }, /a number for text_config\.layer_norm_eps/],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () => {
      assert.throws(
        () => read(json),
        (error) =>
          error instanceof CheckpointError &&
          error.file === file &&
          (assert.match(error.message, message), true),
      );
    });
  }

  it("fills in the defaults, which are those of ViT-B/32", () => {
    const expected = clipConfig("ViT-B/32");
    expected.text.padTokenId = 1;
    expected.logitScaleLogInit = 2.6592;
    assert.deepEqual(read({}), expected);
    assert.deepEqual(read({ text_config: null, vision_config: {} }), expected);
  });

  it("takes an end of text of 2, of old files, for the greatest id", () => {
    const { text } = read({ text_config: { bos_token_id: 0, eos_token_id: 2 } });
    assert.equal(text.eotTokenId, 49407);
    assert.equal(text.padTokenId, 0);
  });

  it("follows a whole text_config_dict where an old file has both", () => {
    const { text, image } = read({
      text_config: { hidden_size: 640, num_hidden_layers: 3 },
      text_config_dict: { hidden_size: 768, num_attention_heads: 12 },
      vision_config: { image_size: [336, 336], patch_size: 14 },
      vision_config_dict: null,
    });
    assert.deepEqual([text.width, text.heads, text.depth], [768, 12, 12]);
    assert.deepEqual([image.imageSize, image.patchSize], [336, 14]);
  });

  it("knows transformers' other names of the activations", () => {
    const activation = (name: string): string =>
      read({ text_config: { hidden_act: name } }).text.activation;
    assert.equal(activation("gelu_new"), "geluTanh");
    assert.equal(activation("gelu"), "gelu");
  });
});

describe("CLIP's config.json, written", () => {
  it("refuses an end of text that transformers reads in another way", () => {
    const config = clipConfig("ViT-B/32");
    config.text.eotTokenId = 2;
    assert.throws(() => toConfig(config), /another eotTokenId than 2/);
  });

  it("is read back as the same configuration, for every published size", () => {
    for (const name of clipConfigNames) {
      const config = clipConfig(name);
      assert.deepEqual(read(parsed(config)), config);
    }
  });

  it("names the activation and the class as transformers does", () => {
    const config = clipConfig("ViT-H/14");
    config.text.activation = "geluTanh";
    const json = parsed(config);
    assert.deepEqual(json["architectures"], ["CLIPModel"]);
    assert.equal((json["text_config"] as JsonObject)["hidden_act"], "gelu_pytorch_tanh");
    assert.equal((json["vision_config"] as JsonObject)["hidden_act"], "gelu");
  });

  it("names the type of the weights beside it, under both names of the field", () => {
    const config = clipConfig("ViT-B/32");
    const { dtype, torch_dtype: older } = JSON.parse(
      clip.toConfig?.(config, "float16") ?? "",
    ) as JsonObject;
    assert.deepEqual([dtype, older], ["float16", "float16"]);
    assert.equal(parsed(config)["dtype"], "float32");
  });

  it("writes whole numbers with a decimal point where Python wants a float", () => {
    const config = clipConfig("ViT-B/32");
    config.logitScaleLogInit = 0;
    assert.match(toConfig(config), /"logit_scale_init_value": 0\.0,/);
  });
});
