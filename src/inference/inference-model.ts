/** What inference asks of a loaded model, and the rows that it gives. */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import type { PictureTransform } from "../data/image/picture-cell.ts";
import type { Tokenizer } from "../text/tokenizer-description.ts";
import type { DualEncoder } from "../pair/dual-encoder.ts";

/** A pair with the tokenizer and the preprocessing that belong to it. */
export interface InferenceModel {
  readonly model: DualEncoder;
  readonly tokenizer: Tokenizer;
  readonly evaluationTransform: EvaluationTransform;
  /** Of a NaFlex model: its pictures keep their aspect ratio. */
  readonly naflexTransform?: NaflexTransform | undefined;
}

/** How the model's pictures are prepared: as patches where it takes such, else as squares. */
export function pictureTransform({
  naflexTransform,
  evaluationTransform,
}: Pick<InferenceModel, "naflexTransform" | "evaluationTransform">): PictureTransform {
  return naflexTransform ?? evaluationTransform;
}

/** Embeddings of consecutive inputs. The rows are the caller's own. */
export interface EmbeddingBatch {
  /** [count, dim] unit rows, row-major */
  readonly embeddings: Float32Array;
  readonly count: number;
  readonly dim: number;
  /** Rows that came before this batch. */
  readonly start: number;
  /** [count] position of each row's input among all inputs; they differ once one was skipped. */
  readonly indices: Int32Array;
  /** Inputs of this stretch that were passed over; empty unless `onError` is `skip`. */
  readonly skipped: readonly SkippedInput[];
}

/** An input that could not be used. */
export interface SkippedInput {
  /** Its position among all inputs, from 0. */
  readonly index: number;
  /** The file, or `picture <index>`. */
  readonly name: string;
  readonly reason: string;
}

/** throws  RangeError unless the value is a whole number of `least` or more */
export function checkCount(name: string, value: number, least = 1): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(
    `Expected a whole number of ${least} or more for ${name} but received ${String(value)}`,
  );
}

/** True for what `for await` reads and `for` does not. */
export function isAsyncIterable<T>(value: unknown): value is AsyncIterable<T> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
