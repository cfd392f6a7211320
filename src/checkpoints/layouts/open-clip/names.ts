/**
 * The models that open_clip has by name (open_clip 3.3, model_configs/*.json) and limn computes, as
 * the `model_cfg` of each. Others of its names have towers that limn lacks.
 */
import { CheckpointError, didYouMean } from "../../../errors.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { fromModelConfig, type OpenClipModel } from "./model-config.ts";

/** Width, heads and layers of a text tower. */
type Text = readonly [width: number, heads: number, layers: number];

const text256: Text = [256, 4, 10];
const text384: Text = [384, 6, 12];
const text512: Text = [512, 8, 12];
const text640: Text = [640, 10, 12];
const text768: Text = [768, 12, 12];
const text1024: Text = [1024, 16, 24];
const text1280: Text = [1280, 20, 32];

function textFields([width, heads, layers]: Text): JsonObject {
  return { context_length: 77, vocab_size: 49_408, width, heads, layers };
}

/** A ViT's width, layers, heads' width and perceptron; absent figures are open_clip's defaults. */
const vits: Readonly<Record<string, JsonObject>> = {
  S: { width: 384, layers: 12 },
  M: { width: 512, layers: 12 },
  B: { width: 768, layers: 12 },
  "B-plus": { width: 896, layers: 12 },
  L: { width: 1024, layers: 24 },
  H: { width: 1280, layers: 32, head_width: 80 },
  g: { width: 1408, layers: 40, head_width: 88, mlp_ratio: 4.3637 },
  bigG: { width: 1664, layers: 48, head_width: 104, mlp_ratio: 4.9231 },
  e: { width: 1792, layers: 56, head_width: 112, mlp_ratio: 8.5715 },
};

/** Name, ViT, patch, image, embedding, text, and whether there is a `-quickgelu` twin. */
const nativeVits: readonly (readonly [string, string, number, number, number, Text, boolean?])[] = [
  ["ViT-S-16", "S", 16, 224, 384, text384],
  ["ViT-S-16-alt", "S", 16, 224, 256, text256],
  ["ViT-S-32", "S", 32, 224, 384, text384],
  ["ViT-S-32-alt", "S", 32, 224, 256, text256],
  ["ViT-M-16", "M", 16, 224, 512, text512],
  ["ViT-M-32", "M", 32, 224, 512, text512],
  ["ViT-M-32-alt", "M", 32, 224, 384, text384],
  ["ViT-B-16", "B", 16, 224, 512, text512, true],
  ["ViT-B-16-plus", "B-plus", 16, 224, 640, text640],
  ["ViT-B-16-plus-240", "B-plus", 16, 240, 640, text640],
  ["ViT-B-32", "B", 32, 224, 512, text512, true],
  ["ViT-B-32-256", "B", 32, 256, 512, text512],
  ["ViT-B-32-plus-256", "B-plus", 32, 256, 640, text640],
  ["ViT-L-14", "L", 14, 224, 768, text768, true],
  ["ViT-L-14-280", "L", 14, 280, 768, text768],
  ["ViT-L-14-336", "L", 14, 336, 768, text768, true],
  ["ViT-L-16", "L", 16, 224, 768, text768],
  ["ViT-L-16-320", "L", 16, 320, 768, text768],
  ["ViT-H-14", "H", 14, 224, 1024, text1024, true],
  ["ViT-H-14-378", "H", 14, 378, 1024, text1024, true],
  ["ViT-H-16", "H", 16, 224, 1024, text1024],
  ["ViT-g-14", "g", 14, 224, 1024, text1024],
  ["ViT-bigG-14", "bigG", 14, 224, 1280, text1280, true],
  ["ViT-e-14", "e", 14, 224, 1280, [1280, 20, 36]],
];

/** Name, stages, width, image, embedding, text; all have a `-quickgelu` twin. */
const resNets: readonly (readonly [string, readonly number[], number, number, number, Text])[] = [
  ["RN50", [3, 4, 6, 3], 64, 224, 1024, text512],
  ["RN101", [3, 4, 23, 3], 64, 224, 512, text512],
  ["RN50x4", [4, 6, 10, 6], 80, 288, 640, text640],
  ["RN50x16", [6, 8, 18, 8], 96, 384, 768, text768],
  ["RN50x64", [3, 15, 36, 10], 128, 448, 1024, [1024, 16, 12]],
];

/** Text in many languages, read at the end that its tokenizer has; `quick`: with a `-quickgelu` twin. */
const worldwide: readonly (readonly [string, { sizes?: number[]; quick?: boolean }, JsonObject])[] =
  [
    ["ViT-L-14", { quick: true }, manyLanguages(250_100, 1)],
    ["ViT-H-14", { sizes: [378], quick: true }, manyLanguages(901_629, 2)],
    ["ViT-bigG-14", { sizes: [378] }, manyLanguages(901_629, 2)],
  ];

function manyLanguages(vocabSize: number, end: number): JsonObject {
  const mt5 = { hf_tokenizer_name: "google/mt5-base", tokenizer_kwargs: { clean: "canonicalize" } };
  const tokenizer = end === 1 ? mt5 : { hf_tokenizer_name: "facebook/xlm-v-base" };
  return { ...tokenizer, pool_type: "eos", eos_id: end, context_length: 77, vocab_size: vocabSize };
}

const tanh = { act_kwargs: { approximate: "tanh" } };
const english = { vocab_size: 32_000, hf_tokenizer_name: "timm/ViT-B-16-SigLIP" };
const international = { vocab_size: 250_000, hf_tokenizer_name: "timm/ViT-B-16-SigLIP-i18n-256" };
const so400mText = { width: 1152, heads: 16, layers: 27, mlp_ratio: 3.7362 };
const siglipTexts: Readonly<Record<string, JsonObject>> = {
  B: { width: 768, heads: 12, layers: 12 },
  L: { width: 1024, heads: 16, layers: 24 },
  SO400M: so400mText,
  gopt: so400mText,
};
const siglipWords = { B: "base", L: "large", SO400M: "so400m", gopt: "giantopt" } as const;
const siglipWidths = { B: 768, L: 1024, SO400M: 1152, gopt: 1536 } as const;

/** Size, patch, and what follows `SigLIP`: versions and sizes of pictures, 224 where none is named. */
const siglips: readonly (readonly [keyof typeof siglipWords, number, string])[] = [
  ["B", 16, "SigLIP SigLIP-256 SigLIP-384 SigLIP-512 SigLIP-i18n-256"],
  ["B", 16, "SigLIP2 SigLIP2-256 SigLIP2-384 SigLIP2-512"],
  ["B", 32, "SigLIP2-256"],
  ["L", 16, "SigLIP-256 SigLIP-384 SigLIP2-256 SigLIP2-384 SigLIP2-512"],
  ["SO400M", 14, "SigLIP SigLIP-378 SigLIP-384 SigLIP2 SigLIP2-378"],
  ["SO400M", 16, "SigLIP-i18n-256 SigLIP2-256 SigLIP2-384 SigLIP2-512"],
  ["gopt", 16, "SigLIP2-256 SigLIP2-384"],
];

function siglip(size: keyof typeof siglipWords, patch: number, version: string): JsonObject {
  const imageSize = Number(/\d{3}$/.exec(version)?.[0] ?? 224);
  const second = version.startsWith("SigLIP2");
  const headless = size === "SO400M" && version.includes("i18n");
  return {
    embed_dim: siglipWidths[size],
    init_logit_bias: -10,
    custom_text: true,
    vision_cfg: {
      image_size: imageSize,
      timm_model_name: `vit_${siglipWords[size]}_patch${patch}_siglip_${imageSize}`,
      timm_pool: "map",
      timm_proj: "none",
    },
    text_cfg: {
      context_length: size === "SO400M" && version === "SigLIP" ? 16 : 64,
      ...siglipVocabulary(version, `timm/ViT-${size}-${patch}-${version}`),
      tokenizer_kwargs: { clean: "canonicalize" },
      ...siglipTexts[size],
      no_causal_mask: true,
      ...(headless ? { proj_type: "none" } : { proj_bias: true }),
      pool_type: "last",
      norm_kwargs: { eps: 1e-6 },
      ...(second && tanh),
    },
  };
}

function siglipVocabulary(version: string, own: string): JsonObject {
  if (version.startsWith("SigLIP2")) return { vocab_size: 256_000, hf_tokenizer_name: own };
  return version.includes("i18n") ? international : english;
}

const mobileClip: JsonObject = {
  embed_dim: 768,
  vision_cfg: {
    timm_model_name: "vit_large_patch14_clip_224",
    timm_pool: "token",
    timm_proj: null,
    timm_drop_path: 0.1,
    image_size: 224,
  },
  text_cfg: { ...textFields(text768), no_causal_mask: true },
  custom_text: true,
};

type Entry = readonly [string, JsonObject];

function twins(name: string, json: JsonObject, twin = true): Entry[] {
  return twin
    ? [
        [name, json],
        [`${name}-quickgelu`, { ...json, quick_gelu: true }],
      ]
    : [[name, json]];
}

function nativeEntries(): Entry[] {
  return nativeVits.flatMap(([name, vit, patch, image, embedDim, text, twin = false]) => {
    const sizes = { ...vits[vit], patch_size: patch, image_size: image };
    return twins(name, pair(embedDim, sizes, textFields(text)), twin);
  });
}

function pair(embedDim: number, vision: JsonObject, text: JsonObject): JsonObject {
  return { embed_dim: embedDim, vision_cfg: vision, text_cfg: text };
}

function resNetEntries(): Entry[] {
  return resNets.flatMap(([name, layers, width, image, embedDim, text]) =>
    twins(name, pair(embedDim, { layers, width, image_size: image }, textFields(text))),
  );
}

/** The model of the same name with another vocabulary and another place to read. */
function worldwideEntries(native: readonly Entry[]): Entry[] {
  const named = new Map(native);
  return worldwide.flatMap(([name, { sizes = [], quick = false }, tokens]) => {
    const base = named.get(name) as { vision_cfg: object; text_cfg: object };
    const json = { ...base, text_cfg: { ...base.text_cfg, ...tokens } };
    const larger = sizes.map((size): Entry => {
      const vision = { ...base.vision_cfg, image_size: size };
      return [`${name}-worldwide-${size}`, { ...json, vision_cfg: vision }];
    });
    return [...twins(`${name}-worldwide`, json, quick), ...larger];
  });
}

function siglipEntries(): Entry[] {
  return siglips.flatMap(([size, patch, versions]) =>
    versions
      .split(" ")
      .map((version): Entry => [`ViT-${size}-${patch}-${version}`, siglip(size, patch, version)]),
  );
}

const native = nativeEntries();
const models: Readonly<Record<string, JsonObject>> = Object.fromEntries([
  ...native,
  ...resNetEntries(),
  ...worldwideEntries(native),
  ...siglipEntries(),
  ["MobileCLIP2-L-14", mobileClip],
]);

/** The names `openClipModel` knows. */
export const openClipNames: readonly string[] = Object.keys(models);

/** `ViT-L/14@336px`, as OpenAI writes it, is `ViT-L-14-336` here. */
function dashed(name: string): string {
  return name.replaceAll("/", "-").replace(/@(\d+)px$/, "-$1");
}

/**
 * The model of a name of open_clip, `ViT-B-32` or `ViT-B/32`.
 *
 * file    that the name was given for, for messages
 * throws  CheckpointError for another name, with the nearest
 */
export function openClipModel(file: string, name: string): OpenClipModel {
  const known = dashed(name);
  const json = Object.hasOwn(models, known) ? models[known] : undefined;
  if (json !== undefined) return fromModelConfig(file, json, { path: `${known}: ` });
  throw new CheckpointError(
    file,
    `Expected the name of an open_clip model that limn has for architecture of ${file} but ` +
      `received "${name}";${didYouMean(known, openClipNames) || " such as ViT-B-32 or RN50-quickgelu"}`,
  );
}
