import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CheckpointError } from "../../../errors.ts";
import { createImageTower } from "../../../towers/index.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { assertTower, fill, goldenPlace } from "../../../../test/support/golden-models.ts";
import { fromTimmConfig, timm } from "./folder.ts";
import { timmVit } from "./names.ts";

const config = (json: JsonObject): ReturnType<typeof fromTimmConfig> =>
  fromTimmConfig("config.json", { architecture: "vit_base_patch16_224", ...json });

describe("fromTimmConfig, of what limn does not compute", () => {
  const cases: [string, JsonObject, RegExp][] = [
    [
      "another family",
      { architecture: "convnext_base" },
      /architecture .* received "convnext_base"/,
    ],
    ["no name", { architecture: 3 }, /a string for architecture/],
    ["an unknown field", { modelargs: {} }, /received modelargs; Did you mean "model_args"\?/],
    ["layer scale", { model_args: { init_values: 1e-5 } }, /nothing for model_args\.init_values/],
    ["registers", { model_args: { reg_tokens: 4 } }, /0 for model_args\.reg_tokens .* received 4/],
    ["an unknown setting", { model_args: { rope: true } }, /received model_args\.rope/],
    ["a mean before the norm", { model_args: { global_pool: "avg" } }, /no norm behind the mean/],
    [
      "another pooling",
      { model_args: { global_pool: "constructor" } },
      /one of token, map, avg for model_args\.global_pool .* "constructor"/,
    ],
    [
      "a pooling that timm only notes",
      { global_pool: "avg" },
      /"token", .* for global_pool .* "avg"/,
    ],
    [
      "an activation by an inherited name",
      { model_args: { act_layer: "toString" } },
      /one of gelu, .* for model_args\.act_layer/,
    ],
    [
      "an oblong input",
      { pretrained_cfg: { fixed_input_size: true, input_size: [3, 224, 196] } },
      /\[3, S, S\] for pretrained_cfg\.input_size/,
    ],
    [
      "another activation",
      { model_args: { act_layer: "silu" } },
      /model_args\.act_layer .* "silu"/,
    ],
  ];
  for (const [what, json, message] of cases) {
    it(`refuses ${what}`, () =>
      assert.throws(
        () => config(json),
        (error) => error instanceof CheckpointError && (assert.match(error.message, message), true),
      ));
  }
});

describe("fromTimmConfig", () => {
  it("knows a name with and without a tag", () => {
    assert.equal(timmVit("vit_base_patch16_224.augreg_in21k")?.width, 768);
    assert.equal(timmVit("vit_medium_patch16_gap_256"), undefined);
    assert.equal(timmVit("vit_so400m_patch14_siglip_384")?.mlpWidth, 4304);
    assert.equal(timmVit("vit_giant_patch14_224")?.mlpWidth, 6144);
  });

  it("reads the sizes that replace the name's", () => {
    const { config: tower } = config({
      model_args: { img_size: [384, 384], mlp_ratio: 3, depth: 4 },
    });
    assert.deepEqual(
      [tower.imageSize, tower.mlpWidth, tower.depth, tower.heads],
      [384, 2304, 4, 12],
    );
  });
});

it("fromTimmConfig takes the image size of a fixed input, before that of the name", () => {
  const pretrained_cfg = { fixed_input_size: true, input_size: [3, 384, 384] };
  assert.equal(config({ pretrained_cfg }).config.imageSize, 384);
  assert.equal(config({ pretrained_cfg, model_args: { img_size: 256 } }).config.imageSize, 256);
  assert.equal(config({ pretrained_cfg: { input_size: [3, 384, 384] } }).config.imageSize, 224);
});

describe("timm", () => {
  for (const name of ["timm-vit", "timm-map", "timm-clip"]) {
    it(`computes what timm does: ${name}`, () => {
      using place = goldenPlace(name);
      assert.ok(timm.matches(place));
      assertTower(name, timm.read(place, {}));
    });
  }

  it("says how pictures are prepared, and that there is no tokenizer", async () => {
    const source = timm.read(goldenPlace("timm-vit"), {});
    assert.deepEqual(source.evaluationTransform().mean, [0.5, 0.5, 0.5]);
    await assert.rejects(source.tokenizer(), /an image tower of timm, which has no tokenizer/);
  });

  it("finds weights of other sizes than the name's", () => {
    using place = goldenPlace("timm-vit");
    const source = timm.read(place, {});
    const { config: plain } = config({ model_args: { img_size: 32, patch_size: 8, depth: 2 } });
    const tower = createImageTower(plain, null);
    assert.throws(() => fill(source, tower, "imageTower"), /mis-shaped/);
    tower.dispose();
  });
});
