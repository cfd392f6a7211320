/** The published pairs by name: CLIP's ViTs and ResNets, ALIGN, SigLIP, SigLIP 2, LiT; and small ones of limn's own. */
import { didYouMean, SettingError } from "../errors.ts";
import { type ImageTowerConfig, namedImageTower, namedTextTower } from "../towers/index.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";
import type { BertConfig } from "../towers/text/bert-tower.ts";
import type { TextTransformerConfig } from "../towers/text/text-transformer.ts";
import {
  partialPatches,
  type VisionTransformerConfig,
} from "../towers/image/vision-transformer.ts";

/** A pair that Hugging Face's `CLIPModel` is too: CLIP's ViT and CLIP's causal text transformer. */
export interface ClipConfig extends DualEncoderConfig {
  image: VisionTransformerConfig;
  text: TextTransformerConfig;
}

const textSettings = {
  kind: "transformer",
  contextLength: 77,
  vocabSize: 49408,
  normEpsilon: 1e-5,
  eotTokenId: 49407,
  padTokenId: 0,
} as const;

type Activation = VisionTransformerConfig["activation"];

interface ImageSize {
  imageSize?: number;
  patchSize: number;
  width: number;
  depth: number;
  heads: number;
  mlpWidth?: number;
}

interface TextSize {
  width: number;
  depth: number;
  heads: number;
}

/** CLIP's text tower of a size: causal, 77 tokens, OpenAI's vocabulary. */
function clipText(size: TextSize, activation: Activation): TextTransformerConfig {
  return { ...textSettings, mlpWidth: 4 * size.width, activation, ...size };
}

function clip(
  embedDim: number,
  image: ImageSize,
  text: TextSize,
  activation: Activation,
): ClipConfig {
  return {
    embedDim,
    image: {
      kind: "vit",
      imageSize: 224,
      mlpWidth: 4 * image.width,
      activation,
      normEpsilon: 1e-5,
      ...image,
    },
    text: clipText(text, activation),
    logitScaleLogInit: Math.log(1 / 0.07),
  };
}

const text512: TextSize = { width: 512, depth: 12, heads: 8 };
const text768: TextSize = { width: 768, depth: 12, heads: 12 };
const text1024: TextSize = { width: 1024, depth: 24, heads: 16 };
const base: Omit<ImageSize, "patchSize"> = { width: 768, depth: 12, heads: 12 };
const large: ImageSize = { patchSize: 14, width: 1024, depth: 24, heads: 16 };
const huge: ImageSize = { patchSize: 14, width: 1280, depth: 32, heads: 16 };
const giant: ImageSize = { patchSize: 14, width: 1408, depth: 40, heads: 16, mlpWidth: 6144 };
const bigGiant: ImageSize = { patchSize: 14, width: 1664, depth: 48, heads: 16, mlpWidth: 8192 };

/** QuickGELU for OpenAI's own sizes, GELU for those that open_clip added. */
const configs: Record<string, () => ClipConfig> = {
  "ViT-B/32": () => clip(512, { ...base, patchSize: 32 }, text512, "quickGelu"),
  "ViT-B/16": () => clip(512, { ...base, patchSize: 16 }, text512, "quickGelu"),
  "ViT-L/14": () => clip(768, large, text768, "quickGelu"),
  "ViT-L/14-336": () => clip(768, { ...large, imageSize: 336 }, text768, "quickGelu"),
  "ViT-H/14": () => clip(1024, huge, text1024, "gelu"),
  "ViT-g/14": () => clip(1024, giant, text1024, "gelu"),
  "ViT-bigG/14": () => clip(1280, bigGiant, { width: 1280, depth: 32, heads: 20 }, "gelu"),
};

/** The names `clipConfig` knows. */
export const clipConfigNames: readonly string[] = Object.keys(configs);

/** A fresh copy of a published configuration; SettingError for an unknown name. */
export function clipConfig(name: string): ClipConfig {
  const make = Object.hasOwn(configs, name) ? configs[name] : undefined;
  if (make) return make();
  throw new SettingError(
    "model",
    `Expected one of ${clipConfigNames.join(", ")} for model but received "${name}";` +
      (didYouMean(name, clipConfigNames) || " give a configuration object for another size"),
  );
}

/** CLIP's ResNets with the text width and heads of each (openai/CLIP; open_clip model_configs). */
function clipResNet(name: string, embedDim: number, width: number): DualEncoderConfig {
  return {
    embedDim,
    image: namedImageTower(name),
    text: clipText({ width, depth: 12, heads: width / 64 }, "quickGelu"),
    logitScaleLogInit: Math.log(1 / 0.07),
  };
}

interface SiglipOptions {
  /** Of another one than the tower's. */
  imageSize?: number;
  contextLength?: number;
}

/** SigLIP: no image head, a text head as wide as the image tower (arXiv:2303.15343; two_towers.py). */
function siglip(
  image: string,
  text: string,
  embedDim: number,
  options: SiglipOptions = {},
): () => DualEncoderConfig {
  return (): DualEncoderConfig => {
    const { imageSize, contextLength } = options;
    const size = imageSize === undefined ? {} : { imageSize };
    const context = contextLength === undefined ? {} : { contextLength };
    return {
      embedDim,
      image: completed({ ...namedImageTower(image), ...size }),
      text: { ...namedTextTower(text), ...context },
      imageProjection: false,
      logitScaleLogInit: Math.log(10),
      logitBiasInit: -10,
    };
  };
}

/** So400m/14 at 384 pixels, which hold 27 patches and a rest. */
function completed(image: ImageTowerConfig): ImageTowerConfig {
  if (image.kind !== "vit") return image;
  return { ...image, ...partialPatches(image.imageSize, image.patchSize) };
}

/** The sizes of SigLIP 2 (arXiv:2502.14786, table 1), each at its image sizes. */
function siglip2(
  letter: string,
  patchSize: number,
  embedDim: number,
  imageSizes: readonly number[],
): Record<string, () => DualEncoderConfig> {
  const text = letter === "g-opt" ? "siglip2-So400m" : `siglip2-${letter}`;
  const name = `SigLIP2-${letter}/${patchSize}`;
  return Object.fromEntries(
    imageSizes.map((imageSize, i) => [
      i === 0 ? name : `${name}-${imageSize}`,
      siglip(`siglip-${letter}/${patchSize}`, text, embedDim, { imageSize }),
    ]),
  );
}

/** LiT: an AugReg ViT without a head, BERT with one (arXiv:2111.07991, section 5; models_lit.py). */
function lit(image: string, text: string, embedDim: number): DualEncoderConfig {
  return {
    embedDim,
    image: namedImageTower(image),
    text: { ...namedBert(text), activation: "geluTanh", padding: "anywhere" },
    imageProjection: false,
    logitScaleLogInit: Math.log(10),
  };
}

function namedBert(name: string): BertConfig {
  return namedTextTower(name) as BertConfig;
}

/** EfficientNet-B7 at 289 pixels and BERT-base (kakaobrain/align-base; arXiv:2102.05918). */
function align(): DualEncoderConfig {
  return {
    embedDim: 640,
    image: namedImageTower("EfficientNet-B7-ALIGN"),
    text: namedTextTower("bert-base"),
    imageProjection: false,
    logitScaleLogInit: 0,
    logitScaleAs: "temperature",
  };
}

/** Pairs of limn's own for training from scratch, each called as its image tower is. */
function small(image: string, text: string, embedDim: number): () => DualEncoderConfig {
  return (): DualEncoderConfig => ({
    embedDim,
    image: namedImageTower(image),
    text: namedTextTower(text),
    logitScaleLogInit: Math.log(1 / 0.07),
  });
}

const smallPairs: Readonly<Record<string, () => DualEncoderConfig>> = {
  "ModifiedResNet-16/32px": small("ModifiedResNet-16/32px", "clip-text-128x2", 192),
  "ModifiedResNet-16/64px": small("ModifiedResNet-16/64px", "clip-text-128x2", 192),
  "ModifiedResNet-32/64px": small("ModifiedResNet-32/64px", "clip-text-256x4", 256),
  "ModifiedResNet-32/96px": small("ModifiedResNet-32/96px", "clip-text-256x4", 256),
  "ViT-Ti/4-32px": small("ViT-Ti/4-32px", "clip-text-128x2", 192),
  "ViT-Ti/8-64px": small("ViT-Ti/8-64px", "clip-text-128x2", 192),
};

/** The names of pairs that nobody published: small ones, to be trained from scratch. */
export const smallPairNames: readonly string[] = Object.keys(smallPairs);

const pairs: Readonly<Record<string, () => DualEncoderConfig>> = {
  ...Object.fromEntries(clipConfigNames.map((name) => [name, () => clipConfig(name)])),
  RN50: () => clipResNet("RN50", 1024, 512),
  RN101: () => clipResNet("RN101", 512, 512),
  RN50x4: () => clipResNet("RN50x4", 640, 640),
  RN50x16: () => clipResNet("RN50x16", 768, 768),
  RN50x64: () => clipResNet("RN50x64", 1024, 1024),
  ALIGN: align,
  "SigLIP-S/16": siglip("siglip-S/16", "siglip-S", 384),
  "SigLIP-B/16": siglip("siglip-B/16", "siglip-B", 768),
  "SigLIP-B/16-256": siglip("siglip-B/16", "siglip-B", 768, { imageSize: 256 }),
  "SigLIP-B/16-384": siglip("siglip-B/16", "siglip-B", 768, { imageSize: 384 }),
  "SigLIP-B/16-512": siglip("siglip-B/16", "siglip-B", 768, { imageSize: 512 }),
  "SigLIP-L/16": siglip("siglip-L/16", "siglip-L", 1024),
  "SigLIP-L/16-384": siglip("siglip-L/16", "siglip-L", 1024, { imageSize: 384 }),
  "SigLIP-So400m/14": siglip("siglip-So400m/14", "siglip-So400m", 1152, { contextLength: 16 }),
  "SigLIP-So400m/14-384": siglip("siglip-So400m/14", "siglip-So400m", 1152, { imageSize: 384 }),
  ...siglip2("B", 32, 768, [256]),
  ...siglip2("B", 16, 768, [224, 256, 384, 512]),
  ...siglip2("L", 16, 1024, [256, 384, 512]),
  ...siglip2("So400m", 14, 1152, [224, 384]),
  ...siglip2("So400m", 16, 1152, [256, 384, 512]),
  ...siglip2("g-opt", 16, 1536, [256, 384]),
  "SigLIP2-NaFlex-B/16": siglip("siglip2-NaFlex-B/16", "siglip2-B", 768),
  "SigLIP2-NaFlex-So400m/16": siglip("siglip2-NaFlex-So400m/16", "siglip2-So400m", 1152),
  "LiT-B/16": () => lit("augreg-B/16", "bert-base", 768),
  "LiT-L/16": () => lit("augreg-L/16", "bert-large", 1024),
  ...smallPairs,
};

/** The names `pairConfig` knows. */
export const pairNames: readonly string[] = Object.keys(pairs);

/** A fresh copy of a published pair's configuration; SettingError for an unknown name. */
export function pairConfig(name: string): DualEncoderConfig {
  const make = Object.hasOwn(pairs, name) ? pairs[name] : undefined;
  if (make) return make();
  throw new SettingError(
    "model",
    `Expected one of ${pairNames.join(", ")} for model but received "${name}";` +
      (didYouMean(name, pairNames) || " give a configuration object for another size"),
  );
}

/** The name of the pair whose towers have these sizes, whatever the vocabulary; else undefined. */
export function publishedPair(config: DualEncoderConfig): string | undefined {
  const wanted = sizesOf(config);
  return pairNames.find((name) => sizesOf(pairConfig(name)) === wanted);
}

/** Everything that has a size, as one text to compare. */
function sizesOf({ embedDim, image, text }: DualEncoderConfig): string {
  const free = ["vocabSize", "contextLength", "eotTokenId", "padTokenId"];
  const numbers = (tower: object): string =>
    JSON.stringify(
      Object.entries(tower)
        .filter(([key, value]) => !free.includes(key) && typeof value !== "string")
        .filter(([, value]) => typeof value !== "boolean")
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return [embedDim, image.kind, numbers(image), text.kind, numbers(text)].join();
}
