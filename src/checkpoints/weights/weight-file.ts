/** Named weights of a checkpoint, whatever the file's format: what every reader of this folder gives. */
import type { DType, Tensor } from "../../torch/index.ts";

/** One weight as its file describes it. */
export interface WeightInfo {
  /** limn's name of the element type; undefined for one that limn does not use. */
  readonly dtype: DType | undefined;
  /** The element type as the file writes it, `BF16` or `<f4`. */
  readonly storedAs: string;
  readonly shape: readonly number[];
  /** Of its data in the file, before any compression. */
  readonly bytes: number;
}

/** The weights of an open checkpoint: names and shapes are known, no weight is read yet. */
export interface Weights {
  /** The file, or the index of several; named in errors. */
  readonly file: string;
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** Throws CheckpointError for a name that the file does not have. */
  info(name: string): WeightInfo;
  /** Reads one weight, on the CPU, in its stored type. The caller owns it. */
  tensor(name: string): Tensor;
  /**
   * Reads one place along the first side of a weight, where a file holds all blocks in one; only that
   * where the file is not compressed. As `tensor`. Throws RangeError where there is no such place.
   */
  layer(name: string, at: number): Tensor;
  /**
   * Reads one weight into a contiguous CPU tensor of the same shape, converting its type where it
   * differs. Where types are equal the bytes go straight from the file to the tensor's memory.
   */
  readInto(name: string, target: Tensor): void;
}

/** Weights that the holder closes. `using` works. */
export interface WeightFile extends Weights {
  close(): void;
  [Symbol.dispose](): void;
}

const endings: readonly string[] = [".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar"];

/** True for the name of a file that open_clip or OpenAI may have saved weights in. */
export function isWeightsFile(name: string): boolean {
  return endings.some((ending) => name.endsWith(ending));
}
