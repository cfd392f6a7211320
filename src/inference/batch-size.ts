/** How many inputs go through a tower at once: as many as help, as few as fit. */
import { freemem } from "node:os";
import { NativeError } from "../errors.ts";
import { cellBytes, placePicture } from "../data/image/picture-cell.ts";
import { memory, scope, type Tensor } from "../torch/index.ts";
import type { Encoder } from "./encoder.ts";

/** Pictures and tokens at once that keep a CPU or a GPU busy; choices, not measured optima. */
const ENOUGH = {
  cpu: { pictures: 32, tokens: 4096 },
  gpu: { pictures: 256, tokens: 65_536 },
} as const;

/** Of the memory that is free, what one forward pass may take. */
const SHARE = 1 / 4;

/**
 * A forward pass frees the insides of each block behind it, so what it needs at its worst is what it
 * leaves until its end and the insides of one block: for the families' towers 1.5 to 2.5 times the
 * former.
 */
const PEAK_OVER_LEFT = 3;

const bytesOfOne = new WeakMap<Encoder, number>();

/**
 * Pictures for one forward pass of the image tower.
 *
 * On a CPU the smaller of 32 and of what a quarter of the free memory holds by an estimate: one blank
 * picture goes through the tower, and three times the memory that it leaves is taken as a picture's
 * need. A GPU's free memory cannot be asked for through libtorch's operators: it starts at 256, and
 * `withFittingBatches` halves what does not fit.
 *
 * wanted   pictures to come, undefined where that is not known; few are not worth an estimate
 * free     bytes, for tests
 */
export function imageBatchSize(
  encoder: Encoder,
  wanted: number | undefined,
  free = freemem(),
): number {
  if (encoder.device !== "cpu") return ENOUGH.gpu.pictures;
  const enough = Math.min(ENOUGH.cpu.pictures, Math.max(1, wanted ?? Infinity));
  // The estimate would cost a good part of what the work itself does.
  if (enough <= 4) return enough;
  const most = Math.floor((free * SHARE) / bytesPerPicture(encoder));
  return Math.min(enough, Math.max(1, most));
}

/** Texts of `length` tokens for one forward pass of the text tower: by the number of tokens. */
export function textBatchSize({ device }: Encoder, length: number): number {
  const { tokens } = device === "cpu" ? ENOUGH.cpu : ENOUGH.gpu;
  return Math.max(1, Math.floor(tokens / Math.max(1, length)));
}

/** A square: about as many NaFlex patches as there may be. */
const blank = { data: new Uint8Array(3 * 64 * 64), width: 64, height: 64 };

/** Bytes of one picture's forward pass; measured once for an encoder. */
function bytesPerPicture(encoder: Encoder): number {
  const known = bytesOfOne.get(encoder);
  if (known !== undefined) return known;
  const { transform } = encoder;
  const cell = new Uint8Array(cellBytes(transform));
  placePicture(blank, transform, cell);
  const before = memory().bytes;
  const left = scope(() => {
    encoder.imagePass(cell);
    return memory().bytes - before;
  });
  const bytes = PEAK_OVER_LEFT * left;
  bytesOfOne.set(encoder, bytes);
  return bytes;
}

/**
 * Runs `run` on rows `start` to `end` of a batch, all of them at once if they fit the device's
 * memory, else in halves of halves. Returns the parts in order.
 *
 * throws  NativeError where not even one row fits
 */
export function withFittingBatches(
  count: number,
  run: (start: number, end: number) => Tensor,
): Tensor[] {
  const parts: Tensor[] = [];
  let size = count;
  for (let start = 0; start < count;) {
    try {
      parts.push(run(start, Math.min(count, start + size)));
      start += size;
    } catch (error) {
      if (!isOutOfMemory(error) || size === 1) throw error;
      size = Math.ceil(size / 2);
    }
  }
  return parts;
}

/** libtorch's words: "CUDA out of memory. Tried to allocate ...". */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof NativeError && /out of memory/i.test(error.message);
}
