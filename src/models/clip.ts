/** The pair: two towers and a logit scale. Knows no loss, no data and no files. */
import { zerosParameter } from "../nn/initialize.ts";
import { Module, type Parameter } from "../nn/module.ts";
import { autocast, fromData, noGrad, scope, type Device, type Tensor } from "../torch/index.ts";
import { TextTransformer } from "../towers/text-transformer.ts";
import { VisionTransformer } from "../towers/vision-transformer.ts";
import type { ClipConfig } from "./configs.ts";

/** The largest logitScaleLog: CLIP clips the scale at 100 (arXiv:2103.00020, section 2.5). */
export const maxLogitScaleLog: number = Math.log(100);

export class Clip extends Module {
  readonly imageTower: VisionTransformer;
  readonly textTower: TextTransformer;
  /** ln of the logit scale, [] float. */
  readonly logitScaleLog: Parameter;
  readonly config: ClipConfig;

  /** Random weights from the default generator: seed it first for repeatable ones. */
  constructor(config: ClipConfig) {
    super();
    this.config = config;
    this.imageTower = new VisionTransformer(config.image, config.embedDim);
    this.textTower = new TextTransformer(config.text, config.embedDim);
    this.logitScaleLog = zerosParameter([]);
    scope(() => void noGrad(() => this.logitScaleLog.tensor.fill_(config.logitScaleLogInit)));
  }

  get device(): Device {
    return this.logitScaleLog.tensor.device;
  }

  /** pixels float [N, 3, S, S], normalised -> imageEmbeddings [N, D] float32, unit rows. */
  encodeImages(pixels: Tensor): Tensor {
    return unitRows(this.imageTower.forward(pixels));
  }

  /** tokens int [N, T] -> textEmbeddings [N, D] float32, unit rows. */
  encodeTexts(tokens: Tensor): Tensor {
    return unitRows(this.textTower.forward(tokens));
  }

  /** [] the positive multiplier of similarities. */
  logitScale(): Tensor {
    return this.logitScaleLog.tensor.exp();
  }

  /** Keeps logitScaleLog in [0, ln 100]; to be called after every optimizer step. */
  clampLogitScale(): void {
    scope(() => void noGrad(() => this.logitScaleLog.tensor.clamp_(0, maxLogitScaleLog)));
  }
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
  { mean, std }: PixelNormalization,
  device: Device = "cpu",
): Tensor {
  const count = pixels.length / (3 * imageSize * imageSize);
  return scope(() => {
    const raw = fromData(pixels, [count, 3, imageSize, imageSize], { device }).to("float32");
    const channel = (values: number[]): Tensor =>
      fromData(Float32Array.from(values), [1, 3, 1, 1], { device });
    const scale = channel(std.map((value) => 1 / (255 * value)));
    const shift = channel(mean.map((value, i) => -value / (std[i] ?? 1)));
    return raw.mul_(scale).add_(shift);
  });
}

/** Runs `body` in evaluation mode without gradients, in bfloat16 products when asked. */
export function inference<T>(model: Clip, precision: "float32" | "bfloat16", body: () => T): T {
  const training = model.training;
  model.train(false);
  try {
    return noGrad(() => autocast(precision === "bfloat16" ? model.device : undefined, body));
  } finally {
    model.train(training);
  }
}
