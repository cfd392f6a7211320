/** Decodes pictures into given memory: on this thread, or on threads of their own. */
import { readRegular, readingReason } from "../../files/regular-file.ts";
import { MOST_PICTURE_BYTES, type RgbImage } from "./decode/decode.ts";
import { DecoderPool } from "./decoder-pool.ts";
import type { SvgOptions } from "./svg/rasterize-svg.ts";
import { cellBytes, type PictureTransform, placePicture, preparePicture } from "./picture-cell.ts";

/**
 * The bytes of an encoded file (JPEG, PNG, WebP, GIF), the path of one, or decoded pixels.
 * As everywhere in limn, EXIF orientation is ignored, as the reference implementations do.
 */
export type Picture = Uint8Array | string | RgbImage;

/** What a picture becomes, and how large it may be. */
export interface PictureRules {
  transform: PictureTransform;
  /** A larger picture cannot be read: refused from its header. */
  maxPixels: number;
  /** Allows drawings, as `decodeImage` does. */
  svg?: SvgOptions | undefined;
}

export interface PictureDecoder {
  /** uint8 [cells, cellBytes(transform)] */
  readonly cells: Uint8Array;
  /**
   * Decodes into a cell; errors call the picture by `index`. Gives the reason when that fails;
   * never rejects because of a bad picture.
   */
  decode(picture: Picture, index: number, cell: number): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Pictures decoded at once on this thread: the threads that sharp has. */
const CONCURRENT = 4;

/** Decodes on this thread and on sharp's. */
export function localDecoder(
  { transform, maxPixels, svg }: PictureRules,
  cellCount: number,
): PictureDecoder {
  const size = cellBytes(transform);
  const cells = new Uint8Array(cellCount * size);
  const limit = limiter(CONCURRENT);
  return {
    cells,
    decode: (picture, index, cell) => {
      const out = cells.subarray(cell * size, (cell + 1) * size);
      return limit(() => decodeInto(picture, { index, transform, maxPixels, svg, out }));
    },
    close: () => Promise.resolve(),
  };
}

/** Given to a picture worker when it starts. */
export interface PictureWorkerData extends PictureRules {
  /** uint8 [cells, cellBytes(transform)] */
  cells: SharedArrayBuffer;
}

/** One picture to decode into a cell. */
export interface PictureTask {
  picture: Uint8Array | string;
  index: number;
  cell: number;
}

/**
 * `workers` threads that decode and resize while this one is blocked by a forward pass.
 *
 * throws  what a worker failed with
 */
export async function threadedDecoder(
  { transform, maxPixels, svg }: PictureRules,
  cellCount: number,
  workers: number,
): Promise<PictureDecoder> {
  const size = cellBytes(transform);
  const shared = new SharedArrayBuffer(cellCount * size);
  const cells = new Uint8Array(shared);
  const waiting = new Map<number, Waiting>();
  const data: PictureWorkerData = { transform, maxPixels, svg, cells: shared };
  const pool = new DecoderPool<PictureTask, string | undefined>({
    script: new URL("./picture-worker.js", import.meta.url),
    workers,
    data,
    onDone: (id, [reason]) => {
      waiting.get(id)?.resolve(reason);
      waiting.delete(id);
    },
    onFailure: (error) => {
      for (const { reject } of waiting.values()) reject(error);
    },
  });
  await pool.start();
  let next = 0;
  return {
    cells,
    decode(picture, index, cell) {
      if (!isEncoded(picture)) {
        placePicture(picture, transform, cells.subarray(cell * size, (cell + 1) * size));
        return Promise.resolve(undefined);
      }
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        if (typeof picture === "string") {
          pool.send(id, [{ picture, index, cell }]);
          return;
        }
        // A copy: its memory moves to the worker, and these bytes are the caller's.
        const copy = Uint8Array.from(picture);
        pool.send(id, [{ picture: copy, index, cell }], [copy.buffer]);
      });
    },
    close: () => pool.stop(),
  };
}

interface Waiting {
  resolve: (reason: string | undefined) => void;
  reject: (error: Error) => void;
}

/**
 * A picture into its cell, `out`.
 *
 * returns  the reason where it cannot be decoded
 */
export async function decodeInto(
  picture: Picture,
  { index, transform, maxPixels, svg, out }: PictureRules & { index: number; out: Uint8Array },
): Promise<string | undefined> {
  try {
    if (isEncoded(picture)) {
      const source = typeof picture === "string" ? picture : "the list";
      // Blocks on purpose: libuv's few threads are needed for decoding.
      const bytes =
        typeof picture === "string" ? readRegular(picture, MOST_PICTURE_BYTES) : picture;
      const at = { source, key: `picture ${index}` };
      await preparePicture(bytes, transform, { at, out, maxPixels, svg });
    } else placePicture(picture, transform, out);
    return undefined;
  } catch (error) {
    return readingReason(error);
  }
}

function isEncoded(picture: Picture): picture is Uint8Array | string {
  return typeof picture === "string" || picture instanceof Uint8Array;
}

/** Runs at most `most` of the given jobs at a time, in the order in which they came. */
function limiter(most: number): <T>(job: () => Promise<T>) => Promise<T> {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (job) => {
    if (running >= most) await new Promise<void>((resolve) => queue.push(resolve));
    else running++;
    try {
      return await job();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running--;
    }
  };
}
