/** `vision_cfg` of open_clip (model.py, `CLIPVisionCfg`) as an image tower. */
import type { ImageTowerConfig } from "../../../towers/index.ts";
import type { ModifiedResNetConfig } from "../../../towers/image/modified-resnet.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import { partialPatches } from "../partial-patches.ts";
import type { StrictFields } from "../strict-fields.ts";
import type { TimmVits } from "../timm/names.ts";
import type { OpenClipNames } from "./keys.ts";
import { blockSettings, layerSettings, maxDepth } from "./layer-settings.ts";

export interface OpenClipImage {
  config: ImageTowerConfig;
  /** False where the tower's features are the embeddings. */
  projection: boolean;
  names: Pick<OpenClipNames, "image" | "timmHead">;
}

const sizeFields = ["layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size"];
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
  fields.only([...sizeFields, ...vitFields, ...timmFields]);
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
    fields.refuse("timm_model_name", "a plain ViT of timm, such as vit_base_patch16_siglip_224,");
  }
  fields.fixed({ timm_drop: [0], timm_proj: ["linear", "none", ""] });
  const proj =
    fields.text("timm_proj") ?? (Object.hasOwn(fields.values, "timm_proj") ? "" : "linear");
  const pool = fields.text("timm_pool") ?? "avg";
  const dropPath = fields.number("timm_drop_path", 0);
  const dropout = fields.number("patch_dropout", 0);
  const imageSize = fields.side("image_size", 224);
  if (imageSize !== known.imageSize) {
    fields.fail("image_size", `${known.imageSize}, the size of ${name},`);
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
    fields.refuse("timm_pool", `"${fits?.[0]}"`);
  }
  return asked;
}
