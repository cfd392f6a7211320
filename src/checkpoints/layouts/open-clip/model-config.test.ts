import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CheckpointError } from "../../../errors.ts";
import { evaluationPreset } from "../../../data/image/evaluation-transform.ts";
import { pairConfig } from "../../../pair/published.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { fromModelConfig } from "./model-config.ts";
import { openClipModel, openClipNames } from "./names.ts";
import { openClipFiles, whyNotOpenClip } from "./write.ts";

const vision = { layers: 2, width: 128, patch_size: 16 };
const text = { width: 64, heads: 1, layers: 2 };
const siglip = {
  timm_model_name: "vit_base_patch16_siglip_224",
  timm_pool: "map",
  timm_proj: "none",
};

interface Change {
  top?: JsonObject;
  image?: JsonObject;
  text?: JsonObject;
}

function read(change: Change): ReturnType<typeof fromModelConfig> {
  return fromModelConfig("c.json", {
    embed_dim: 32,
    vision_cfg: { ...vision, ...change.image },
    text_cfg: { ...text, ...change.text },
    ...change.top,
  });
}

describe("fromModelConfig, of what limn does not compute", () => {
  const cases: [Change, RegExp][] = [
    [{ top: { quick_glu: true } }, /received quick_glu; Did you mean "quick_gelu"\?$/],
    [{ top: { embed_dim: null } }, /an integer from 1 to \d+ for embed_dim in c\.json/],
    [{ top: { multimodal_cfg: {} } }, /nothing for multimodal_cfg in c\.json but received \{\}/],
    [{ top: { quick_gelu: "yes" } }, /true or false for quick_gelu/],
    [{ image: { attentional_pool: true } }, /false for vision_cfg\.attentional_pool/],
    [
      { image: { ls_init_value: 1e-4 } },
      /nothing for vision_cfg\.ls_init_value .* received 0\.0001/,
    ],
    [{ image: { qk_norm: true } }, /false for vision_cfg\.qk_norm/],
    [{ image: { pool_type: "none" } }, /"tok" or "avg" for vision_cfg\.pool_type/],
    [{ image: { pool_type: "avg", final_ln_after_pool: true } }, /vision_cfg\.final_ln_after_pool/],
    [{ image: { pos_embed_type: "sin_cos_2d" } }, /"learnable" for vision_cfg\.pos_embed_type/],
    [{ image: { head_width: 60 } }, /a divisor of width 128 for vision_cfg\.head_width/],
    [{ image: { image_size: [224, 256] } }, /equal sides/],
    [{ image: { layers: [1, 2, 3] } }, /four stages for vision_cfg\.layers/],
    [{ image: { norm_kwargs: { affine: false } } }, /received vision_cfg\.norm_kwargs\.affine/],
    [{ image: { act_kwargs: { approximate: "x" } } }, /vision_cfg\.act_kwargs\.approximate/],
    [{ image: { patchsize: 16 } }, /received vision_cfg\.patchsize; Did you mean "patch_size"/],
    [
      { image: { timm_model_name: "convnext_base" } },
      /vision_cfg\.timm_model_name .*"convnext_base"/,
    ],
    [{ image: { ...siglip, timm_pool: "token" } }, /"map" for vision_cfg\.timm_pool .* "token"/],
    [{ image: { ...siglip, timm_proj: "mlp" } }, /vision_cfg\.timm_proj .* received "mlp"/],
    [{ image: { ...siglip, image_size: 256 } }, /224, the size of vit_base_patch16_siglip_224/],
    [{ image: siglip }, /768, the width of the tower without projection, for embed_dim/],
    [{ text: { embed_cls: true } }, /false for text_cfg\.embed_cls/],
    [{ text: { pool_type: "first" } }, /"argmax" or "eos" or "last" for text_cfg\.pool_type/],
    [{ text: { heads: 7 } }, /a divisor of width 64 for text_cfg\.heads/],
    [{ text: { pool_type: "eos", eos_id: 49_408 } }, /an id below vocab_size 49408/],
    [{ text: { hf_model_name: "roberta-base" } }, /text_cfg\.hf_model_name .* "roberta-base"/],
    [
      { top: { quick_gelu: true }, text: { act_kwargs: { approximate: "tanh" } } },
      /nothing beside quick_gelu for text_cfg\.act_kwargs/,
    ],
  ];
  for (const [change, message] of cases) {
    it(`refuses ${JSON.stringify(change)}`, () =>
      assert.throws(
        () => read(change),
        (error) => error instanceof CheckpointError && (assert.match(error.message, message), true),
      ));
  }
});

describe("fromModelConfig", () => {
  it("fills in open_clip's defaults", () => {
    const { config, names } = fromModelConfig("c.json", {
      embed_dim: 512,
      vision_cfg: {},
      text_cfg: {},
    });
    assert.deepEqual(config, openClipModel("x", "ViT-B-16").config);
    assert.deepEqual(names, { ...names, image: "vit", text: "", scalars: "[]" });
  });

  it("follows activations to the letter: exact in SigLIP's text, tanh in SigLIP 2's", () => {
    const activations = (name: string): unknown[] => {
      const { image, text: words } = openClipModel("x", name).config;
      return [(image as { activation?: string }).activation, words.activation];
    };
    assert.deepEqual(activations("ViT-B-16-SigLIP"), ["gelu", "gelu"]);
    assert.deepEqual(activations("ViT-B-16-SigLIP2"), ["gelu", "geluTanh"]);
    assert.deepEqual(activations("ViT-SO400M-16-SigLIP2-256"), ["geluTanh", "geluTanh"]);
    assert.deepEqual(activations("ViT-B-32"), ["gelu", "gelu"]);
    assert.deepEqual(activations("ViT-B-32-quickgelu"), ["quickGelu", "quickGelu"]);
  });

  it("reads a projection, a place and a scale of another kind", () => {
    const { config, names } = read({
      top: { custom_text: true, nonscalar_logit_scale: true, init_logit_bias: -10 },
      image: { pool_type: "avg", no_ln_pre: true, patch_dropout: 0.5 },
      text: { proj_bias: true, no_causal_mask: true, pool_type: "last" },
    });
    assert.deepEqual(config.image, {
      ...config.image,
      pooling: "mean",
      normBefore: false,
      patchDropout: 0.5,
    });
    assert.deepEqual(config.text, {
      ...config.text,
      projectionBias: true,
      attention: "bidirectional",
      pooling: "last",
    });
    assert.deepEqual(names, { ...names, text: "text.", textProjection: "linear", scalars: "[1]" });
    assert.equal(config.logitBiasInit, -10);
  });
});

describe("openClipModel", () => {
  it("knows names with slashes and OpenAI's, and names the nearest", () => {
    assert.deepEqual(openClipModel("a.pt", "ViT-B/32"), openClipModel("a.pt", "ViT-B-32"));
    const large = openClipModel("a.pt", "ViT-L/14@336px");
    assert.deepEqual(large, openClipModel("a.pt", "ViT-L-14-336"));
    assert.throws(
      () => openClipModel("a.pt", "ViT-B-32-quickglu"),
      /for architecture of a\.pt .* Did you mean "ViT-B-32-quickgelu"\?/,
    );
  });

  it("has the sizes of limn's own names", () => {
    for (const name of ["RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"]) {
      assert.deepEqual(openClipModel("x", `${name}-quickgelu`).config, pairConfig(name), name);
    }
    for (const name of ["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336"]) {
      const own = pairConfig(name.replace(/-(\d+)/, "/$1"));
      assert.deepEqual(openClipModel("x", `${name}-quickgelu`).config, own, name);
    }
  });
});

describe("openClipFiles", () => {
  const transform = evaluationPreset("clip", 224);

  it("refuses what open_clip has no tower for, with the reason", () => {
    const refused: [string, RegExp][] = [
      ["ALIGN", /no learned temperature/],
      ["LiT-B/16", /no bert text tower/],
      ["SigLIP-S/16", /timm has no ViT of these sizes/],
    ];
    for (const [name, message] of refused) {
      assert.throws(() => openClipFiles("out", pairConfig(name), transform), message);
    }
    const config = openClipModel("x", "ViT-B-32").config;
    const mixed = { ...config, text: { ...config.text, activation: "quickGelu" as const } };
    assert.match(whyNotOpenClip(mixed) ?? "", /both its towers have QuickGELU or neither/);
  });

  it("writes what it reads back as the same model, for every name", () => {
    for (const name of openClipNames) {
      const { config } = openClipModel("x", name);
      const { files, table } = openClipFiles("out", config, transform);
      const json = JSON.parse(files["open_clip_config.json"] ?? "") as { model_cfg: JsonObject };
      const again = fromModelConfig("out", json.model_cfg);
      assert.deepEqual(again.config, config, name);
      assert.ok(Object.keys(table.keys).length > 20);
    }
  });
});
