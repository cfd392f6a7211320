import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { efficientNetSizes, type EfficientNetConfig } from "../../../towers/image/efficient-net.ts";
import { goldenFile, readGoldenJson } from "../../../../test/support/golden-models.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { pairConfig, pairNames } from "../../../pair/published.ts";
import { align } from "./align-family.ts";

function read(json: JsonObject): DualEncoderConfig {
  const { contents } = align.fromConfig("config.json", json);
  assert.ok(contents.kind === "pair");
  return contents.config;
}
const written = (config: DualEncoderConfig): JsonObject =>
  JSON.parse(align.toConfig?.(config) ?? "") as JsonObject;
const vision = (change: JsonObject): JsonObject => ({
  vision_config: { image_size: 289, ...change },
});

describe("ALIGN's config.json, when it is wrong or more than limn has", () => {
  const refused: [JsonObject, RegExp][] = [
    [vision({ hidden_act: "gelu" }), /"swish" for vision_config.hidden_act/],
    [vision({ pooling_type: "max" }), /"mean" for vision_config.pooling_type/],
    [vision({ hidden_dim: 8 }), /at least 9, .* for vision_config.hidden_dim/],
    [vision({ strides: [1, 2, 3, 2, 1, 2, 1] }), /1 or 2 for each stage for vision_config.strides/],
    [vision({ kernel_sizes: [3, 4, 5, 3, 5, 5, 3] }), /odd numbers .* for vision_config.kernel_s/],
    [
      vision({ strides: [1, 2] }),
      /7 numbers, one for each of in_channels for vision_config.strides/,
    ],
    [
      vision({ out_channels: "16" }),
      /a list of whole numbers of at least 1 for vision_config.out_c/,
    ],
    [vision({ in_channels: [16, 16, 24, 40, 80, 112, 192] }), /64, 32, .* for vision_config.in_ch/],
    [
      vision({ depthwise_padding: [4, 5] }),
      /none, or the blocks .* for vision_config.depthwise_pad/,
    ],
    [vision({ width_coefficient: 0 }), /greater than 0 for vision_config.width_coefficient/],
    [vision({ num_channels: 1 }), /3 for vision_config.num_channels/],
    [{ projection_dim: 512, ...vision({}) }, /640, .* for projection_dim/],
    [{ temperature_init_value: 0, ...vision({}) }, /greater than 0 for temperature_init_value/],
    [{ ...vision({}), text_config: { type_vocab_size: 1 } }, /for text_config.type_vocab_size/],
  ];
  for (const [json, message] of refused) {
    it(`names the field: ${JSON.stringify(json).slice(0, 90)}`, () => {
      assert.throws(() => read(json), { code: "LIMN_CHECKPOINT", message });
    });
  }
});

describe("ALIGN's config.json", () => {
  it("is filled in with transformers' defaults, those of the published model", () => {
    assert.deepEqual(read(vision({})), pairConfig("ALIGN"));
    assert.equal((read({}).image as EfficientNetConfig).imageSize, 600);
    assert.equal(read({ temperature_init_value: 0.01 }).logitScaleLogInit, -Math.log(0.01));
  });

  it("is written as transformers was seen to read it, and read back as the same", () => {
    const text = readFileSync(goldenFile("align", "limn-config.json"), "utf8");
    const config = read(readGoldenJson("align", "config.json"));
    assert.equal(align.toConfig?.(config), text);
    assert.deepEqual(read(JSON.parse(text) as JsonObject), config);
    const cooler = read({ ...readGoldenJson("align", "config.json"), temperature_init_value: 0.5 });
    assert.equal(written(cooler)["temperature_init_value"], 0.5);
    assert.deepEqual(read(written(cooler)), cooler);
  });

  it("is read back as the same, for every EfficientNet", () => {
    assert.deepEqual(
      pairNames.filter((name) => align.holds(pairConfig(name))),
      ["ALIGN"],
    );
    for (const [name, size] of Object.entries(efficientNetSizes)) {
      const image = { ...size(), padding: "even" as const };
      const embedDim = image.stages.at(-1)?.width ?? 0;
      const config = { ...pairConfig("ALIGN"), image, embedDim };
      assert.ok(align.holds(config), name);
      assert.deepEqual(read(written(config)), config, name);
    }
  });

  it("lists the blocks of odd sides where padding is TensorFlow's", () => {
    const image = efficientNetSizes["EfficientNet-B2"]?.() as EfficientNetConfig;
    // 260 pixels: 130, 65, 33, 17, 9; blocks 2, 5, 8 and 16 halve them.
    const config = { ...pairConfig("ALIGN"), image, embedDim: 352 };
    assert.ok(align.holds(config));
    const json = written(config)["vision_config"] as JsonObject;
    assert.deepEqual(json["depthwise_padding"], [5, 8, 16]);
    assert.deepEqual(read(written(config)), config);
    const odd = { ...config, image: { ...image, imageSize: 289 } };
    assert.ok(!align.holds(odd), "the first convolution pads as for an even side");
  });

  it("finds channels for narrow stems and widths that are no multiples of 8", () => {
    const stage = { kernel: 3, stride: 2, depth: 1, expansion: 1 };
    for (const [stemWidth, ...widths] of [
      [8, 8, 12],
      [24, 10, 17, 3],
      [40, 24, 40, 80],
      [7, 5, 9],
    ] as const) {
      const base = efficientNetSizes["EfficientNet-B0"]?.() as EfficientNetConfig;
      const stages = widths.map((width) => ({ ...stage, width }));
      const image = { ...base, padding: "even" as const, stemWidth, stages };
      const config = { ...pairConfig("ALIGN"), image, embedDim: widths.at(-1) ?? 0 };
      assert.ok(align.holds(config), widths.join());
      assert.deepEqual(read(written(config)), config);
    }
    const image = efficientNetSizes["EfficientNet-B7"]?.() as EfficientNetConfig;
    const odd = image.stages.map((each) => ({ ...each, width: each.width + 1 }));
    const config = { ...pairConfig("ALIGN"), image: { ...image, stages: odd } };
    assert.ok(!align.holds(config), "twice a whole number is never odd");
  });
});

describe("ALIGN's class", () => {
  it("holds no pair that it computes otherwise", () => {
    const config = pairConfig("ALIGN");
    const { logitScaleAs: _, ...logarithmic } = config;
    for (const other of [
      logarithmic,
      { ...config, imageProjection: true },
      { ...config, textProjection: false },
      { ...config, logitBiasInit: 0 },
      { ...config, text: { ...config.text, projectionBias: false } },
      { ...config, text: pairConfig("ViT-B/32").text },
      { ...config, image: pairConfig("RN50").image },
    ]) {
      assert.ok(!align.holds(other));
    }
  });
});
