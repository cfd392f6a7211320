/** ALIGN: an EfficientNet and a BERT (transformers' configuration_align.py, modeling_align.py, 5.23). */
import type { BertConfig } from "../../../towers/text/bert-tower.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { DType } from "../../../torch/dtype.ts";
import {
  JsonFields,
  type JsonObject,
  pythonFloat,
  pythonJson,
} from "../../../files/json-fields.ts";
import { torchLeaves, type KeyTable } from "../../weights/key-table.ts";
import { alignVisionFields, readAlignVision } from "./align-vision.ts";
import { bertKeys, readBert } from "./bert-family.ts";
import type { HuggingFaceFamily, HuggingFaceModel } from "./family.ts";
import { configHead, isPositionNumbers, layerFields, section } from "./layer-keys.ts";

const block = "vision_model.encoder.blocks.#";

/** A convolution and the batch norm after it. */
function normed(ours: string, convolution: string, norm: string): KeyTable["keys"] {
  return {
    [`imageTower.${ours}.weight`]: `${convolution}.weight`,
    [`imageTower.${ours}.norm.*`]: `${norm}.*`,
  };
}

const table: KeyTable = {
  keys: {
    temperature: "temperature",
    ...normed("stem", "vision_model.embeddings.convolution", "vision_model.embeddings.batchnorm"),
    ...normed(
      "blocks.#.expansion",
      `${block}.expansion.expand_conv`,
      `${block}.expansion.expand_bn`,
    ),
    ...normed(
      "blocks.#.depthwise",
      `${block}.depthwise_conv.depthwise_conv`,
      `${block}.depthwise_conv.depthwise_norm`,
    ),
    "imageTower.blocks.#.squeezeExcitation.reduce.*": `${block}.squeeze_excite.reduce.*`,
    "imageTower.blocks.#.squeezeExcitation.expand.*": `${block}.squeeze_excite.expand.*`,
    ...normed(
      "blocks.#.output",
      `${block}.projection.project_conv`,
      `${block}.projection.project_bn`,
    ),
    ...bertKeys("text_model."),
    "textTower.projection.*": "text_projection.*",
  },
  leaves: torchLeaves,
  // The pooler feeds nothing, and neither do counts of batches.
  carried: (name) =>
    name.startsWith("text_model.pooler.dense.") || name.endsWith(".num_batches_tracked"),
  ignored: isPositionNumbers,
};

export const align: HuggingFaceFamily = {
  modelType: "align",
  className: "AlignModel",
  processor: "EfficientNetImageProcessor",

  fromConfig(file: string, json: JsonObject): HuggingFaceModel {
    const top = new JsonFields(file, "", json);
    const image = readAlignVision(section(file, json, "vision_config"));
    const embedDim = top.integer("projection_dim", 640);
    const width = image.stages.at(-1)?.width ?? 0;
    if (embedDim !== width) {
      top.fail("projection_dim", `${width}, the width of the image tower without a head`);
    }
    const temperature = top.number("temperature_init_value", 1);
    if (temperature <= 0) top.fail("temperature_init_value", "a number greater than 0");
    const config: DualEncoderConfig = {
      embedDim,
      image,
      text: readBert(section(file, json, "text_config")),
      imageProjection: false,
      // Of 1 it is 0, and not -0.
      logitScaleLogInit: 0 - Math.log(temperature),
      logitScaleAs: "temperature",
    };
    return {
      family: "ALIGN",
      tokenizer: { file: "align", className: "BertTokenizer", mostTokens: 64 },
      contents: { kind: "pair", config },
    };
  },

  holds({ image, text, imageProjection = true, textProjection = true, ...logits }): boolean {
    return (
      !imageProjection &&
      textProjection &&
      logits.logitScaleAs === "temperature" &&
      logits.logitBiasInit === undefined &&
      text.kind === "bert" &&
      text.projectionBias !== false &&
      image.kind === "efficientNet" &&
      alignVisionFields(image) !== undefined
    );
  },

  toConfig({ embedDim, image, text, logitScaleLogInit }: DualEncoderConfig, dtype?: DType): string {
    const bert = text as BertConfig;
    return pythonJson({
      ...configHead("AlignModel", "align", dtype),
      projection_dim: embedDim,
      temperature_init_value: pythonFloat(Math.exp(-logitScaleLogInit)),
      text_config: {
        model_type: "align_text_model",
        vocab_size: bert.vocabSize,
        max_position_embeddings: bert.contextLength,
        ...layerFields(bert),
        type_vocab_size: 2,
        pad_token_id: bert.padTokenId,
      },
      vision_config: image.kind === "efficientNet" ? alignVisionFields(image) : undefined,
    });
  },

  table: () => table,
};
