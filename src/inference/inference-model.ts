/** What inference asks of a loaded model, and the rows that it gives. */
import type { Tokenizer } from "../text/tokenizer-description.ts";
import type { DualEncoder } from "../pair/dual-encoder.ts";
import type { Encoder } from "./encoder.ts";

/** A pair with its tokenizer, and the encoder that both of its towers are run by. */
export interface InferenceModel {
  readonly pair: DualEncoder;
  readonly tokenizer: Tokenizer;
  readonly encoder: Encoder;
  /** The templates that it carries for the names of classes, each with `{}`; undefined where it has none. */
  readonly templates?: readonly string[] | undefined;
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
