/** What the towers of Hugging Face's layout share: names of activations, fields of layers, names of blocks. */
import type { Activation } from "../../../nn/activation.ts";
import { isJsonObject, JsonFields, type JsonObject } from "../../json-fields.ts";
import { pythonFloat } from "../../python-json.ts";
import type { KeyTable } from "../../weights/key-table.ts";

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

/** Far beyond any model; keeps a damaged file from making a model that fills the memory. */
const maxDepth = 10_000;

export interface Layers {
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

/** The defaults of a configuration class. */
export type LayerDefaults = Omit<Layers, "activation"> & { activation: string };

/** A tower's fields of `config.json`. */
export function layerFields(tower: Layers): Record<string, unknown> {
  return {
    hidden_size: tower.width,
    intermediate_size: tower.mlpWidth,
    num_hidden_layers: tower.depth,
    num_attention_heads: tower.heads,
    hidden_act: activations[tower.activation],
    layer_norm_eps: pythonFloat(tower.normEpsilon),
  };
}

/** Throws CheckpointError naming the file and the field. */
export function readLayers(fields: JsonFields, defaults: LayerDefaults): Layers {
  const width = fields.integer("hidden_size", defaults.width);
  const heads = fields.integer("num_attention_heads", defaults.heads);
  if (width % heads !== 0) fields.fail("num_attention_heads", `a divisor of hidden_size ${width}`);
  const name = fields.raw("hidden_act") ?? defaults.activation;
  const activation =
    typeof name === "string" && Object.hasOwn(activationNames, name)
      ? activationNames[name]
      : undefined;
  return {
    width,
    depth: fields.integer("num_hidden_layers", defaults.depth, { most: maxDepth }),
    heads,
    mlpWidth: fields.integer("intermediate_size", defaults.mlpWidth),
    activation:
      activation ?? fields.fail("hidden_act", `one of ${Object.keys(activationNames).join(", ")}`),
    normEpsilon: fields.number("layer_norm_eps", defaults.normEpsilon),
  };
}

/** A tower's object. Where an old file repeats it as `<name>_dict`, that one counts, whole. */
export function section(file: string, json: JsonObject, name: string): JsonFields {
  const older = json[`${name}_dict`];
  const value = older ?? json[name] ?? {};
  if (!isJsonObject(value)) return new JsonFields(file, "", json).fail(name, "an object");
  return new JsonFields(file, `${name}.`, value);
}

/** The blocks of CLIP's and SigLIP's towers. */
export function blockKeys(ours: string, theirs: string): KeyTable["keys"] {
  return {
    [`${ours}.norm1.*`]: `${theirs}.layer_norm1.*`,
    [`${ours}.attention.input.*`]: {
      names: ["q", "k", "v"].map((part) => `${theirs}.self_attn.${part}_proj.*`),
    },
    [`${ours}.attention.output.*`]: `${theirs}.self_attn.out_proj.*`,
    [`${ours}.norm2.*`]: `${theirs}.layer_norm2.*`,
    [`${ours}.mlp.up.*`]: `${theirs}.mlp.fc1.*`,
    [`${ours}.mlp.down.*`]: `${theirs}.mlp.fc2.*`,
  };
}
