/**
 * A folder as timm's `push_to_hf_hub` writes it: weights, and `config.json` with `architecture` (timm
 * 1.0.31, models/_hub.py), which is read as an image tower.
 */
import { join } from "node:path";

import { CheckpointError } from "../../../errors.ts";
import { fromTimmPretrainedConfig } from "../../preprocessing/timm-pretrained-config.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { Layout } from "../../layout.ts";
import type { PlaceFacts } from "../../place.ts";
import { timmVitKeys } from "./keys.ts";
import type { Activation } from "../../../nn/activation.ts";
import {
  partialPatches,
  type VisionTransformerConfig,
} from "../../../towers/image/vision-transformer.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { StrictFields } from "../strict-fields.ts";
import { timmVit } from "./names.ts";

/** The classifier is kept for saving: the tower's features are what lies before it. */
const timmTable: KeyTable = {
  keys: timmVitKeys("imageTower.", ""),
  carried: (name) => name === "head.weight" || name === "head.bias",
};

export const timm: Layout = {
  name: "timm",
  matches: (place) => {
    if (place.file !== undefined || !place.names.includes("config.json")) return false;
    return typeof place.json("config.json")["architecture"] === "string";
  },
  read: (place, given) => {
    const file = join(place.folder, "config.json");
    const json = place.json("config.json");
    const { config } = fromTimmConfig(file, json);
    return {
      place,
      layout: "timm",
      family: "ViT",
      contents: { kind: "image", config, embedDim: null },
      table: timmTable,
      weights: () => place.weightsOf(weightsFiles),
      evaluationTransform: () => given.evaluationTransform ?? fromTimmPretrainedConfig(file, json),
      tokenizer: () => Promise.reject(noText(place)),
    };
  },
};

const weightsFiles = ["model.safetensors", "pytorch_model.bin"];

function noText({ path }: PlaceFacts): CheckpointError {
  return new CheckpointError(
    path,
    `Expected a text tower in ${path} but it holds an image tower of timm, which has no tokenizer; ` +
      "pair it with a text tower first",
  );
}

interface TimmTower {
  readonly config: VisionTransformerConfig;
  /** Rows of the classifier, which is kept for saving; 0 for none. */
  readonly classes: number;
}

const activations: ReadonlyMap<string, Activation> = new Map([
  ["gelu", "gelu"],
  ["gelu_tanh", "geluTanh"],
  ["quick_gelu", "quickGelu"],
]);

/** Settings of `VisionTransformer` that limn's tower has, beside the sizes. */
const sizeArguments = ["img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio"];
const kindArguments = ["class_token", "global_pool", "pre_norm", "fc_norm", "act_layer"];
/** Those that it lacks, each with the values that leave it out. */
const plainArguments: Readonly<Record<string, readonly unknown[]>> = {
  in_chans: [3],
  qkv_bias: [true],
  qk_norm: [false],
  proj_bias: [true],
  init_values: [],
  no_embed_class: [false],
  reg_tokens: [0],
  final_norm: [true],
  pos_embed: ["learn"],
  pool_include_prefix: [false],
  dynamic_img_size: [false],
  dynamic_img_pad: [false],
};
/** They act in training alone. */
const trainingArguments = [
  ...["num_classes", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate"],
  ...["attn_drop_rate", "drop_path_rate", "weight_init", "fix_init"],
];

/** Throws CheckpointError naming the file and the field. */
export function fromTimmConfig(file: string, json: JsonObject): TimmTower {
  const fields: StrictFields = new StrictFields(file, "", json);
  fields.only([
    ...["architecture", "num_classes", "num_features", "global_pool", "model_args"],
    ...["pretrained_cfg", "label_names", "label_descriptions"],
  ]);
  const name = fields.text("architecture") ?? fields.fail("architecture", "a name of timm");
  const known = timmVit(name);
  if (known === undefined) {
    fields.unsupported("architecture", "a plain ViT of timm, such as vit_base_patch16_224,");
  }
  const settings = fields.section("model_args");
  settings.only([
    ...[...sizeArguments, ...kindArguments, ...trainingArguments],
    ...Object.keys(plainArguments),
  ]);
  settings.fixed(plainArguments);
  const imageSize = fixedSize(fields) ?? known.imageSize;
  const config = withKind(settings, withSizes(settings, { ...known, imageSize }));
  return {
    config: withPooling(fields, config),
    classes: fields.integer("num_classes", 1000, { least: 0 }),
  };
}

/** Side of the pictures that timm makes the tower for where `model_args` does not say it. */
function fixedSize(fields: StrictFields): number | undefined {
  const pretrained = fields.section("pretrained_cfg");
  if (!pretrained.boolean("fixed_input_size", false)) return undefined;
  const size = pretrained.raw("input_size");
  if (size === undefined) return undefined;
  const [channels, height, width] = Array.isArray(size) ? (size as unknown[]) : [];
  const fits = channels === 3 && height === width && Number.isInteger(height) && Number(height) > 0;
  return fits ? Number(height) : pretrained.unsupported("input_size", "[3, S, S]");
}

function withSizes(
  settings: StrictFields,
  known: VisionTransformerConfig,
): VisionTransformerConfig {
  const width = settings.integer("embed_dim", known.width);
  const ratio = settings.number("mlp_ratio", known.mlpWidth / known.width);
  const same = settings.raw("mlp_ratio") === undefined && width === known.width;
  const imageSize = settings.side("img_size", known.imageSize);
  const patchSize = settings.side("patch_size", known.patchSize);
  return {
    ...known,
    imageSize,
    patchSize,
    ...partialPatches(imageSize, patchSize),
    width,
    depth: settings.integer("depth", known.depth, { most: 10_000 }),
    heads: settings.integer("num_heads", known.heads),
    mlpWidth: same ? known.mlpWidth : Math.trunc(width * ratio),
  };
}

function withKind(settings: StrictFields, known: VisionTransformerConfig): VisionTransformerConfig {
  const before = settings.boolean("pre_norm", known.normBefore ?? false);
  const name = settings.text("act_layer");
  const activation =
    name === undefined
      ? known.activation
      : (activations.get(name) ??
        settings.unsupported("act_layer", `one of ${[...activations.keys()].join(", ")}`));
  const classToken = settings.boolean("class_token", known.classToken ?? true);
  return { ...known, classToken, normBefore: before, patchBias: !before, activation };
}

const poolings: ReadonlyMap<string, NonNullable<VisionTransformerConfig["pooling"]>> = new Map([
  ["token", "class"],
  ["map", "map"],
  ["avg", "mean"],
]);

/**
 * How the tokens become one. The mean of a tower that was made for another pooling has its norm behind
 * it (`fc_norm`), as has one that `model_args` asks for. timm only notes the `global_pool` at the top,
 * so one that it would not make is refused.
 */
function withPooling(
  fields: StrictFields,
  known: VisionTransformerConfig,
): VisionTransformerConfig {
  const settings = fields.section("model_args");
  const asked = settings.text("global_pool");
  const pooling =
    asked === undefined
      ? (known.pooling ?? "class")
      : (poolings.get(asked) ??
        settings.unsupported("global_pool", `one of ${[...poolings.keys()].join(", ")}`));
  const noted = fields.text("global_pool");
  if (noted !== undefined && poolings.get(noted) !== pooling) {
    const made = [...poolings].find(([, one]) => one === pooling)?.[0];
    fields.unsupported("global_pool", `"${made}", which architecture and model_args make,`);
  }
  const behind = pooling === "mean" && asked !== undefined && known.pooling !== "mean";
  if (settings.boolean("fc_norm", behind)) {
    settings.unsupported(
      settings.raw("fc_norm") === undefined ? "global_pool" : "fc_norm",
      "no norm behind the mean",
    );
  }
  if (pooling === "map" && known.classToken)
    fields.unsupported("global_pool", "no map beside a class token");
  return { ...known, pooling };
}
