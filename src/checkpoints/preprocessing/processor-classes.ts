/**
 * Hugging Face's image processors that pair models use, with what each assumes where its file is
 * silent (transformers 5.23, `models/<family>/image_processing_<family>.py`).
 */
import { NORMALIZATIONS } from "../../data/image/evaluation-transform.ts";

/** Absent values; sizes in pixels. */
export interface ProcessorDefaults {
  /** Pillow's number of the filter */
  resample: number;
  mean: readonly number[];
  std: readonly number[];
  size: Readonly<Record<string, number>>;
  /** A number for `size` means a square, not the shortest edge. */
  squareNumbers: boolean;
  centerCrop: boolean;
  cropSize?: number;
  /** Pictures are brought to RGB, transparent ones on white. */
  convertRgb: boolean;
  /** Knows `rescale_offset` and `include_top`. */
  efficientNet?: boolean;
}

const half = { mean: NORMALIZATIONS.half.mean, std: NORMALIZATIONS.half.std };
const square = { height: 224, width: 224 };

export const processors = {
  CLIPImageProcessor: {
    ...{ resample: 3, mean: NORMALIZATIONS.clip.mean, std: NORMALIZATIONS.clip.std },
    ...{ size: { shortest_edge: 224 }, squareNumbers: false, convertRgb: true },
    ...{ centerCrop: true, cropSize: 224 },
  },
  SiglipImageProcessor: {
    ...{ resample: 3, ...half, size: square, squareNumbers: false, convertRgb: true },
    centerCrop: false,
  },
  EfficientNetImageProcessor: {
    ...{ resample: 3, ...half, size: { height: 346, width: 346 }, squareNumbers: true },
    ...{ convertRgb: false, centerCrop: false, cropSize: 289, efficientNet: true },
  },
  ViTImageProcessor: {
    ...{ resample: 2, ...half, size: square, squareNumbers: true, convertRgb: false },
    centerCrop: false,
  },
} satisfies Record<string, ProcessorDefaults>;

export type HuggingFaceProcessor = keyof typeof processors;

/** SigLIP 2's processor of pictures of their own aspect ratio. */
export const naflexProcessor = "Siglip2ImageProcessor";

/**
 * A processor's name without what says how it is computed: `Pil` and, in version 4, `Fast`; in its
 * first years it was a feature extractor.
 */
export function processorClass(name: string): string {
  return name.replace(/(Fast|Pil)$/, "").replace(/FeatureExtractor$/, "ImageProcessor");
}

/** Computed by torchvision, as version 4 named it. */
export function isFast(name: string): boolean {
  return name.endsWith("Fast");
}

export function isProcessor(name: string): name is HuggingFaceProcessor {
  return Object.hasOwn(processors, name);
}

/** Pillow's numbers of its filters. */
export const filters = { lanczos: 1, bilinear: 2, bicubic: 3 } as const;
