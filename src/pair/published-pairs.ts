/** The published pairs by name: CLIP's ViTs and ResNets, ALIGN, SigLIP, SigLIP 2, LiT. */
import { didYouMean, RecipeError } from "../errors.ts";
import type { ImageTowerConfig } from "../towers/index.ts";
import { namedImageTower, namedTextTower } from "../towers/index.ts";
import { clipConfig, clipConfigNames, clipText } from "./clip-configs.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";

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

/** Of So400m/14 at 384 pixels, which hold 27 patches and a rest. */
function completed(image: ImageTowerConfig): ImageTowerConfig {
  if (image.kind !== "vit" || image.imageSize % image.patchSize === 0) return image;
  return { ...image, dropsPartialPatches: true };
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
    text: { ...namedTextTower(text), activation: "geluTanh" },
    imageProjection: false,
    logitScaleLogInit: Math.log(10),
  };
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
};

/** The names `pairConfig` knows. */
export const pairNames: readonly string[] = Object.keys(pairs);

/** A fresh copy of a published pair's configuration; RecipeError for an unknown name. */
export function pairConfig(name: string): DualEncoderConfig {
  const make = Object.hasOwn(pairs, name) ? pairs[name] : undefined;
  if (make) return make();
  throw new RecipeError(
    "model",
    `Expected one of ${pairNames.join(", ")} for model but received "${name}";` +
      (didYouMean(name, pairNames) || " give a configuration object for another size"),
  );
}

/** The name of the published pair whose towers have these sizes, whatever the vocabulary; else undefined. */
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
