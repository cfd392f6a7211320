/** CLIP's published sizes as named configurations (openai/CLIP, open_clip model_configs). */
import { didYouMean, RecipeError } from "../errors.ts";
import type { TextTransformerConfig } from "../towers/text/text-transformer.ts";
import type { VisionTransformerConfig } from "../towers/image/vision-transformer.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";

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

export interface TextSize {
  width: number;
  depth: number;
  heads: number;
}

/** CLIP's text tower of a size: causal, 77 tokens, OpenAI's vocabulary. */
export function clipText(size: TextSize, activation: Activation): TextTransformerConfig {
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

/** A fresh copy of a published configuration; RecipeError for an unknown name. */
export function clipConfig(name: string): ClipConfig {
  const make = Object.hasOwn(configs, name) ? configs[name] : undefined;
  if (make) return make();
  throw new RecipeError(
    "model",
    `Expected one of ${clipConfigNames.join(", ")} for model but received "${name}";` +
      (didYouMean(name, clipConfigNames) || " give a configuration object for another size"),
  );
}
