/** What counts as a picture, and pictures to batches of prepared ones, in order, one batch ahead of whoever takes them. */
import { cellBytes, type PictureTransform } from "../data/image/picture-cell.ts";
import { DataError, ShapeError } from "../errors.ts";
import { defaultWorkers } from "../files/cores.ts";
import type { SkippedInput } from "./inference-model.ts";
import {
  localDecoder,
  threadedDecoder,
  type PictureDecoder,
  type Picture,
} from "../data/image/picture-decoder.ts";
import type { RgbImage } from "../data/image/decode/decode.ts";
import type { SvgOptions } from "../data/image/svg/rasterize-svg.ts";

export interface PictureBatchOptions {
  readonly transform: PictureTransform;
  /** Pictures in a batch. */
  readonly batchSize: number;
  readonly onError: "throw" | "skip";
  /** Decoding threads; 0 decodes on this one. */
  readonly workers: number;
  /** A picture of more pixels cannot be read. */
  readonly maxPixels: number;
  /** Allows SVG files. */
  readonly svg?: SvgOptions | undefined;
}

interface PictureBatch {
  /** uint8 [N, cellBytes(transform)]; reused for a later batch. */
  readonly cells: Uint8Array;
  /** [N] */
  readonly indices: Int32Array;
  readonly skipped: readonly SkippedInput[];
}

/** Lists shorter than this are decoded where they are: threads take longer to start. */
const WORTH_THREADS = 64;

/** The default number of decoding threads: none for a short list, else as many as the loader has. */
export function decodingThreads(count: number | undefined): number {
  return count !== undefined && count < WORTH_THREADS ? 0 : defaultWorkers();
}

/**
 * Decodes into two halves of one memory in turn: while the caller works on a batch, the next one is
 * on its way.
 *
 * throws  DataError for a picture that cannot be read, with its name and position (`onError: throw`);
 *         TypeError for a value that is not a picture
 */
export async function* pictureBatches(
  pictures: Iterable<unknown> | AsyncIterable<unknown>,
  options: PictureBatchOptions,
): AsyncGenerator<PictureBatch> {
  const { batchSize, workers } = options;
  const decoder =
    workers === 0
      ? localDecoder(options, 2 * batchSize)
      : await threadedDecoder(options, 2 * batchSize, workers);
  const iterator =
    Symbol.asyncIterator in pictures
      ? pictures[Symbol.asyncIterator]()
      : pictures[Symbol.iterator]();
  const filler = new Filler(decoder, iterator, options);
  let half = 0;
  let filling: Promise<Filled> | undefined = filler.fill(half);
  try {
    while (filling) {
      const { outcomes, ended }: Filled = await filling;
      half = 1 - half;
      filling = ended ? undefined : filler.fill(half);
      // Its failure is met in the next round.
      filling?.catch(() => {});
      const batch = gather(decoder.cells, await Promise.all(outcomes), options);
      if (batch) yield batch;
    }
  } finally {
    await iterator.return?.();
    await decoder.close();
  }
}

interface Outcome {
  cell: number;
  index: number;
  name: string;
  reason: string | undefined;
}

interface Filled {
  outcomes: Promise<Outcome>[];
  ended: boolean;
}

/** Takes pictures from the input and sends them to the decoder, a batch at a time. */
class Filler {
  readonly #decoder: PictureDecoder;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #batchSize: number;
  #index = 0;

  constructor(
    decoder: PictureDecoder,
    iterator: Iterator<unknown> | AsyncIterator<unknown>,
    { batchSize }: PictureBatchOptions,
  ) {
    this.#decoder = decoder;
    this.#iterator = iterator;
    this.#batchSize = batchSize;
  }

  async fill(half: number): Promise<Filled> {
    const outcomes: Promise<Outcome>[] = [];
    while (outcomes.length < this.#batchSize) {
      // Not awaited where the input is a list: a batch is then on its way before anybody else's turn.
      const step = this.#iterator.next();
      const { value, done } = step instanceof Promise ? await step : step;
      if (done) return { outcomes, ended: true };
      const index = this.#index++;
      const sent = this.#send(
        checkPicture(value, index),
        index,
        half * this.#batchSize + outcomes.length,
      );
      // Whoever gathers the batch meets a failure; until then it is not unhandled.
      sent.catch(() => {});
      outcomes.push(sent);
    }
    return { outcomes, ended: false };
  }

  async #send(picture: Picture, index: number, cell: number): Promise<Outcome> {
    const reason = await this.#decoder.decode(picture, index, cell);
    return { cell, index, name: pictureName(picture, index), reason };
  }
}

/** The good pictures of a batch side by side, or undefined where there is nothing to tell. */
function gather(
  cells: Uint8Array,
  outcomes: readonly Outcome[],
  { transform, onError }: PictureBatchOptions,
): PictureBatch | undefined {
  const first = outcomes[0];
  if (!first) return undefined;
  const size = cellBytes(transform);
  const skipped: SkippedInput[] = [];
  const indices: number[] = [];
  for (const { cell, index, name, reason } of outcomes) {
    if (reason !== undefined) {
      if (onError === "throw") throw pictureError(index, name, reason);
      skipped.push({ index, name, reason });
      continue;
    }
    const to = first.cell + indices.length;
    if (to !== cell) cells.copyWithin(to * size, cell * size, (cell + 1) * size);
    indices.push(index);
  }
  const from = first.cell * size;
  const good = cells.subarray(from, from + indices.length * size);
  return { cells: good, indices: Int32Array.from(indices), skipped };
}

function pictureError(index: number, name: string, reason: string): DataError {
  const what = name === `picture ${index}` ? name : `picture ${index} (${name})`;
  return new DataError(
    `Expected a picture that can be read for ${what} but received a bad one: ${reason}; ` +
      `repair it, leave it out, or set onError to "skip"`,
    { source: name },
  );
}

export type { Picture } from "../data/image/picture-decoder.ts";

/** One picture rather than several. Bytes and strings can be iterated over, but are one picture. */
export function isPicture(value: unknown): value is Picture {
  if (typeof value === "string" || value instanceof Uint8Array) return true;
  return typeof value === "object" && value !== null && "data" in value && "width" in value;
}

/**
 * throws  TypeError for anything else, with its position; ShapeError for pixels that do not fill
 *         their size
 */
export function checkPicture(value: unknown, index: number): Picture {
  if (!isPicture(value)) {
    throw new TypeError(
      `Expected bytes, a path or { data, width, height } for picture ${index} but received ` +
        `${describe(value)}; read or decode it first`,
    );
  }
  if (typeof value !== "string" && !(value instanceof Uint8Array)) checkPixels(value, index);
  return value;
}

function checkPixels({ data, width, height }: RgbImage, index: number): void {
  const whole = [width, height].every((side) => Number.isInteger(side) && side > 0);
  if (whole && data instanceof Uint8Array && data.length === 3 * width * height) return;
  throw new ShapeError(
    `Expected [height, width, 3] uint8 for picture ${index} but received ` +
      `${(data as Uint8Array | undefined)?.length ?? "no"} bytes for ${height} x ${width}; ` +
      "leave out alpha and padding",
  );
}

function describe(value: unknown): string {
  if (value instanceof Promise) return "a promise";
  if (value instanceof ArrayBuffer) return "an ArrayBuffer (wrap it: new Uint8Array(buffer))";
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}

/** What errors and results call a picture. */
export function pictureName(picture: Picture, index: number): string {
  return typeof picture === "string" ? picture : `picture ${index}`;
}
