/**
 * SigLIP 2 with NaFlex: pictures of any aspect ratio (transformers' configuration_siglip2.py and
 * modeling_siglip2.py, 5.23). At fixed resolution SigLIP 2 is `siglip`.
 */
import type { NaflexVisionTransformerConfig } from "../../../towers/image/naflex-vision-transformer.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { DType } from "../../../torch/dtype.ts";
import type { JsonFields, JsonObject } from "../../../files/json-fields.ts";
import { pythonJson } from "../../../files/json-fields.ts";
import type { HuggingFaceFamily, HuggingFaceModel } from "./family.ts";
import { configHead, layerFields, readChannels, readLayers, section } from "./layer-keys.ts";
import {
  isSiglipPair,
  readSiglipHead,
  readSiglipText,
  siglip2Tokenizer,
  siglipLayers,
  siglipPair,
  siglipTable,
  siglipTextFields,
} from "./siglip-family.ts";

function readImage(fields: JsonFields): NaflexVisionTransformerConfig {
  readSiglipHead(fields);
  readChannels(fields);
  const patchSize = fields.side("patch_size", 16);
  const side = Math.sqrt(fields.integer("num_patches", 256));
  if (!Number.isInteger(side)) fields.unsupported("num_patches", "the square of a whole number");
  return {
    kind: "naflex",
    imageSize: side * patchSize,
    patchSize,
    ...readLayers(fields, siglipLayers),
    projectionBias: true,
  };
}

export const siglip2: HuggingFaceFamily = {
  modelType: "siglip2",
  className: "Siglip2Model",
  processor: "Siglip2ImageProcessor",

  fromConfig(file: string, json: JsonObject): HuggingFaceModel {
    const image = readImage(section(file, json, "vision_config"));
    const { text, embedDim } = readSiglipText(section(file, json, "text_config"), image.width);
    return {
      family: "SigLIP 2",
      tokenizer: siglip2Tokenizer,
      contents: { kind: "pair", config: siglipPair(image, text, embedDim) },
    };
  },

  holds: (config) => isSiglipPair(config) && config.image.kind === "naflex",

  toConfig(config: DualEncoderConfig, dtype?: DType): string {
    const image = config.image as NaflexVisionTransformerConfig;
    const text = config.text as TextTransformerConfig;
    return pythonJson({
      ...configHead("Siglip2Model", "siglip2", dtype),
      text_config: siglipTextFields("siglip2_text_model", text, config.embedDim),
      vision_config: {
        model_type: "siglip2_vision_model",
        num_patches: (image.imageSize / image.patchSize) ** 2,
        patch_size: image.patchSize,
        num_channels: 3,
        ...layerFields(image),
        vision_use_head: true,
      },
    });
  },

  table: () => siglipTable,
};
