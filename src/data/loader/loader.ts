/** The loader as its user sees it: batches in a fixed order, made by other threads. */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import { DisposedError, LimnError } from "../../errors.ts";
import { fromPlainError } from "../image/decoder-pool.ts";
import { isNaflex } from "../image/picture-cell.ts";
import type { Batch } from "../sample.ts";
import type { Problem } from "../sources/source.ts";
import {
  type LoaderOptions,
  type LoaderPosition,
  pixelBytes,
  type ResolvedOptions,
  resolveLoaderOptions,
} from "./options.ts";
import type { BatchMessage, FromCoordinator, ToCoordinator } from "./protocol.ts";

export type { LoaderOptions, LoaderPosition } from "./options.ts";

/** The first bad samples are kept by name up to this many; all of them are counted. */
const MOST_LISTED = 100;
/** Workers that do not end by themselves within this time are ended. */
const CLOSE_MS = 5000;

export interface Loader {
  /**
   * The next batch, or null at the end of the last epoch. Its memory is reused after the next call
   * of `next` or `release`.
   *
   * throws   DataError naming file and sample (`onError: "fail"`), or when nothing is usable;
   *          LimnError `LIMN_WORKER` if a worker ended; DisposedError after `close`
   */
  next(): Promise<Batch | null>;
  /** Gives the last batch's memory back early, so that the workers can go on. */
  release(): void;
  /** Where the loader stands behind the last batch returned. */
  position(): LoaderPosition;
  /** Milliseconds that `next` had to wait for a batch so far. */
  readonly waited: number;
  /** T; 0 without a tokenizer. */
  readonly contextLength: number;
  /** The source's size, as far as it is known without reading it. */
  readonly extent: LoaderExtent;
  /** Bad samples that this loader passed over; `position().skipped` counts earlier runs' too. */
  readonly skipped: number;
  /** The first of them, with file, key and reason. */
  readonly badSamples: readonly Problem[];
  /** What is odd about the batches so far, in sentences: a source of fewer samples than a batch. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterator<Batch>;
}

export interface LoaderExtent {
  /** Shards; 1 for a table or a folder. */
  readonly parts: number;
  /** Entries, good or bad, of a table or a folder. */
  readonly samples: number | undefined;
  /** Of the shards, or of a table's file; 0 for a folder. */
  readonly bytes: number;
}

/**
 * Starts the loading threads: one that visits samples and assembles batches, and decode workers.
 * They work while this thread is blocked, `prefetch` batches ahead. Memory for pixels is
 * (prefetch + 1) batches and 8 images per worker. The same options give the same batches, bit for
 * bit, whatever the number of workers; so does resuming at a `position`.
 *
 * throws   TypeError, RangeError or SettingError for options; DataError for a source that cannot be
 *          opened or a position of another one; what the tokenizer throws
 */
export async function createLoader(options: LoaderOptions): Promise<Loader> {
  const resolved = resolveLoaderOptions(options);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("./coordinator.js", import.meta.url), {
    workerData: { options: resolved, port: port2 },
    transferList: [port2],
  });
  const loader = new ThreadedLoader(worker, port1, resolved);
  try {
    await loader.start();
  } catch (error) {
    await loader.close();
    throw error;
  }
  return loader;
}

type Ready = Extract<FromCoordinator, { kind: "ready" }>;

class ThreadedLoader implements Loader {
  waited = 0;
  contextLength = 0;
  extent: LoaderExtent = { parts: 0, samples: undefined, bytes: 0 };
  skipped = 0;
  readonly badSamples: Problem[] = [];
  readonly warnings: string[] = [];
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #imageSize: number;
  readonly #pixelBytes: number;
  readonly #exited: Promise<void>;
  #slots: Uint8Array[] = [];
  #last: LoaderPosition | undefined;
  /** The slot of the batch in the caller's hands. */
  #held: number | undefined;
  readonly #arrived: FromCoordinator[] = [];
  #waiting: (() => void) | undefined;
  #failure: Error | undefined;
  #ended = false;
  #closed = false;

  constructor(worker: Worker, port: MessagePort, options: ResolvedOptions) {
    this.#worker = worker;
    this.#port = port;
    const { transform } = options;
    this.#imageSize = transform === undefined || isNaflex(transform) ? 0 : transform.imageSize;
    this.#pixelBytes = pixelBytes(options);
    port.on("message", (message: FromCoordinator) => this.#arrive(message));
    worker.on("error", (error) =>
      this.#fail(threadError(`it failed with ${String(error)}`, error)),
    );
    this.#exited = new Promise((resolve) => {
      worker.once("exit", (code) => {
        this.#fail(threadError(`it ended with exit code ${code}`));
        resolve();
      });
    });
    this.#keepAlive(false);
  }

  async start(): Promise<void> {
    const { slots, contextLength, start, extent } = (await this.#message()) as Ready;
    this.#slots = slots.map((slot) => new Uint8Array(slot));
    this.contextLength = contextLength;
    this.extent = extent;
    this.#last = start;
  }

  async next(): Promise<Batch | null> {
    if (this.#closed) throw new DisposedError("Expected an open loader but it was closed");
    if (this.#waiting !== undefined) {
      throw new Error(
        "Expected one call of next() at a time but received another; await the first",
      );
    }
    this.release();
    if (this.#ended) return null;
    const message = await this.#message();
    if (message.kind === "batch") return this.#toBatch(message);
    if (message.kind !== "end") throw new Error(`internal: unexpected message ${message.kind}`);
    this.#ended = true;
    this.#last = message.position;
    this.#note(message);
    return null;
  }

  release(): void {
    if (this.#held === undefined) return;
    const message: ToCoordinator = { kind: "release", slot: this.#held };
    this.#held = undefined;
    this.#port.postMessage(message);
  }

  position(): LoaderPosition {
    return structuredClone(this.#last!);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const message: ToCoordinator = { kind: "close" };
    this.#port.postMessage(message);
    this.#wake();
    this.#worker.ref();
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_MS);
    await this.#exited;
    clearTimeout(timer);
    this.#port.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    for (;;) {
      const batch = await this.next();
      if (batch === null) return;
      yield batch;
    }
  }

  /** The next message; waits only if none has come, even one that the event loop has not seen. */
  async #message(): Promise<FromCoordinator> {
    for (;;) {
      const unseen = receiveMessageOnPort(this.#port);
      if (unseen !== undefined) this.#arrived.push(unseen.message);
      const message = this.#arrived.shift();
      if (message?.kind === "warning") {
        this.warnings.push(message.text);
        continue;
      }
      if (message?.kind === "failed") this.#failure = fromPlainError(message.error);
      else if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) throw new DisposedError("Expected an open loader but it was closed");
      await this.#wait();
    }
  }

  async #wait(): Promise<void> {
    const start = performance.now();
    this.#keepAlive(true);
    await new Promise<void>((resolve) => (this.#waiting = resolve));
    this.#keepAlive(false);
    this.waited += performance.now() - start;
  }

  /** A loader at rest does not keep the process running; one that is waited for does. */
  #keepAlive(alive: boolean): void {
    if (alive) this.#port.ref();
    else this.#port.unref();
    if (alive) this.#worker.ref();
    else this.#worker.unref();
  }

  #arrive(message: FromCoordinator): void {
    this.#arrived.push(message);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #note({ skipped, problems }: { skipped: number; problems: Problem[] }): void {
    this.skipped += skipped;
    this.badSamples.push(...problems.slice(0, MOST_LISTED - this.badSamples.length));
  }

  #toBatch(message: BatchMessage): Batch {
    const { contextLength } = this;
    const { kind: _, slot, position, problems, labels, metas, imageFiles, ...rest } = message;
    this.#held = slot;
    this.#last = position;
    this.#note({ skipped: message.skipped, problems });
    const pixels = this.#slots[slot]!.subarray(0, message.size * this.#pixelBytes);
    const batch: Batch = { ...rest, pixels, imageSize: this.#imageSize, contextLength };
    if (labels !== undefined) batch.labels = labels;
    if (metas !== undefined) batch.metas = metas;
    if (imageFiles !== undefined) batch.imageFiles = imageFiles;
    return batch;
  }
}

function threadError(what: string, cause?: unknown): LimnError {
  return new LimnError(
    "LIMN_WORKER",
    `Expected the loading thread to keep running but ${what}; resume from the last checkpoint, with ` +
      `smaller batches if memory ran out`,
    cause === undefined ? {} : { cause },
  );
}
