/** Whether pictures can be decoded: on this thread for a few of them, on threads of their own for many. */
import { readingReason } from "../files/regular-file.ts";
import { DecoderPool } from "./image/decoder-pool.ts";
import { decodeImage } from "./image/index.ts";

/** An encoded picture and its name in errors. */
export interface CheckTask {
  image: Uint8Array;
  source: string;
  key: string;
  maxPixels: number;
}

/** Pictures after which threads are started: they take as long to start as these to decode. */
const FEW = 32;

export class DecodeCheck {
  readonly #workers: number;
  #started = 0;
  /** One at a time, so that the pixels of one picture are in memory. */
  #local: Promise<string | undefined> = Promise.resolve(undefined);
  #pool: Promise<DecoderPool<CheckTask, string | undefined>> | undefined;
  readonly #waiting: Map<number, PromiseWithResolvers<string | undefined>> = new Map();

  constructor(workers: number) {
    this.#workers = workers;
  }

  /**
   * returns   why it cannot be decoded, undefined where it can
   * throws    what a worker failed with
   */
  async check(task: CheckTask): Promise<string | undefined> {
    const id = this.#started++;
    if (this.#workers < 2 || id < FEW) {
      this.#local = this.#local.then(() => undecodable(task));
      return this.#local;
    }
    this.#pool ??= this.#start();
    const pool = await this.#pool;
    const answer = withResolvers<string | undefined>();
    this.#waiting.set(id, answer);
    // A copy: its memory moves to the worker, and these bytes may be part of a shard's.
    const image = Uint8Array.from(task.image);
    pool.send(id, [{ ...task, image }], [image.buffer]);
    return answer.promise;
  }

  async #start(): Promise<DecoderPool<CheckTask, string | undefined>> {
    const pool = new DecoderPool<CheckTask, string | undefined>({
      script: new URL("./decode-check-worker.js", import.meta.url),
      workers: this.#workers,
      data: undefined,
      onDone: (id, [reason]) => {
        this.#waiting.get(id)?.resolve(reason);
        this.#waiting.delete(id);
      },
      onFailure: (error) => {
        for (const { reject } of this.#waiting.values()) reject(error);
      },
    });
    await pool.start();
    return pool;
  }

  async close(): Promise<void> {
    await (await this.#pool?.catch(() => undefined))?.stop();
  }
}

/** Why a picture cannot be decoded. */
export async function undecodable({
  image,
  source,
  key,
  maxPixels,
}: CheckTask): Promise<string | undefined> {
  try {
    await decodeImage(image, { at: { source, key }, maxPixels });
    return undefined;
  } catch (error) {
    return readingReason(error);
  }
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((done, failed) => {
    [resolve, reject] = [done, failed];
  });
  return { promise, resolve, reject };
}
