/**
 * The coordinator's thread: opens the source, starts the decode workers and runs the pipeline.
 * Nothing here needs the main thread, which native calls may block for seconds.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { basename } from "node:path";
import { type MessagePort, workerData } from "node:worker_threads";
import { DataError } from "../../errors.ts";
import { DecoderPool, toPlainError } from "../image/decoder-pool.ts";
import { openSource } from "../sources/open-source.ts";
import { PieceReader, readText } from "../sources/read-sample.ts";
import type { Entry, Source } from "../sources/source.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { type LoaderPosition, pixelBytes, type ResolvedOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import type {
  Decoded,
  DecoderData,
  DecoderReady,
  DecodeTask,
  FromCoordinator,
  ToCoordinator,
} from "./protocol.ts";

/** Tasks per message to a worker: enough to hide the message, few enough to spread evenly. */
const GROUP = 4;

const { options, port } = workerData as { options: ResolvedOptions; port: MessagePort };

function post(message: FromCoordinator): void {
  port.postMessage(message, message.kind === "batch" ? [message.tokens.buffer as ArrayBuffer] : []);
}

function fail(error: unknown): void {
  post({ kind: "failed", error: toPlainError(error) });
}

/** What a position belongs to: everything that decides the order. Folders may move. */
function orderIdentity(source: Source): string {
  const { seed, shuffle, shuffleWindow, captions, share, batchSize } = options;
  const parts = source.parts.map(({ path, compressed }) => [basename(path), compressed]);
  const dealt = share === undefined ? [] : [share.size, batchSize];
  const order = [parts, seed, shuffle, shuffleWindow, captions === "all", ...dealt];
  const identity = JSON.stringify(order);
  return createHash("sha256").update(identity).digest("hex").slice(0, 16);
}

function startPosition(source: Source): LoaderPosition {
  const order = orderIdentity(source);
  const given = options.position;
  if (given === undefined) {
    const cursor = { epoch: 0, part: 0, entry: 0, offset: 0 };
    return { version: 1, order, cursor, epochSamples: 0, skipped: 0 };
  }
  if (given.order !== order) {
    throw new DataError(
      `Expected a position of the same shards, seed and order for ${source.name} but received one ` +
        `of others (${given.order} instead of ${order}); resume with the options that it was saved ` +
        `with, or start anew`,
      { source: source.name },
    );
  }
  return given;
}

/** With one example per caption, captions are counted while samples are listed. */
function countCaptions(source: Source): (entry: Entry) => (number | undefined)[] {
  const reader = new PieceReader();
  return ({ ref }) => {
    if (ref === undefined) return [undefined];
    try {
      const { captions } = readText(reader, ref, { ...source.reading, withoutNpy: true });
      return captions.length === 0 ? [undefined] : captions.map((_, i) => i);
    } catch {
      // Decoding meets the same trouble and reports it.
      return [undefined];
    }
  };
}

/** Entries are counted where they are listed already. */
function extentOf({
  parts,
  listed,
}: Source): Extract<FromCoordinator, { kind: "ready" }>["extent"] {
  const count = (): number => parts.reduce((sum, { list }) => sum + (list?.length ?? 0), 0);
  const bytes = parts.reduce((sum, { path }) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return sum + (stats?.isFile() === true ? stats.size : 0);
  }, 0);
  return { parts: parts.length, samples: listed ? count() : undefined, bytes };
}

async function run(): Promise<void> {
  const source = await openSource(options.source, {
    records: options.captions === "together",
  });
  const start = startPosition(source);
  const cellBytes = pixelBytes(options);
  const cellCount = 2 * GROUP * options.workers;
  const cells = new SharedArrayBuffer(cellCount * cellBytes);
  const slots = Array.from(
    { length: options.prefetch + 1 },
    () => new SharedArrayBuffer(options.batchSize * cellBytes),
  );
  const running: Running = { pipeline: undefined };
  const data: DecoderData = { options, reading: source.reading, cells };
  const pool = new DecoderPool<DecodeTask, Decoded, DecoderReady>({
    script: new URL("./decode-worker.js", import.meta.url),
    workers: options.workers,
    data,
    onDone: (id, results) => running.pipeline?.done(id, results),
    onFailure: (error) => {
      running.pipeline?.stop();
      fail(error);
    },
  });
  listen(pool, running);
  const { contextLength } = await pool.start();
  const pipeline = new Pipeline({
    options,
    source,
    pool,
    cells: new Uint8Array(cells),
    cellCount,
    builder: new BatchBuilder(options, slots, contextLength),
    start,
    group: GROUP,
    expand: options.captions === "all" ? countCaptions(source) : undefined,
    post,
  });
  running.pipeline = pipeline;
  post({ kind: "ready", slots, contextLength, start, extent: extentOf(source) });
  await pipeline.run();
}

type Pool = DecoderPool<DecodeTask, Decoded, DecoderReady>;

/** The pipeline once the workers are ready. */
interface Running {
  pipeline: Pipeline | undefined;
}

function listen(pool: Pool, running: Running): void {
  port.on("message", (message: ToCoordinator) => {
    if (message.kind === "release") {
      running.pipeline?.release(message.slot);
      return;
    }
    running.pipeline?.stop();
    void pool.stop().finally(() => port.close());
  });
}

run().catch(fail);
