/** Decodes pictures into given memory: on this thread, or on the loader's decode workers. */
import { readFile } from "node:fs/promises";
import {
  cellBytes,
  placePicture,
  preparePicture,
  type PictureTransform,
} from "../data/image/picture-cell.ts";
import { DecoderPool } from "../data/loader/decoder-pool.ts";
import { resolveLoaderOptions } from "../data/loader/options.ts";
import type { DecodeTask, Decoded } from "../data/loader/protocol.ts";
import type { Picture } from "./picture.ts";

export interface PictureDecoder {
  /** uint8 [cells, cellBytes(transform)] */
  readonly cells: Uint8Array;
  /** Decodes into a cell; the reason when that fails, never a rejection for a bad picture. */
  decode(picture: Picture, index: number, cell: number): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Pictures decoded at once on this thread: the threads that sharp has. */
const CONCURRENT = 4;

export function localDecoder(transform: PictureTransform, cellCount: number): PictureDecoder {
  const size = cellBytes(transform);
  const cells = new Uint8Array(cellCount * size);
  const limit = limiter(CONCURRENT);
  return {
    cells,
    decode: (picture, index, cell) =>
      limit(async () => {
        const out = cells.subarray(cell * size, (cell + 1) * size);
        try {
          await decodeHere(picture, index, transform, out);
          return undefined;
        } catch (error) {
          return reasonOf(error);
        }
      }),
    close: () => Promise.resolve(),
  };
}

/**
 * `workers` threads that decode and resize while this one is blocked by a forward pass.
 *
 * throws  what a worker failed with
 */
export async function threadedDecoder(
  transform: PictureTransform,
  cellCount: number,
  workers: number,
): Promise<PictureDecoder> {
  const size = cellBytes(transform);
  const shared = new SharedArrayBuffer(cellCount * size);
  const cells = new Uint8Array(shared);
  const waiting = new Map<number, Waiting>();
  const pool = new DecoderPool({
    script: new URL("../data/loader/decode-worker.js", import.meta.url),
    workers,
    data: {
      options: resolveLoaderOptions({
        // Workers read what each task names; the source is only there to be complete.
        source: { kind: "folder", directory: "." },
        transform,
        batchSize: 1,
        mode: "evaluate",
      }),
      reading: { captionKeys: [], captionPerLine: false },
      cells: shared,
    },
    onDone: (id, results) => settle(waiting, id, results),
    onFailure: (error) => {
      for (const { reject } of waiting.values()) reject(error);
    },
  });
  await pool.start();
  let next = 0;
  return {
    cells,
    decode(picture, index, cell) {
      if (typeof picture !== "string" && !(picture instanceof Uint8Array)) {
        placePicture(picture, transform, cells.subarray(cell * size, (cell + 1) * size));
        return Promise.resolve(undefined);
      }
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        pool.send(id, [taskOf(picture, index, cell)]);
      });
    },
    close: () => pool.stop(),
  };
}

interface Waiting {
  resolve: (reason: string | undefined) => void;
  reject: (error: Error) => void;
}

function settle(waiting: Map<number, Waiting>, id: number, [result]: Decoded[]): void {
  const { resolve } = waiting.get(id) as Waiting;
  waiting.delete(id);
  resolve(result && "reason" in result ? result.reason : undefined);
}

function taskOf(picture: Uint8Array | string, index: number, cell: number): DecodeTask {
  const file = typeof picture === "string" ? picture : "the list";
  const key = `picture ${index}`;
  const image =
    typeof picture === "string"
      ? { file, offset: 0 }
      : // A copy: the pool hands bytes over to its worker, and these are the caller's.
        { file, offset: 0, bytes: Uint8Array.from(picture) };
  const ref = { key, file, image, captions: [] };
  return { cell, ref, epoch: 0, part: 0, index, caption: undefined };
}

async function decodeHere(
  picture: Picture,
  index: number,
  transform: PictureTransform,
  out: Uint8Array,
): Promise<void> {
  if (typeof picture !== "string" && !(picture instanceof Uint8Array)) {
    placePicture(picture, transform, out);
    return;
  }
  const source = typeof picture === "string" ? picture : "the list";
  const bytes = typeof picture === "string" ? await readFile(picture) : picture;
  await preparePicture(bytes, transform, {
    at: { source, key: `picture ${index}` },
    out,
  });
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "the file does not exist";
  return message;
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
