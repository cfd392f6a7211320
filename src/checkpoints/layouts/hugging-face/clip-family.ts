/**
 * Hugging Face's `CLIPModel`: CLIP's ViT with CLIP's causal text transformer (transformers,
 * models/clip/{configuration,modeling}_clip.py, 5.23). Files hold only what differs from the defaults
 * of `CLIPConfig`, which are therefore here.
 */
import type { DType } from "../../../torch/dtype.ts";
import type { ClipConfig } from "../../../pair/published.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import {
  JsonFields,
  type JsonObject,
  pythonFloat,
  pythonJson,
} from "../../../files/json-fields.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import { freeId, readAtGreatest } from "../end-of-text.ts";
import type { HuggingFaceFamily } from "./family.ts";
import {
  configHead,
  isPositionNumbers,
  layerFields,
  preNormBlockKeys,
  readLayers,
  readPatches,
  section,
} from "./layer-keys.ts";

/** The end of text in configs before transformers 4.31, whatever the tokenizer's own. */
const legacyEotTokenId = 2;
const clipEotTokenId = 49407;

/** `pre_layrnorm` is how the files spell it. */
const table: KeyTable = {
  keys: {
    logitScaleLog: "logit_scale",
    "imageTower.patchEmbedding.*": "vision_model.embeddings.patch_embedding.*",
    "imageTower.classEmbedding": "vision_model.embeddings.class_embedding",
    "imageTower.positionEmbedding": "vision_model.embeddings.position_embedding.weight",
    "imageTower.normBefore.*": "vision_model.pre_layrnorm.*",
    ...preNormBlockKeys("imageTower", "vision_model"),
    "imageTower.normAfter.*": "vision_model.post_layernorm.*",
    "imageTower.projection.weight": "visual_projection.weight",
    "textTower.tokenEmbedding.weight": "text_model.embeddings.token_embedding.weight",
    "textTower.positionEmbedding": "text_model.embeddings.position_embedding.weight",
    ...preNormBlockKeys("textTower", "text_model"),
    "textTower.normAfter.*": "text_model.final_layer_norm.*",
    "textTower.projection.weight": "text_projection.weight",
  },
  ignored: isPositionNumbers,
};

export const clip: HuggingFaceFamily = {
  modelType: "clip",
  className: "CLIPModel",
  processor: "CLIPImageProcessor",
  fromConfig: (file, json) => ({
    family: "CLIP",
    tokenizer: { file: "clip-openai", className: "CLIPTokenizer" },
    contents: { kind: "pair", config: fromConfig(file, json) },
  }),
  holds: isClipConfig,
  toConfig: (config, dtype) => toConfig(config as ClipConfig, dtype),
  table: () => table,
};

/** True where `CLIPModel` computes the same. */
function isClipConfig(config: DualEncoderConfig): config is ClipConfig {
  const { image, text, imageProjection = true, textProjection = true } = config;
  if (!imageProjection || !textProjection) return false;
  if (config.logitBiasInit !== undefined || config.logitScaleAs === "temperature") return false;
  return isClipImage(image) && isClipText(text);
}

function isClipImage(image: DualEncoderConfig["image"]): boolean {
  if (image.kind !== "vit") return false;
  const { classToken = true, pooling = "class", normBefore = true, patchBias = false } = image;
  return classToken && pooling === "class" && normBefore && !patchBias && !image.projectionBias;
}

function isClipText(text: DualEncoderConfig["text"]): boolean {
  if (text.kind !== "transformer") return false;
  const { attention = "causal", pooling = "eot" } = text;
  return attention === "causal" && pooling !== "last" && !text.projectionBias;
}

/** Throws RangeError for an eotTokenId of 2, which transformers takes for "the greatest id". */
function toConfig({ embedDim, image, text, logitScaleLogInit }: ClipConfig, dtype?: DType): string {
  const greatest = text.pooling === "greatest";
  if (text.eotTokenId === legacyEotTokenId && !greatest) {
    throw new RangeError(
      "Expected another eotTokenId than 2 for a checkpoint but received 2, which transformers " +
        "reads as a mark of old files; give the tokenizer's end of text another id",
    );
  }
  return pythonJson({
    ...configHead("CLIPModel", "clip", dtype),
    projection_dim: embedDim,
    logit_scale_init_value: pythonFloat(logitScaleLogInit),
    text_config: {
      model_type: "clip_text_model",
      vocab_size: text.vocabSize,
      max_position_embeddings: text.contextLength,
      ...layerFields(text),
      projection_dim: embedDim,
      bos_token_id: text.eotTokenId === clipEotTokenId ? clipEotTokenId - 1 : null,
      eos_token_id: greatest ? legacyEotTokenId : text.eotTokenId,
      pad_token_id: text.padTokenId,
    },
    vision_config: {
      model_type: "clip_vision_model",
      image_size: image.imageSize,
      patch_size: image.patchSize,
      num_channels: 3,
      ...layerFields(image),
      projection_dim: embedDim,
    },
  });
}

function fromConfig(file: string, json: JsonObject): ClipConfig {
  const top = new JsonFields(file, "", json);
  return {
    embedDim: top.integer("projection_dim", 512),
    image: readImage(section(file, json, "vision_config", "vision_config_dict")),
    text: readText(section(file, json, "text_config", "text_config_dict")),
    logitScaleLogInit: top.number("logit_scale_init_value", 2.6592),
  };
}

const common = { depth: 12, activation: "quick_gelu", normEpsilon: 1e-5 };

function readImage(fields: JsonFields): ClipConfig["image"] {
  const patches = readPatches(fields, { imageSize: 224, patchSize: 32 });
  const sizes = readLayers(fields, { ...common, width: 768, mlpWidth: 3072, heads: 12 });
  return { kind: "vit", ...patches, ...sizes };
}

function readText(fields: JsonFields): ClipConfig["text"] {
  const vocabSize = fields.integer("vocab_size", 49408);
  return {
    kind: "transformer",
    contextLength: fields.integer("max_position_embeddings", 77),
    vocabSize,
    ...readLayers(fields, { ...common, width: 512, mlpWidth: 2048, heads: 8 }),
    ...readEnd(fields, vocabSize),
  };
}

type End = Pick<ClipConfig["text"], "eotTokenId" | "padTokenId" | "pooling">;

/** Padding is free: nothing behind the place that is read is looked at. */
function readEnd(fields: JsonFields, vocabSize: number): End {
  const eos = readEos(fields);
  // Old files say 2 and mean the greatest id of a row.
  if (eos === legacyEotTokenId) return { ...readAtGreatest(vocabSize), padTokenId: 0 };
  if (eos >= vocabSize) fields.fail("eos_token_id", `an id below vocab_size ${vocabSize}`);
  return {
    eotTokenId: eos,
    padTokenId: freeId(fields, "pad_token_id", { fallback: 1, vocabSize }),
  };
}

/** One id; a list of one, as generation has it, is that. */
function readEos(fields: JsonFields): number {
  const value = fields.raw("eos_token_id");
  const [first, ...more] = Array.isArray(value) ? (value as unknown[]) : [];
  const alone = Number.isInteger(first) && Number(first) >= 0 && more.length === 0;
  return alone ? Number(first) : fields.integer("eos_token_id", clipEotTokenId, { least: 0 });
}
