/**
 * SigLIP, and SigLIP 2 at fixed resolution, which transformers keeps in the same class
 * (configuration_siglip.py and modeling_siglip.py, 5.23).
 */
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { DType } from "../../../torch/dtype.ts";
import type { JsonFields, JsonObject } from "../../../files/json-fields.ts";
import { pythonJson } from "../../../files/json-fields.ts";
import { oneNumber, type KeyTable } from "../../weights/key-table.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { Family } from "../../layout.ts";
import { freeId } from "../end-of-text.ts";
import type { TokenizerRules } from "../tower-tokenizer.ts";
import type { HuggingFaceFamily, HuggingFaceModel } from "./family.ts";
import {
  configHead,
  isPositionNumbers,
  layerFields,
  preNormBlockKeys,
  readLayers,
  readPatches,
  section,
  type LayerDefaults,
} from "./layer-keys.ts";

/** Of `SiglipTextConfig`, `SiglipVisionConfig` and the same two of SigLIP 2. */
export const siglipLayers: LayerDefaults = {
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  activation: "gelu_pytorch_tanh",
  normEpsilon: 1e-6,
};

/** Ids of SigLIP 2's vocabulary, more where it was enlarged. Padding is id 0; the end of text is id 1, as in SigLIP's own vocabulary. */
export const gemmaVocabulary = 256_000;

/** SigLIP 2 by its vocabulary, where sizes are all that is known; other SigLIPs pad with the end of text. */
export function siglipFamily({ vocabSize }: Pick<TextTransformerConfig, "vocabSize">): Family {
  return vocabSize >= gemmaVocabulary ? "SigLIP 2" : "SigLIP";
}

const siglipTokenizer: TokenizerRules = { file: "siglip", className: "SiglipTokenizer" };
/** Published under Gemma's class, which does not lower-case as its own does. */
export const siglip2Tokenizer: TokenizerRules = {
  file: "siglip2",
  className: "Siglip2Tokenizer",
  publishedAs: "GemmaTokenizer",
};

/** Both tokenizers' end of text. */
const endOfText = 1;
/** transformers' default, the end of text of CLIP's tokenizer, which SigLIP does not have. */
const clipEndOfText = 49407;

/** The pair of two towers of any SigLIP: no image head, a text head with a bias, a bias of the logits. */
export function siglipPair(
  image: DualEncoderConfig["image"],
  text: TextTransformerConfig,
  embedDim: number,
): DualEncoderConfig {
  return {
    embedDim,
    image,
    text,
    imageProjection: false,
    // Not in the files: where training from random weights starts (arXiv:2303.15343, section 3).
    logitScaleLogInit: Math.log(10),
    logitBiasInit: -10,
  };
}

/** Width of the text head, which has to be the image tower's, and the text tower. */
export function readSiglipText(
  fields: JsonFields,
  imageWidth: number,
): { text: TextTransformerConfig; embedDim: number } {
  const vocabSize = fields.integer("vocab_size", 32_000);
  const layers = readLayers(fields, siglipLayers);
  const embedDim = fields.integer("projection_size", layers.width);
  if (embedDim !== imageWidth) {
    fields.fail("projection_size", `${imageWidth}, the width of the image tower without a head`);
  }
  // A tower that is read at the last place looks for neither.
  const fallback = endOfText;
  const end = freeId(fields, "eos_token_id", { fallback, vocabSize });
  const text: TextTransformerConfig = {
    kind: "transformer",
    contextLength: fields.integer("max_position_embeddings", 64),
    vocabSize,
    ...layers,
    eotTokenId: end === clipEndOfText ? endOfText : end,
    // SigLIP 2's files repeat SigLIP's padding.
    padTokenId:
      vocabSize >= gemmaVocabulary ? 0 : freeId(fields, "pad_token_id", { fallback, vocabSize }),
    attention: "bidirectional",
    pooling: "last",
    projectionBias: true,
    initialization: "bigVision",
  };
  return { text, embedDim };
}

/** The section `text_config`. */
export function siglipTextFields(
  modelType: string,
  text: TextTransformerConfig,
  embedDim: number,
): Record<string, unknown> {
  return {
    model_type: modelType,
    vocab_size: text.vocabSize,
    max_position_embeddings: text.contextLength,
    ...layerFields(text),
    projection_size: embedDim,
    bos_token_id: null,
    eos_token_id: text.eotTokenId,
    pad_token_id: text.padTokenId,
  };
}

/** Throws CheckpointError where the pictures' head is missing: there are no embeddings without it. */
export function readSiglipHead(fields: JsonFields): void {
  if (!fields.boolean("vision_use_head", true)) {
    fields.unsupported("vision_use_head", "true, as image embeddings are the head's output");
  }
}

/** All but the image tower of what a SigLIP is. */
export function isSiglipPair(config: DualEncoderConfig): boolean {
  const { imageProjection = true, textProjection = true, text } = config;
  return (
    !imageProjection &&
    textProjection &&
    config.logitBiasInit !== undefined &&
    config.logitScaleAs !== "temperature" &&
    text.kind === "transformer" &&
    text.attention === "bidirectional" &&
    text.pooling === "last" &&
    text.projectionBias === true
  );
}

function isSiglipImage(image: DualEncoderConfig["image"]): image is VisionTransformerConfig {
  if (image.kind !== "vit" || image.patchBias !== true) return false;
  return image.classToken === false && image.normBefore === false && image.pooling === "map";
}

/** The same names for both classes: a patch embedding is a convolution in one and linear in the other. */
export const siglipTable: KeyTable = {
  keys: {
    logitScaleLog: { names: ["logit_scale"], form: oneNumber },
    logitBias: { names: ["logit_bias"], form: oneNumber },
    "imageTower.patchEmbedding.*": "vision_model.embeddings.patch_embedding.*",
    "imageTower.positionEmbedding": "vision_model.embeddings.position_embedding.weight",
    ...preNormBlockKeys("imageTower", "vision_model"),
    "imageTower.normAfter.*": "vision_model.post_layernorm.*",
    "imageTower.pooling.probe": "vision_model.head.probe",
    "imageTower.pooling.attention.input.*": "vision_model.head.attention.in_proj_*",
    "imageTower.pooling.attention.output.*": "vision_model.head.attention.out_proj.*",
    "imageTower.pooling.norm.*": "vision_model.head.layernorm.*",
    "imageTower.pooling.mlp.up.*": "vision_model.head.mlp.fc1.*",
    "imageTower.pooling.mlp.down.*": "vision_model.head.mlp.fc2.*",
    "textTower.tokenEmbedding.weight": "text_model.embeddings.token_embedding.weight",
    "textTower.positionEmbedding": "text_model.embeddings.position_embedding.weight",
    ...preNormBlockKeys("textTower", "text_model"),
    "textTower.normAfter.*": "text_model.final_layer_norm.*",
    "textTower.projection.*": "text_model.head.*",
  },
  ignored: isPositionNumbers,
};

export const siglip: HuggingFaceFamily = {
  modelType: "siglip",
  className: "SiglipModel",
  processor: "SiglipImageProcessor",

  fromConfig(file: string, json: JsonObject): HuggingFaceModel {
    const vision = section(file, json, "vision_config");
    readSiglipHead(vision);
    const image: VisionTransformerConfig = {
      kind: "vit",
      ...readPatches(vision, { imageSize: 224, patchSize: 16 }),
      ...readLayers(vision, siglipLayers),
      normBefore: false,
      patchBias: true,
      projectionBias: true,
      initialization: "bigVision",
      classToken: false,
      pooling: "map",
    };
    const { text, embedDim } = readSiglipText(section(file, json, "text_config"), image.width);
    const config = siglipPair(image, text, embedDim);
    const family = siglipFamily(text);
    const tokenizer = family === "SigLIP 2" ? siglip2Tokenizer : siglipTokenizer;
    return { family, tokenizer, contents: { kind: "pair", config } };
  },

  holds: (config) => isSiglipPair(config) && isSiglipImage(config.image),

  toConfig(config: DualEncoderConfig, dtype?: DType): string {
    const image = config.image as VisionTransformerConfig;
    const text = config.text as TextTransformerConfig;
    return pythonJson({
      ...configHead("SiglipModel", "siglip", dtype),
      text_config: siglipTextFields("siglip_text_model", text, config.embedDim),
      vision_config: {
        model_type: "siglip_vision_model",
        image_size: image.imageSize,
        patch_size: image.patchSize,
        num_channels: 3,
        ...layerFields(image),
        vision_use_head: true,
      },
    });
  },

  table: () => siglipTable,
};
