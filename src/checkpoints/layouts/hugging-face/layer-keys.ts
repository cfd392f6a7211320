/**
 * What the configurations and weights of Hugging Face's transformers have in common: activations by
 * their names, the sizes of a stack of layers, the parts of a `config.json`, the names of blocks.
 */
import type { DType } from "../../../torch/dtype.ts";
import type { Activation } from "../../../nn/activation.ts";
import { partialPatches } from "../../../towers/image/vision-transformer.ts";
import {
  isJsonObject,
  JsonFields,
  type JsonObject,
  pythonFloat,
} from "../../../files/json-fields.ts";
import type { KeyTable } from "../../weights/key-table.ts";

/** Names of transformers' `ACT2FN`, the one that is written first. */
const activationNames: Readonly<Record<Activation, readonly [string, ...string[]]>> = {
  quickGelu: ["quick_gelu"],
  gelu: ["gelu", "gelu_python"],
  geluTanh: ["gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_accurate"],
};

const activations: ReadonlyMap<string, Activation> = new Map(
  (Object.keys(activationNames) as Activation[]).flatMap((activation) =>
    activationNames[activation].map((name) => [name, activation] as const),
  ),
);

export function activationName(activation: Activation): string {
  return activationNames[activation][0];
}

/** Throws CheckpointError with the names that are known. */
export function readActivation(fields: JsonFields, key: string, fallback: string): Activation {
  const name = fields.raw(key) ?? fallback;
  const found = typeof name === "string" ? activations.get(name) : undefined;
  return found ?? fields.unsupported(key, `one of ${[...activations.keys()].join(", ")}`);
}

/** What every stack of layers has, under limn's names. */
interface Layers {
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

/** The defaults of a class of configurations; `activation` by transformers' name. */
export interface LayerDefaults extends Omit<Layers, "activation"> {
  activation: string;
}

/** Far beyond any model; keeps a damaged file from making a key table that fills the memory. */
const maxDepth = 10_000;

/** Throws CheckpointError naming the field. */
export function readLayers(fields: JsonFields, defaults: LayerDefaults): Layers {
  const width = fields.integer("hidden_size", defaults.width);
  const heads = fields.integer("num_attention_heads", defaults.heads);
  if (width % heads !== 0) fields.fail("num_attention_heads", `a divisor of hidden_size ${width}`);
  return {
    width,
    depth: fields.integer("num_hidden_layers", defaults.depth, { most: maxDepth }),
    heads,
    mlpWidth: fields.integer("intermediate_size", defaults.mlpWidth),
    activation: readActivation(fields, "hidden_act", defaults.activation),
    normEpsilon: fields.number("layer_norm_eps", defaults.normEpsilon),
  };
}

/** The fields that `readLayers` reads, for `pythonJson`. */
export function layerFields(layers: Layers): Record<string, unknown> {
  return {
    hidden_size: layers.width,
    intermediate_size: layers.mlpWidth,
    num_hidden_layers: layers.depth,
    num_attention_heads: layers.heads,
    hidden_act: activationName(layers.activation),
    layer_norm_eps: pythonFloat(layers.normEpsilon),
  };
}

/** What stands before the fields of every `config.json`, for `pythonJson`. */
export function configHead(
  className: string,
  modelType: string,
  dtype: DType = "float32",
): Record<string, unknown> {
  return {
    architectures: [className],
    model_type: modelType,
    dtype,
    // The name of the same field before transformers 5.
    torch_dtype: dtype,
  };
}

/**
 * A tower's fields.
 *
 * older  The name under which old files of the class repeat them: that one counts, whole. Other classes pass it over
 */
export function section(file: string, json: JsonObject, name: string, older?: string): JsonFields {
  const value = (older === undefined ? undefined : json[older]) ?? json[name] ?? {};
  if (!isJsonObject(value)) return new JsonFields(file, "", json).fail(name, "an object");
  return new JsonFields(file, `${name}.`, value);
}

interface Patches {
  imageSize: number;
  patchSize: number;
  dropsPartialPatches?: true;
}

/** Sides in pixels of pictures of three channels and of their patches. */
export function readPatches(fields: JsonFields, defaults: Patches): Patches {
  const imageSize = fields.side("image_size", defaults.imageSize);
  const patchSize = fields.side("patch_size", defaults.patchSize);
  if (patchSize > imageSize) fields.fail("patch_size", `at most the image_size ${imageSize}`);
  readChannels(fields);
  // transformers' patch convolutions have no padding.
  return { imageSize, patchSize, ...partialPatches(imageSize, patchSize) };
}

/** Throws CheckpointError unless pictures have three channels. */
export function readChannels(fields: JsonFields): void {
  if (fields.integer("num_channels", 3) !== 3) fields.unsupported("num_channels", "3");
}

/** The pre-norm blocks of CLIP, SigLIP and SigLIP 2. `theirs` is the module that has `encoder`. */
export function preNormBlockKeys(
  ours: "imageTower" | "textTower",
  theirs: string,
): KeyTable["keys"] {
  const [here, there] = [`${ours}.blocks.#`, `${theirs}.encoder.layers.#`];
  const inputs = ["q", "k", "v"].map((letter) => `${there}.self_attn.${letter}_proj.*`);
  return {
    [`${here}.norm1.*`]: `${there}.layer_norm1.*`,
    [`${here}.attention.input.*`]: { names: inputs },
    [`${here}.attention.output.*`]: `${there}.self_attn.out_proj.*`,
    [`${here}.norm2.*`]: `${there}.layer_norm2.*`,
    [`${here}.mlp.up.*`]: `${there}.mlp.fc1.*`,
    [`${here}.mlp.down.*`]: `${there}.mlp.fc2.*`,
  };
}

/** A buffer of position numbers, 0 to T - 1, in files of transformers before 4.31. */
export function isPositionNumbers(name: string): boolean {
  return name === "embeddings.position_ids" || name.endsWith(".embeddings.position_ids");
}
