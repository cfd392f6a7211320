import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { activationNames } from "../../../nn/activation.ts";
import { JsonFields, type JsonObject, pythonJson } from "../../../files/json-fields.ts";
import {
  activationName,
  isPositionNumbers,
  layerFields,
  readActivation,
  readLayers,
  readPatches,
  section,
  type LayerDefaults,
} from "./layer-keys.ts";

const defaults: LayerDefaults = {
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  activation: "gelu",
  normEpsilon: 1e-12,
};
const fields = (json: JsonObject): JsonFields => new JsonFields("config.json", "part.", json);

describe("fields of layers, when they are wrong", () => {
  const refused: [string, JsonObject, RegExp][] = [
    [
      "an unknown activation",
      { hidden_act: "relu" },
      /one of quick_gelu, gelu, .* for part.hidden_act/,
    ],
    [
      "a number for an activation",
      { hidden_act: 3 },
      /for part.hidden_act in config.json but .* 3;/,
    ],
    ["heads that do not divide", { num_attention_heads: 7 }, /a divisor of hidden_size 768/],
    ["a depth beyond any model", { num_hidden_layers: 1e6 }, /from 1 to 10000/],
    ["a width of nothing", { hidden_size: 0 }, /for part.hidden_size/],
    ["a text for a number", { layer_norm_eps: "1e-5" }, /a number for part.layer_norm_eps/],
  ];
  for (const [what, json, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readLayers(fields(json), defaults), { code: "LIMN_CHECKPOINT", message });
    });
  }

  it("refuses pictures smaller than a patch, and other channels", () => {
    const sides = { imageSize: 224, patchSize: 16 };
    const read = (json: JsonObject) => (): unknown => readPatches(fields(json), sides);
    assert.throws(read({ patch_size: 225 }), /at most the image_size 224 for part.patch_size/);
    assert.throws(read({ num_channels: 1 }), /Expected 3 for part.num_channels/);
    assert.throws(read({ image_size: [224, 192] }), /equal sides/);
  });

  it("refuses a section that is no object", () => {
    const read = (json: JsonObject) => (): JsonFields =>
      section("config.json", json, "text_config", "text_config_dict");
    assert.throws(read({ text_config: 3 }), /an object for text_config in config.json/);
    assert.throws(read({ text_config_dict: [] }), /an object for text_config/);
  });
});

describe("fields of layers", () => {
  it("have the class's defaults", () => {
    assert.deepEqual(readLayers(fields({}), defaults), defaults);
  });

  it("are read back as written, whole numbers as Python's floats", () => {
    for (const activation of activationNames) {
      const layers = { ...defaults, width: 8, heads: 2, activation, normEpsilon: 1 };
      const text = pythonJson(layerFields(layers));
      assert.match(text, /"layer_norm_eps": 1\.0\n/);
      assert.deepEqual(readLayers(fields(JSON.parse(text) as JsonObject), defaults), layers);
    }
  });

  it("say where patches do not fill the picture", () => {
    const read = (json: JsonObject): unknown =>
      readPatches(fields(json), { imageSize: 224, patchSize: 16 });
    assert.deepEqual(read({ image_size: [32, 32] }), { imageSize: 32, patchSize: 16 });
    const partial = { imageSize: 384, patchSize: 14, dropsPartialPatches: true };
    assert.deepEqual(read({ image_size: 384, patch_size: 14 }), partial);
  });

  it("name one function in several ways", () => {
    const read = (name: string): string => readActivation(fields({ act: name }), "act", "gelu");
    assert.deepEqual(["gelu_new", "gelu_python", "quick_gelu"].map(read), [
      "geluTanh",
      "gelu",
      "quickGelu",
    ]);
    assert.equal(activationName("geluTanh"), "gelu_pytorch_tanh");
  });

  it("come from the repeated section of old files, whole", () => {
    const json = { text_config: { a: 1, b: 2 }, text_config_dict: { a: 3 } };
    const found = section("config.json", json, "text_config", "text_config_dict");
    assert.deepEqual([found.raw("a"), found.raw("b")], [3, undefined]);
    assert.equal(section("config.json", {}, "text_config").raw("a"), undefined);
    const passed = section("config.json", json, "text_config");
    assert.deepEqual([passed.raw("a"), passed.raw("b")], [1, 2]);
  });

  it("know buffers of position numbers by their place", () => {
    assert.ok(isPositionNumbers("embeddings.position_ids"));
    assert.ok(isPositionNumbers("text_model.embeddings.position_ids"));
    assert.ok(!isPositionNumbers("text_model.position_ids"));
  });
});
