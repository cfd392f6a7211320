/**
 * `config.json` of Hugging Face's `CLIPModel`, both ways. Files hold only what differs from the
 * defaults of transformers' `CLIPConfig`, which are therefore here (configuration_clip.py, 5.23).
 */
import { CheckpointError } from "../errors.ts";
import type { Activation } from "../nn/activation.ts";
import type { ClipConfig } from "./configs.ts";
import { pythonFloat, pythonJson } from "./python-json.ts";
import { isJsonObject, JsonFields, type JsonObject } from "./json-fields.ts";

const activations: Record<Activation, string> = {
  quickGelu: "quick_gelu",
  gelu: "gelu",
  geluTanh: "gelu_pytorch_tanh",
};
/** Other names of transformers for the same functions. */
const activationNames: Readonly<Record<string, Activation>> = {
  quick_gelu: "quickGelu",
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_pytorch_tanh: "geluTanh",
  gelu_python_tanh: "geluTanh",
  gelu_new: "geluTanh",
};

/** The end of text in configs before transformers 4.31, whatever the tokenizer's own. */
const legacyEotTokenId = 2;
const clipEotTokenId = 49407;
/** Far beyond any model; keeps a damaged file from making a key table that fills the memory. */
const maxDepth = 10_000;

/**
 * The text of a `config.json` that `CLIPConfig` reads back as the same model.
 *
 * throws  RangeError for an eotTokenId of 2, which transformers takes for "the greatest id"
 */
export function toHuggingFaceConfig(config: ClipConfig): string {
  const { embedDim, image, text, logitScaleLogInit } = config;
  if (text.eotTokenId === legacyEotTokenId) {
    throw new RangeError(
      "Expected another eotTokenId than 2 for a checkpoint but received 2, which transformers " +
        "reads as a mark of old files; give the tokenizer's end of text another id",
    );
  }
  return pythonJson({
    architectures: ["CLIPModel"],
    model_type: "clip",
    dtype: "float32",
    // The name of the same field before transformers 5.
    torch_dtype: "float32",
    projection_dim: embedDim,
    logit_scale_init_value: pythonFloat(logitScaleLogInit),
    text_config: {
      model_type: "clip_text_model",
      vocab_size: text.vocabSize,
      max_position_embeddings: text.contextLength,
      ...layers(text),
      projection_dim: embedDim,
      bos_token_id: text.eotTokenId === clipEotTokenId ? clipEotTokenId - 1 : null,
      eos_token_id: text.eotTokenId,
      pad_token_id: text.padTokenId,
    },
    vision_config: {
      model_type: "clip_vision_model",
      image_size: image.imageSize,
      patch_size: image.patchSize,
      num_channels: 3,
      ...layers(image),
      projection_dim: embedDim,
    },
  });
}

type Layers = Pick<
  ClipConfig["text"],
  "width" | "depth" | "heads" | "mlpWidth" | "activation" | "normEpsilon"
>;

function layers(tower: Layers): Record<string, unknown> {
  return {
    hidden_size: tower.width,
    intermediate_size: tower.mlpWidth,
    num_hidden_layers: tower.depth,
    num_attention_heads: tower.heads,
    hidden_act: activations[tower.activation],
    layer_norm_eps: pythonFloat(tower.normEpsilon),
  };
}

/**
 * limn's configuration from a parsed `config.json`, defaults filled in.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field
 */
export function fromHuggingFaceConfig(file: string, json: JsonObject): ClipConfig {
  if (json["model_type"] !== "clip") {
    throw new CheckpointError(
      file,
      `Expected "clip" for model_type in ${file} but received ` +
        `${JSON.stringify(json["model_type"]) ?? "nothing"}; give the folder of a CLIPModel`,
    );
  }
  const top = new JsonFields(file, "", json);
  return {
    embedDim: top.integer("projection_dim", 512),
    image: readImage(section(file, json, "vision_config")),
    text: readText(section(file, json, "text_config")),
    logitScaleLogInit: top.number("logit_scale_init_value", 2.6592),
  };
}

/** A tower's fields. Where an old file repeats them as `<name>_dict`, that one counts, whole. */
function section(file: string, json: JsonObject, name: string): JsonFields {
  const older = json[`${name}_dict`];
  const value = older ?? json[name] ?? {};
  if (!isJsonObject(value)) return new JsonFields(file, "", json).fail(name, "an object");
  return new JsonFields(file, `${name}.`, value);
}

interface LayerDefaults {
  width: number;
  mlpWidth: number;
  heads: number;
}

function readLayers(fields: JsonFields, defaults: LayerDefaults): Layers {
  const width = fields.integer("hidden_size", defaults.width);
  const heads = fields.integer("num_attention_heads", defaults.heads);
  if (width % heads !== 0) fields.fail("num_attention_heads", `a divisor of hidden_size ${width}`);
  const name = fields.raw("hidden_act") ?? "quick_gelu";
  const activation =
    typeof name === "string" && Object.hasOwn(activationNames, name)
      ? activationNames[name]
      : undefined;
  return {
    width,
    depth: fields.integer("num_hidden_layers", 12, { most: maxDepth }),
    heads,
    mlpWidth: fields.integer("intermediate_size", defaults.mlpWidth),
    activation:
      activation ?? fields.fail("hidden_act", `one of ${Object.keys(activationNames).join(", ")}`),
    normEpsilon: fields.number("layer_norm_eps", 1e-5),
  };
}

function readImage(fields: JsonFields): ClipConfig["image"] {
  const imageSize = fields.side("image_size", 224);
  const patchSize = fields.side("patch_size", 32);
  if (imageSize % patchSize !== 0)
    fields.fail("patch_size", `a divisor of image_size ${imageSize}`);
  if (fields.integer("num_channels", 3) !== 3) fields.fail("num_channels", "3");
  const sizes = readLayers(fields, { width: 768, mlpWidth: 3072, heads: 12 });
  return { kind: "vit", imageSize, patchSize, ...sizes };
}

function readText(fields: JsonFields): ClipConfig["text"] {
  const vocabSize = fields.integer("vocab_size", 49408);
  const eos = fields.integer("eos_token_id", clipEotTokenId, { least: 0 });
  // Old files say 2 and mean the greatest id of a row, which is the last of the vocabulary; their
  // padding id is as meaningless, and free, as nothing behind the end of text is looked at.
  const legacy = eos === legacyEotTokenId;
  const eotTokenId = legacy ? vocabSize - 1 : eos;
  if (eotTokenId >= vocabSize) fields.fail("eos_token_id", `an id below vocab_size ${vocabSize}`);
  return {
    kind: "transformer",
    contextLength: fields.integer("max_position_embeddings", 77),
    vocabSize,
    ...readLayers(fields, { width: 512, mlpWidth: 2048, heads: 8 }),
    eotTokenId,
    padTokenId: legacy ? 0 : fields.integer("pad_token_id", 1, { least: 0 }),
  };
}
