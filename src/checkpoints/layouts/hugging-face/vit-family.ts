/**
 * AugReg's ViTs as image towers (google/vit-base-patch16-224): transformers' `ViTModel`, and the models
 * around it with a head of another task (configuration_vit.py and modeling_vit.py, 5.23).
 */
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import { JsonFields, type JsonObject } from "../../../files/json-fields.ts";
import { leadingOne, reshaped, type KeyTable } from "../../weights/key-table.ts";
import type { HuggingFaceFamily, HuggingFaceModel } from "./family.ts";
import { readLayers, readPatches, type LayerDefaults } from "./layer-keys.ts";

const layers: LayerDefaults = {
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  activation: "gelu",
  normEpsilon: 1e-12,
};

/** Heads of other tasks, and the token of masked pictures. */
const heads = /^(classifier|pooler|decoder)\.|^embeddings\.mask_token$/;
const block = "encoder.layer.#";
const inputs = ["query", "key", "value"].map((name) => `${block}.attention.attention.${name}.*`);

const table: KeyTable = {
  keys: {
    "imageTower.patchEmbedding.*": "embeddings.patch_embeddings.projection.*",
    "imageTower.classEmbedding": {
      names: ["embeddings.cls_token"],
      form: reshaped((shape) => [1, 1, ...shape]),
    },
    "imageTower.positionEmbedding": { names: ["embeddings.position_embeddings"], form: leadingOne },
    "imageTower.blocks.#.norm1.*": `${block}.layernorm_before.*`,
    "imageTower.blocks.#.attention.input.*": { names: inputs },
    "imageTower.blocks.#.attention.output.*": `${block}.attention.output.dense.*`,
    "imageTower.blocks.#.norm2.*": `${block}.layernorm_after.*`,
    "imageTower.blocks.#.mlp.up.*": `${block}.intermediate.dense.*`,
    "imageTower.blocks.#.mlp.down.*": `${block}.output.dense.*`,
    "imageTower.normAfter.*": "layernorm.*",
  },
  // ViTModel's own files have no prefix, those of the models around it do.
  canonical: (name) => name.replace(/^vit\./, ""),
  carried: (name) => heads.test(name),
};

export const vit: HuggingFaceFamily = {
  modelType: "vit",
  className: "ViTModel",
  processor: "ViTImageProcessor",

  fromConfig(file: string, json: JsonObject): HuggingFaceModel {
    const fields = new JsonFields(file, "", json);
    if (!fields.boolean("qkv_bias", true)) {
      fields.unsupported("qkv_bias", "true, as attention has biases here");
    }
    const config: VisionTransformerConfig = {
      kind: "vit",
      ...readPatches(fields, { imageSize: 224, patchSize: 16 }),
      ...readLayers(fields, layers),
      normBefore: false,
      patchBias: true,
      projectionBias: true,
      initialization: "bigVision",
      classToken: true,
      pooling: "class",
    };
    return { family: "ViT", contents: { kind: "image", config, embedDim: null } };
  },

  holds: () => false,

  table: () => table,
};
