/** Texts to embeddings; texts of like length share a forward pass where that is exact. */
import { fromData, type Tensor } from "../torch/index.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { textBatchSize } from "./batch-size.ts";
import type { EncodeOptions } from "./encoder.ts";
import {
  checkCount,
  isAsyncIterable,
  type EmbeddingBatch,
  type InferenceModel,
} from "./inference-model.ts";

/** Where `signal` is aborted the work ends before the next forward pass, with the signal's reason. */
interface EncodeTextsOptions extends EncodeOptions {
  /** Texts per forward pass; by default what is fast and fits the memory. Changes no result. */
  readonly batchSize?: number;
}

export interface EncodeTexts {
  /**
   * One text or a list to textEmbeddings [N, D] float32, unit rows. The caller owns the result.
   *
   * throws  TypeError for a value that is not a text; RangeError for an empty list or a batch size below 1
   */
  (texts: string | Iterable<string>, options?: EncodeTextsOptions): Tensor;
  /** A stream of texts to batches of embeddings, in order. */
  (texts: AsyncIterable<string>, options?: EncodeTextsOptions): AsyncGenerator<EmbeddingBatch>;
}

/** Texts of a stream that are tokenized and sorted together. */
const STREAM_BATCH = 256;

/** `encodeTexts` of a model. */
export function textEncoder(model: InferenceModel): EncodeTexts {
  function encode(
    texts: string | Iterable<string> | AsyncIterable<string>,
    options: EncodeTextsOptions = {},
  ): Tensor | AsyncGenerator<EmbeddingBatch> {
    if (isAsyncIterable<string>(texts)) return textBatches(model, texts, options);
    const { data, count, dim } = embedTexts(model, textList(texts), options);
    return fromData(data, [count, dim], { device: model.encoder.device });
  }
  return encode as EncodeTexts;
}

function textList(texts: string | Iterable<string>): readonly string[] {
  if (typeof texts === "string") return [texts];
  if (typeof texts === "object" && texts !== null && Symbol.iterator in texts) return [...texts];
  throw new TypeError(
    "Expected a text, a list or an async iterable for texts but received " +
      (texts === null ? "null" : typeof texts),
  );
}

async function* textBatches(
  model: InferenceModel,
  texts: AsyncIterable<string>,
  options: EncodeTextsOptions,
): AsyncGenerator<EmbeddingBatch> {
  const size = checkCount("batchSize", options.batchSize ?? STREAM_BATCH);
  let start = 0;
  const embed = (batch: readonly string[]): EmbeddingBatch => {
    const { data: embeddings, count, dim } = embedTexts(model, batch, options);
    const indices = Int32Array.from(batch, (_, i) => start + i);
    const made = { embeddings, count, dim, start, indices, skipped: [] };
    start += count;
    return made;
  };
  let waiting: string[] = [];
  for await (const text of texts) {
    waiting.push(text);
    if (waiting.length < size) continue;
    yield embed(waiting);
    waiting = [];
  }
  if (waiting.length > 0) yield embed(waiting);
}

/**
 * Texts to rows in the order given. Where padding changes nothing the texts are sorted by length, so
 * that each forward pass is cut to its longest, and the rows are put back in order.
 *
 * throws  as `EncodeTexts`
 */
export function embedTexts(
  { encoder, tokenizer }: Pick<InferenceModel, "encoder" | "tokenizer">,
  texts: readonly string[],
  { batchSize, ...options }: EncodeTextsOptions = {},
): Embeddings {
  checkTexts(texts);
  if (batchSize !== undefined) checkCount("batchSize", batchSize);
  const { tokens, lengths } = tokenizer.encodeBatch(texts);
  const { contextLength } = tokenizer;
  const { trimmable, dim } = encoder;
  const used = (row: number): number =>
    trimmable ? Math.max(1, lengths[row] as number) : contextLength;
  const order = texts.map((_, row) => row);
  if (trimmable) order.sort((a, b) => used(b) - used(a));
  const data = new Float32Array(texts.length * dim);
  for (let at = 0; at < order.length;) {
    // The first is the longest of those that follow.
    const width = used(order[at] as number);
    const rows = order.slice(at, at + (batchSize ?? textBatchSize(encoder, width)));
    const taken = takeRows(tokens, contextLength, rows, width);
    const embedded = encoder.encodeTexts({ tokens: taken, contextLength: width }, options).data;
    for (const [i, row] of rows.entries()) {
      data.set(embedded.subarray(i * dim, (i + 1) * dim), row * dim);
    }
    at += rows.length;
  }
  return { data, count: texts.length, dim };
}

function checkTexts(texts: readonly unknown[]): void {
  if (texts.length === 0) {
    throw new RangeError("Expected at least one text for encodeTexts but received none");
  }
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong < 0) return;
  const value = texts[wrong];
  throw new TypeError(
    `Expected a string for text ${wrong} but received ${value === null ? "null" : typeof value}`,
  );
}

/** The first `width` ids of the given rows. */
function takeRows(
  tokens: Int32Array,
  contextLength: number,
  rows: readonly number[],
  width: number,
): Int32Array {
  const out = new Int32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    const from = row * contextLength;
    out.set(tokens.subarray(from, from + width), i * width);
  }
  return out;
}
