/**
 * `vision_cfg` and `text_cfg` of open_clip (model.py, `CLIPVisionCfg` and `CLIPTextCfg`) as an image and
 * a text tower.
 */
import type { ImageTowerConfig } from "../../../towers/index.ts";
import type { ModifiedResNetConfig } from "../../../towers/image/modified-resnet.ts";
import {
  partialPatches,
  type VisionTransformerConfig,
} from "../../../towers/image/vision-transformer.ts";
import type { StrictFields } from "../strict-fields.ts";
import type { TimmVits } from "../timm/names.ts";
import type { OpenClipNames } from "./keys.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import { readAtArgmax } from "../end-of-text.ts";
import type { Activation } from "../../../nn/activation.ts";

/** Far beyond any model; keeps a damaged file from making a key table that fills the memory. */
const maxDepth = 10_000;

/** Blocks that limn does not have, each with the values that leave it out. */
const blockSettings: Readonly<Record<string, readonly unknown[]>> = {
  ls_init_value: [],
  block_type: ["default"],
  qk_norm: [false],
  scaled_cosine_attn: [false],
  scale_heads: [false],
  scale_attn_inner: [false],
  scale_attn: [false],
  scale_fc: [false],
};

interface LayerSettings {
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

function layerSettings(fields: StrictFields, width: number, quickGelu: boolean): LayerSettings {
  const mlpWidth = Math.trunc(width * fields.number("mlp_ratio", 4));
  if (!(mlpWidth >= 1)) fields.fail("mlp_ratio", "a number that leaves the perceptron a width");
  return { mlpWidth, activation: readActivation(fields, quickGelu), normEpsilon: epsilon(fields) };
}

function epsilon(fields: StrictFields): number {
  const norm = fields.section("norm_kwargs");
  norm.only(["eps"]);
  return norm.number("eps", 1e-5);
}

function readActivation(fields: StrictFields, quickGelu: boolean): Activation {
  const settings = fields.section("act_kwargs");
  settings.only(["approximate"]);
  const approximate = settings.raw("approximate");
  if (quickGelu) {
    // QuickGELU takes no settings: open_clip itself fails on them.
    if (approximate !== undefined) fields.unsupported("act_kwargs", "nothing beside quick_gelu");
    return "quickGelu";
  }
  settings.fixed({ approximate: ["none", "tanh"] });
  return approximate === "tanh" ? "geluTanh" : "gelu";
}

interface OpenClipImage {
  config: ImageTowerConfig;
  /** False where the tower's features are the embeddings. */
  projection: boolean;
  names: Pick<OpenClipNames, "image" | "timmHead">;
}

const imageSizeFields = ["layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size"];
const vitFields = [
  ...["ls_init_value", "patch_dropout", "attentional_pool", "attn_pooler_queries"],
  ...["attn_pooler_heads", "no_ln_pre", "pos_embed_type", "final_ln_after_pool", "pool_type"],
  ...["output_tokens", "act_kwargs", "norm_kwargs", ...Object.keys(blockSettings)],
];
const timmFields = [
  ...["timm_model_name", "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias"],
  ...["timm_drop", "timm_drop_path"],
];

/** Fields that the kind of tower at hand does not look at are free to have any value. */
export function readImage(
  fields: StrictFields,
  quickGelu: boolean,
  timmVits: TimmVits,
): OpenClipImage {
  fields.only([...imageSizeFields, ...vitFields, ...timmFields]);
  fields.fixed({ output_tokens: [false] });
  const name = fields.text("timm_model_name");
  if (name !== undefined) return readTimm(fields, name, timmVits);
  const resNet = Array.isArray(fields.raw("layers"));
  const config = resNet ? readResNet(fields) : readVit(fields, quickGelu);
  const image = resNet ? "modifiedResNet" : "vit";
  return { config, projection: true, names: { image, timmHead: "own" } };
}

function readResNet(fields: StrictFields): ModifiedResNetConfig {
  const depths = fields.raw("layers") as unknown[];
  const fits = depths.length === 4 && depths.every((depth) => isDepth(depth));
  if (!fits) fields.fail("layers", "the bottlenecks of four stages");
  const width = fields.integer("width", 768);
  return {
    kind: "modifiedResNet",
    imageSize: fields.side("image_size", 224),
    width,
    depths: depths as [number, number, number, number],
    heads: Math.floor((32 * width) / fields.integer("head_width", 64)),
  };
}

function isDepth(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxDepth;
}

function readVit(fields: StrictFields, quickGelu: boolean): VisionTransformerConfig {
  fields.fixed({
    attentional_pool: [false],
    pos_embed_type: ["learnable"],
    pool_type: ["tok", "avg"],
    ...blockSettings,
  });
  const mean = fields.raw("pool_type") === "avg";
  // Of a single token the norm before and after pooling is the same.
  if (mean) fields.fixed({ final_ln_after_pool: [false] });
  const width = fields.integer("width", 768);
  const heads = width / fields.integer("head_width", 64);
  if (!Number.isInteger(heads)) fields.fail("head_width", `a divisor of width ${width}`);
  const dropout = fields.number("patch_dropout", 0);
  const imageSize = fields.side("image_size", 224);
  const patchSize = fields.side("patch_size", 16);
  return {
    kind: "vit",
    imageSize,
    patchSize,
    ...partialPatches(imageSize, patchSize),
    width,
    depth: fields.integer("layers", 12, { most: maxDepth }),
    heads,
    ...layerSettings(fields, width, quickGelu),
    ...(mean && { pooling: "mean" as const }),
    ...(fields.boolean("no_ln_pre", false) && { normBefore: false }),
    ...(dropout > 0 && { patchDropout: dropout }),
  };
}

type Pooling = NonNullable<VisionTransformerConfig["pooling"]>;

const poolings: Readonly<Record<string, Pooling>> = {
  token: "class",
  map: "map",
  avg: "mean",
};

function readTimm(fields: StrictFields, name: string, timmVits: TimmVits): OpenClipImage {
  const known = timmVits(name);
  if (known === undefined) {
    fields.unsupported(
      "timm_model_name",
      "a plain ViT of timm, such as vit_base_patch16_siglip_224,",
    );
  }
  fields.fixed({ timm_drop: [0], timm_proj: ["linear", "none", ""] });
  const proj =
    fields.text("timm_proj") ?? (Object.hasOwn(fields.values, "timm_proj") ? "" : "linear");
  const pool = fields.text("timm_pool") ?? "avg";
  const dropPath = fields.number("timm_drop_path", 0);
  const dropout = fields.number("patch_dropout", 0);
  const imageSize = fields.side("image_size", 224);
  if (imageSize !== known.imageSize) {
    fields.unsupported("image_size", `${known.imageSize}, the size of ${name},`);
  }
  const pooling = timmPooling(fields, known, { pool, kept: proj === "linear" });
  const bias = proj === "linear" ? fields.boolean("timm_proj_bias", false) : proj === "";
  const config = {
    ...known,
    pooling,
    ...(bias && { projectionBias: true }),
    ...(dropPath > 0 && { stochasticDepth: dropPath }),
    ...(dropout > 0 && { patchDropout: dropout }),
  };
  const timmHead = proj === "" ? "trunk" : "own";
  return { config, projection: proj !== "none", names: { image: "timm", timmHead } };
}

/**
 * Behind a projection of open_clip's own an empty pool keeps the tower's; else the tower is made with
 * the pool, and timm then puts the norm behind a mean (`fc_norm`).
 */
function timmPooling(
  fields: StrictFields,
  known: VisionTransformerConfig,
  { pool, kept }: { pool: string; kept: boolean },
): Pooling {
  const { pooling: own = "class" } = known;
  if (kept && pool === "") return own;
  const asked = poolings[pool];
  const changes = asked !== own;
  const possible = asked === "mean" ? kept : asked === "class" && known.classToken;
  if (asked === undefined || (changes && !possible)) {
    const fits = Object.entries(poolings).find(([, pooling]) => pooling === own);
    fields.unsupported("timm_pool", `"${fits?.[0]}"`);
  }
  return asked;
}

interface OpenClipText {
  config: TextTransformerConfig;
  /** False where the tower's features are the embeddings. */
  projection: boolean;
}

const textSizeFields = ["context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"];
const towerFields = [
  ...["embed_cls", "pad_id", "eos_id", "no_causal_mask", "pool_type", "proj_bias", "proj_type"],
  ...["final_ln_after_pool", "output_tokens", "act_kwargs", "norm_kwargs"],
  ...Object.keys(blockSettings),
];
const tokenizerFields = ["hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs"];
const libraryFields = ["hf_model_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"];

/** `</s>` of SigLIP's vocabulary and `<eos>` of Gemma's: a tower that reads the last place needs none. */
const sentencePieceEnd = 1;

export function readText(fields: StrictFields, quickGelu: boolean): OpenClipText {
  fields.only([...textSizeFields, ...towerFields, ...tokenizerFields, ...libraryFields]);
  // The sizes of such a tower are in none of the checkpoint's files.
  if (fields.text("hf_model_name") !== undefined) {
    fields.unsupported("hf_model_name", "nothing, open_clip's own text tower,");
  }
  fields.fixed({
    embed_cls: [false],
    output_tokens: [false],
    final_ln_after_pool: [false],
    pool_type: ["argmax", "eos", "last"],
    proj_type: ["linear", "none"],
    ...blockSettings,
  });
  const projection = fields.raw("proj_type") !== "none";
  const width = fields.integer("width", 512);
  const heads = fields.integer("heads", 8);
  if (width % heads !== 0) fields.fail("heads", `a divisor of width ${width}`);
  const bias = projection && fields.boolean("proj_bias", false);
  const config: TextTransformerConfig = {
    kind: "transformer",
    contextLength: fields.integer("context_length", 77),
    vocabSize: fields.integer("vocab_size", 49_408),
    width,
    depth: fields.integer("layers", 12, { most: maxDepth }),
    heads,
    ...layerSettings(fields, width, quickGelu),
    ...endOfText(fields),
    padTokenId: fields.integer("pad_id", 0, { least: 0 }),
    ...(fields.boolean("no_causal_mask", false) && { attention: "bidirectional" as const }),
    ...(bias && { projectionBias: true }),
  };
  return { config, projection };
}

/** Where the tower is read; `argmax` looks for the greatest id of a row. */
function endOfText(fields: StrictFields): Pick<TextTransformerConfig, "eotTokenId" | "pooling"> {
  const pooling = fields.raw("pool_type") ?? "argmax";
  const vocabSize = fields.integer("vocab_size", 49_408);
  if (pooling === "argmax") return readAtArgmax(vocabSize);
  if (pooling === "last") return { eotTokenId: sentencePieceEnd, pooling: "last" };
  const id = fields.integer("eos_id", 2, { least: 0 });
  if (id >= vocabSize) fields.fail("eos_id", `an id below vocab_size ${vocabSize}`);
  return { eotTokenId: id };
}
