/** The published families' preprocessing, as tables; `evaluationPreset` makes transforms of them. */
import type { EvaluationTransform } from "./evaluation-transform.ts";

export type Normalization = Pick<EvaluationTransform, "mean" | "std">;

/** Channel statistics in use by published models; copies, safe to change. */
export const NORMALIZATIONS: Readonly<
  Record<"clip" | "imagenet" | "half", Readonly<Normalization>>
> = {
  /** CLIP and most models of its family */
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  /** ImageNet statistics */
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  /** to [-1, 1]: SigLIP */
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};

interface Preset extends Omit<EvaluationTransform, "imageSize" | "resizeSize"> {
  /** The side that comes out of resizing, where a crop of S follows. */
  resizeSize?: (imageSize: number) => number;
}

const squashed: Preset = {
  resizeMode: "squash",
  interpolation: "bilinear",
  crop: "none",
  ...NORMALIZATIONS.half,
};
const cropped: Preset = {
  resizeMode: "shortest",
  interpolation: "bicubic",
  crop: "center",
  ...NORMALIZATIONS.clip,
};

export const PRESETS = {
  /** CLIP: shorter side to S by bicubic, centre crop (openai/CLIP, `clip.py`, `_transform`). */
  clip: cropped,
  /** SigLIP: both sides to S by bicubic, to [-1, 1] (transformers and open_clip, `_slpcfg`). */
  siglip: { ...squashed, interpolation: "bicubic" },
  /** SigLIP 2 of fixed resolution: both sides to S by bilinear (transformers, `resample` 2). */
  siglip2: squashed,
  /**
   * ALIGN: both sides to 346 for S of 289, centre crop with offsets rounded down
   * (kakaobrain/align-base, `preprocessor_config.json`).
   */
  align: {
    ...squashed,
    crop: "center",
    cropRounding: "down",
    resizeSize: (imageSize) => Math.round((imageSize * 346) / 289),
  },
  /** LiT: TensorFlow's bilinear without antialiasing (vision_transformer, `vit_jax/preprocess.py`). */
  lit: { ...squashed, resampler: "tensorflow" },
  /** `resize(S)|value_range(-1,1)` of big_vision, the original of SigLIP (`pp/ops_image.py`). */
  "big-vision": { ...squashed, resampler: "tensorflow" },
  /** CLIPA: both sides to S by bilinear, ImageNet statistics (open_clip, `_apcfg`). */
  clipa: { ...squashed, ...NORMALIZATIONS.imagenet },
  /** timm's default: shorter side to S / 0.875 by bicubic, centre crop (`timm/data/config.py`). */
  imagenet: {
    ...cropped,
    ...NORMALIZATIONS.imagenet,
    resizeSize: (imageSize) => Math.floor(imageSize / 0.875),
  },
} satisfies Record<string, Preset>;

export type EvaluationPreset = keyof typeof PRESETS;

/** The preset's fields at one image size, in new arrays; undefined for an unknown name. */
export function presetFields(name: string, imageSize: number): EvaluationTransform | undefined {
  if (!Object.hasOwn(PRESETS, name)) return undefined;
  const { resizeSize, mean, std, ...fields } = PRESETS[name as EvaluationPreset];
  return {
    imageSize,
    ...(resizeSize === undefined ? {} : { resizeSize: resizeSize(imageSize) }),
    ...fields,
    mean: [...mean],
    std: [...std],
  };
}
