/**
 * Named sizes of towers beside CLIP's own: big_vision's `decode_variant` for images (AugReg and
 * SigLIP), BERT's, and the text transformers of SigLIP and LiT. Each call makes a fresh copy.
 */
import type { BertConfig } from "./bert.ts";
import type { NaflexVisionTransformerConfig } from "./naflex-vision-transformer.ts";
import type { TextTransformerConfig } from "./text-transformer.ts";
import type { VisionTransformerConfig } from "./vision-transformer.ts";

type Layers = Pick<TextTransformerConfig, "width" | "depth" | "heads" | "mlpWidth">;

/** Width, depth, width of the perceptron, heads. */
const layers = {
  Ti: [192, 12, 768, 3],
  S: [384, 12, 1536, 6],
  B: [768, 12, 3072, 12],
  L: [1024, 24, 4096, 16],
  So400m: [1152, 27, 4304, 16],
  H: [1280, 32, 5120, 16],
  g: [1408, 40, 6144, 16],
  "g-opt": [1536, 40, 6144, 16],
} as const;

type Letter = keyof typeof layers;

function layersOf(letter: Letter): Layers {
  const [width, depth, mlpWidth, heads] = layers[letter];
  return { width, depth, heads, mlpWidth };
}

/** Of every tower that big_vision trained. */
const bigVision = {
  activation: "geluTanh",
  normEpsilon: 1e-6,
  initialization: "bigVision",
} as const;

function vit(letter: Letter, patchSize: number, imageSize = 224): VisionTransformerConfig {
  const common = { ...bigVision, normBefore: false, patchBias: true, projectionBias: true };
  return { kind: "vit", imageSize, patchSize, ...layersOf(letter), ...common };
}

/** Class token in the table of positions, its output as features (Steiner et al., arXiv:2106.10270). */
const augreg = (letter: Letter, patchSize: number) => (): VisionTransformerConfig => ({
  ...vit(letter, patchSize),
  classToken: true,
  pooling: "class",
});

/** No class token, attention pooling; used without projection (arXiv:2303.15343). */
const siglip =
  (letter: Letter, patch: number, imageSize?: number) => (): VisionTransformerConfig => ({
    ...vit(letter, patch, imageSize),
    classToken: false,
    pooling: "map",
  });

export const vitSizes: Readonly<Record<string, () => VisionTransformerConfig>> = {
  "augreg-Ti/16": augreg("Ti", 16),
  "augreg-S/32": augreg("S", 32),
  "augreg-S/16": augreg("S", 16),
  "augreg-B/32": augreg("B", 32),
  "augreg-B/16": augreg("B", 16),
  "augreg-B/8": augreg("B", 8),
  "augreg-L/16": augreg("L", 16),
  "augreg-g/14": augreg("g", 14),
  "siglip-Ti/16": siglip("Ti", 16),
  "siglip-S/32": siglip("S", 32),
  "siglip-S/16": siglip("S", 16),
  "siglip-B/32": siglip("B", 32),
  "siglip-B/16": siglip("B", 16),
  "siglip-L/16": siglip("L", 16, 256),
  "siglip-So400m/14": siglip("So400m", 14),
  "siglip-So400m/16": siglip("So400m", 16, 256),
  "siglip-g-opt/16": siglip("g-opt", 16, 256),
};

const naflex = (letter: Letter) => (): NaflexVisionTransformerConfig => ({
  kind: "naflex",
  imageSize: 256,
  patchSize: 16,
  ...layersOf(letter),
  activation: bigVision.activation,
  normEpsilon: bigVision.normEpsilon,
  projectionBias: true,
});

/** Pictures of any aspect ratio (arXiv:2502.14786, section 2.4.2). */
export const naflexSizes: Readonly<Record<string, () => NaflexVisionTransformerConfig>> = {
  "siglip2-NaFlex-B/16": naflex("B"),
  "siglip2-NaFlex-So400m/16": naflex("So400m"),
};

const siglipText = (letter: Letter) => (): TextTransformerConfig => ({
  kind: "transformer",
  contextLength: 64,
  vocabSize: 32_000,
  ...layersOf(letter),
  ...bigVision,
  eotTokenId: 1,
  padTokenId: 1,
  attention: "bidirectional",
  pooling: "last",
  projectionBias: true,
});

/** Gemma's vocabulary, padded with id 0. */
const siglip2Text = (letter: Letter) => (): TextTransformerConfig => ({
  ...siglipText(letter)(),
  vocabSize: 256_000,
  padTokenId: 0,
});

const litText = (letter: Letter) => (): TextTransformerConfig => ({
  ...siglipText(letter)(),
  contextLength: 16,
  vocabSize: 16_000,
});

/** Vocabulary and special tokens are those of the published tokenizers. */
export const textSizes: Readonly<Record<string, () => TextTransformerConfig>> = {
  "siglip-Ti": siglipText("Ti"),
  "siglip-S": siglipText("S"),
  "siglip-B": siglipText("B"),
  "siglip-L": siglipText("L"),
  "siglip-So400m": siglipText("So400m"),
  "siglip2-B": siglip2Text("B"),
  "siglip2-L": siglip2Text("L"),
  "siglip2-So400m": siglip2Text("So400m"),
  "lit-Ti": litText("Ti"),
  "lit-S": litText("S"),
};

const bert = (width: number, depth: number) => (): BertConfig => ({
  kind: "bert",
  contextLength: 512,
  vocabSize: 30_522,
  width,
  depth,
  heads: width / 64,
  mlpWidth: 4 * width,
  activation: "gelu",
  normEpsilon: 1e-12,
  padTokenId: 0,
});

/** Devlin et al., arXiv:1810.04805, and the small ones of Turc et al., arXiv:1908.08962. */
export const bertSizes: Readonly<Record<string, () => BertConfig>> = {
  "bert-tiny": bert(128, 2),
  "bert-mini": bert(256, 4),
  "bert-small": bert(512, 4),
  "bert-medium": bert(512, 8),
  "bert-base": bert(768, 12),
  "bert-large": bert(1024, 24),
};
