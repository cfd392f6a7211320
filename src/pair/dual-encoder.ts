/** The pair: an image tower, a text tower and a logit scale. Knows no loss, no data and no files. */
import { zerosParameter } from "../nn/initialize.ts";
import { Module, type Parameter } from "../nn/module.ts";
import type { Precision } from "../nn/precision.ts";
import { prepareForInference, textPrecision } from "../nn/prepare.ts";
import { fromData, noGrad, scope, type Device, type Tensor } from "../torch/index.ts";
import {
  createImageTower,
  createTextTower,
  type ImageTowerConfig,
  type TextTowerConfig,
} from "../towers/index.ts";
import type { ImagePatches, ImageTower, TextTower } from "../towers/tower.ts";

export interface DualEncoderConfig {
  /** Width of the shared space. */
  embedDim: number;
  image: ImageTowerConfig;
  text: TextTowerConfig;
  /** False: the tower has no head, its features are the embeddings. True when absent. */
  imageProjection?: boolean;
  textProjection?: boolean;
  /** The first value of ln(logitScale). */
  logitScaleLogInit: number;
  /** What is learned: the scale's logarithm (CLIP, SigLIP), or 1 / scale (ALIGN). `log` when absent. */
  logitScaleAs?: "log" | "temperature";
  /** The first value of a learned bias of the logits (SigLIP); absent where there is none. */
  logitBiasInit?: number;
}

export class DualEncoder extends Module {
  readonly imageTower: ImageTower;
  readonly textTower: TextTower;
  /** ln of the logit scale, [] float; null where the temperature is learned. */
  readonly logitScaleLog: Parameter | null;
  /** 1 / logit scale, [] float; null where its logarithm is learned. */
  readonly temperature: Parameter | null;
  /** Added to the logits, [] float; null where there is none. */
  readonly logitBias: Parameter | null;
  readonly config: DualEncoderConfig;

  /**
   * Random weights from the default generator: seed it first for repeatable ones.
   *
   * throws  RangeError for sizes that cannot be
   */
  constructor(config: DualEncoderConfig) {
    super();
    this.config = config;
    const { embedDim, imageProjection = true, textProjection = true } = config;
    this.imageTower = createImageTower(config.image, imageProjection ? embedDim : null);
    this.textTower = createTextTower(config.text, textProjection ? embedDim : null);
    checkWidth("imageTower", this.imageTower, embedDim);
    checkWidth("textTower", this.textTower, embedDim);
    const { logitScaleLogInit, logitBiasInit } = config;
    const asTemperature = config.logitScaleAs === "temperature";
    this.logitScaleLog = asTemperature ? null : scalar(logitScaleLogInit);
    this.temperature = asTemperature ? scalar(Math.exp(-logitScaleLogInit)) : null;
    this.logitBias = logitBiasInit === undefined ? null : scalar(logitBiasInit);
  }

  /** The parameter behind the logit scale: `logitScaleLog` or `temperature`. */
  get scaleParameter(): Parameter {
    return (this.logitScaleLog ?? this.temperature) as Parameter;
  }

  /**
   * Prepares both towers (see `prepareForInference`): they compute faster, and can be trained, saved
   * and moved no more.
   *
   * throws  RangeError for a precision that is not to be had here
   */
  prepareForInference(precision: Precision = "float32"): this {
    const { device } = this;
    prepareForInference(this.imageTower, precision);
    prepareForInference(this.textTower, textPrecision(precision, device));
    this.train(false).markPrepared(precision, []);
    return this;
  }

  /** pixels float [N, 3, S, S], normalised -> imageEmbeddings [N, D] float32, unit rows. */
  encodeImages(pixels: Tensor): Tensor {
    return unitRows(this.imageTower.forward(pixels));
  }

  /**
   * `encodeImages` of pictures that keep their aspect ratio (SigLIP 2's NaFlex).
   *
   * throws  TypeError where the tower takes squares only; ShapeError for patches of another shape
   */
  encodePatches(images: ImagePatches): Tensor {
    const { imageTower } = this;
    if (imageTower.forwardPatches) return unitRows(imageTower.forwardPatches(images));
    throw new TypeError(
      `Expected a NaFlex image tower for encodePatches but received one of kind ` +
        `${this.config.image.kind}; give encodeImages squares`,
    );
  }

  /** tokens int [N, T] -> textEmbeddings [N, D] float32, unit rows. */
  encodeTexts(tokens: Tensor): Tensor {
    return unitRows(this.textTower.forward(tokens));
  }

  /** [] the positive multiplier of similarities. */
  logitScale(): Tensor {
    const { tensor } = this.scaleParameter;
    return this.logitScaleLog ? tensor.exp() : tensor.pow(-1);
  }

  /**
   * Keeps the logit scale in [1, max]; to be called after every optimizer step. CLIP's is 100
   * (arXiv:2103.00020, section 2.5).
   */
  clampLogitScale(max: number): void {
    scope(() =>
      noGrad(() => {
        this.logitScaleLog?.tensor.clamp_(0, Math.log(max));
        this.temperature?.tensor.clamp_(1 / max, 1);
      }),
    );
  }
}

function scalar(value: number): Parameter {
  const parameter = zerosParameter([]);
  scope(() => void noGrad(() => parameter.tensor.fill_(value)));
  return parameter;
}

function checkWidth(name: string, tower: ImageTower | TextTower, embedDim: number): void {
  if (tower.projection !== null || tower.featureDim === embedDim) return;
  throw new RangeError(
    `Expected embedDim ${tower.featureDim} for a ${name} without projection but received ` +
      `${embedDim}; give the tower a projection or change embedDim`,
  );
}

/** x [N, D] -> rows of length 1, in float32. */
export function unitRows(x: Tensor): Tensor {
  const rows = x.dtype === "float32" || x.dtype === "float64" ? x : x.to("float32");
  return rows.div(rows.norm([-1], true).clamp(1e-12));
}

export interface PixelNormalization {
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
}

/**
 * uint8 pixels of a batch to what the image tower takes: (x / 255 - mean) / std.
 *
 * pixels   uint8 [N, 3, S, S] row-major, may lie on a SharedArrayBuffer
 * returns  float32 [N, 3, S, S] on `device`
 */
export function pixelsToTensor(
  pixels: Uint8Array,
  imageSize: number,
  normalization: PixelNormalization,
  device: Device = "cpu",
): Tensor {
  const count = pixels.length / (3 * imageSize * imageSize);
  return scope(() =>
    normalizePixels(fromData(pixels, [count, 3, imageSize, imageSize], { device }), normalization),
  );
}

/** uint8 [N, 3, S, S] -> float32 [N, 3, S, S]: (x / 255 - mean) / std. */
export function normalizePixels(pixels: Tensor, normalization: PixelNormalization): Tensor {
  return standardize(pixels, normalization, [1, 3, 1, 1]);
}

/** `normalizePixels` of levels whose channels lie along the dimension of `shape` that is 3. */
export function standardize(
  levels: Tensor,
  { mean, std }: PixelNormalization,
  shape: readonly number[],
): Tensor {
  return scope(() => {
    const { device } = levels;
    const channel = (values: number[]): Tensor =>
      fromData(Float32Array.from(values), shape, { device });
    const scale = channel(std.map((value) => 1 / (255 * value)));
    const shift = channel(mean.map((value, i) => -value / (std[i] ?? 1)));
    return levels.to("float32").mul_(scale).add_(shift);
  });
}

/**
 * `softmax`: the labels share a probability of 1; they are taken for all that there can be (CLIP,
 * arXiv:2103.00020, section 3.1.2). `sigmoid`: each label has its own, whatever the others are
 * (SigLIP, arXiv:2303.15343, section 3.2).
 */
export type ProbabilityKind = "softmax" | "sigmoid";

/** What the model's loss made its logits mean: a bias was learned for the sigmoid loss only. */
export function probabilityKind({
  logitBiasInit,
}: Pick<DualEncoderConfig, "logitBiasInit">): ProbabilityKind {
  return logitBiasInit === undefined ? "softmax" : "sigmoid";
}
