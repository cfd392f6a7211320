/** From a loader's batch to what the towers and the objective are given: tensors on the device. */
import type { Batch } from "../../data/sample.ts";
import {
  normalizePixels,
  pixelsToTensor,
  type PixelNormalization,
} from "../../pair/dual-encoder.ts";
import { fromData, type Device, type Tensor } from "../../torch/index.ts";
import type { TextTower } from "../../towers/tower.ts";
import type { StepInput, TowerInput } from "./step.ts";

/** Rows that were computed before, by name. */
export interface RowSource {
  /** [N, ...] of the named rows, on the run's device. */
  rows(ids: readonly string[], epoch: number): Tensor;
}

export interface Teacher {
  /** Unit rows, without a graph. */
  embed(batch: Batch): { image: Tensor; text: Tensor; logitScale: Tensor };
}

/** What replaces a batch's own pixels and tokens, or is added to them. */
export interface BatchSources {
  /** Features of a locked image tower, by picture. */
  imageFeatures?: RowSource;
  /** Features of a locked text tower, by caption. */
  textFeatures?: RowSource;
  /** Decoded pictures, uint8 [N, 3, S, S], by picture. */
  pixels?: RowSource;
  teacher?: Teacher;
}

interface BatchInputOptions {
  device: Device;
  normalization: PixelNormalization;
  textTower: TextTower;
  /** Cut each batch to its longest caption where that is exact. */
  trims: boolean;
}

export class BatchInput {
  sources: BatchSources = {};
  readonly #options: BatchInputOptions;

  constructor(options: BatchInputOptions) {
    this.#options = options;
  }

  of(batch: Batch, { step, position }: { step: number; position: number }): StepInput {
    const { teacher } = this.sources;
    return {
      image: this.#image(batch),
      text: this.#text(batch),
      about: {
        ids: batch.ids,
        step,
        position,
        epoch: batch.epoch,
        ...(teacher === undefined ? {} : { teacher: teacher.embed(batch) }),
      },
    };
  }

  #image(batch: Batch): TowerInput {
    const { normalization, device } = this.#options;
    const { imageFeatures, pixels } = this.sources;
    if (imageFeatures) {
      return { tensor: imageFeatures.rows(batch.imageIds, batch.epoch), cached: true };
    }
    const tensor = pixels
      ? normalizePixels(pixels.rows(batch.imageIds, batch.epoch), normalization)
      : pixelsToTensor(batch.pixels, batch.imageSize, normalization, device);
    return { tensor, cached: false };
  }

  #text(batch: Batch): TowerInput {
    const { textFeatures } = this.sources;
    if (textFeatures) {
      return { tensor: textFeatures.rows(batch.captions, batch.epoch), cached: true };
    }
    return { tensor: this.#tokens(batch), cached: false };
  }

  /** int64 [N, T], cut to the longest caption of the batch where that changes nothing. */
  #tokens({ tokens, size, contextLength, lengths }: Batch): Tensor {
    const { trims, textTower, device } = this.#options;
    const whole = fromData(tokens, [size, contextLength]);
    const longest = lengths.reduce((most, one) => Math.max(most, one), 1);
    const length = trims && textTower.trimmable ? longest : contextLength;
    return whole.narrow(1, 0, length).to("int64").to(device);
  }
}
