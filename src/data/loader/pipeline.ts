/**
 * The loader's heart, on the coordinator's thread: visits samples in order, hands them out for
 * decoding, and puts the results back in order into batches. Which worker decoded what, and when,
 * has no influence on the batches.
 */
import { DataError, sampleIn } from "../../errors.ts";
import { type DecoderPool, toPlainError } from "../image/decoder-pool.ts";
import type { Problem, Source } from "../sources/source.ts";
import { type BatchBuilder, partNames } from "./batch-builder.ts";
import type { LoaderPosition, ResolvedOptions } from "./options.ts";
import { type Cursor, type Example, type Step, visit } from "./order.ts";
import {
  type Decoded,
  type DecoderReady,
  type DecodeTask,
  type FromCoordinator,
  problemError,
} from "./protocol.ts";

/** Bytes of compressed shards that a window holds; two windows are in memory at a time. */
const WINDOW_BYTES = 128 << 20;

/** A place in the order: a sample on its way, or the end of an epoch. */
type Place =
  | {
      kind: "sample";
      example: Example;
      epoch: number;
      next: Cursor;
      /** Undefined where nothing needs decoding. */
      cell: number | undefined;
      decoded: Decoded | undefined;
    }
  | { kind: "epochEnd"; epoch: number; next: Cursor }
  | { kind: "end" };

interface PipelineOptions {
  options: ResolvedOptions;
  source: Source;
  pool: DecoderPool<DecodeTask, Decoded, DecoderReady>;
  /** [cells, 3, S, S] uint8, where workers leave images. */
  cells: Uint8Array;
  cellCount: number;
  builder: BatchBuilder;
  start: LoaderPosition;
  /** Tasks handed to a worker at once. */
  group: number;
  expand: ((entry: Example["entry"]) => Example["caption"][]) | undefined;
  post: (message: FromCoordinator) => void;
}

export class Pipeline {
  readonly #given: PipelineOptions;
  readonly #places: Place[] = [];
  readonly #freeCells: number[];
  readonly #partNames: string[];
  readonly #groups: Map<number, (Place & { kind: "sample" })[]> = new Map();
  #group: (Place & { kind: "sample" })[] = [];
  #nextGroup = 0;
  /** Wakes the visiting loop when a cell or a place came free. */
  #wake: (() => void) | undefined;
  #stopped = false;
  #position: LoaderPosition;
  #batchesInEpoch = 0;
  #firstProblems: Problem[] = [];
  #toldOfRepeats = false;

  constructor(given: PipelineOptions) {
    this.#given = given;
    this.#position = given.start;
    this.#partNames = partNames(given.source);
    this.#freeCells = Array.from({ length: given.cellCount }, (_, i) => i);
  }

  /** Runs to the end of the last epoch, or until `stop`. */
  async run(): Promise<void> {
    const { source, options, start, expand } = this.#given;
    const steps = visit(
      source,
      {
        seed: options.seed,
        shuffle: options.shuffle,
        window: options.shuffle ? options.shuffleWindow : Math.min(1024, options.shuffleWindow),
        windowBytes: WINDOW_BYTES,
        epochs: options.epochs,
        ...(options.share && { share: { ...options.share, batchSize: options.batchSize } }),
        ...(expand === undefined ? {} : { expand }),
      },
      start.cursor,
    );
    for await (const step of steps) {
      while (this.#isFull() && !this.#isStopped()) {
        this.#flush();
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#isStopped()) return;
      this.#enter(step);
    }
    this.#flush();
    this.#places.push({ kind: "end" });
    this.#assemble();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** A worker's results for a group of tasks. */
  done(id: number, results: Decoded[]): void {
    const group = this.#groups.get(id)!;
    this.#groups.delete(id);
    group.forEach((place, i) => (place.decoded = results[i]!));
    this.#assemble();
  }

  release(slot: number): void {
    this.#given.builder.release(slot);
    this.#assemble();
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  #isFull(): boolean {
    return this.#freeCells.length === 0 || this.#places.length >= 2 * this.#given.cellCount;
  }

  #enter(step: Step): void {
    if (step.kind === "epochEnd") {
      this.#flush();
      this.#places.push(step);
      this.#assemble();
      return;
    }
    const { example, epoch, next } = step;
    const { problem } = example.entry;
    if (problem !== undefined) {
      const decoded = { reason: problem.reason };
      this.#places.push({ kind: "sample", example, epoch, next, cell: undefined, decoded });
      this.#assemble();
      return;
    }
    const cell = this.#freeCells.pop()!;
    const place: Place = { kind: "sample", example, epoch, next, cell, decoded: undefined };
    this.#places.push(place);
    this.#group.push(place);
    if (this.#group.length >= this.#given.group) this.#flush();
  }

  /** Hands the group at hand to a worker. */
  #flush(): void {
    if (this.#group.length === 0) return;
    const id = this.#nextGroup++;
    const tasks = this.#group.map(({ example, epoch, cell }): DecodeTask => {
      const { entry, part, index, caption } = example;
      return { cell: cell!, ref: entry.ref!, epoch, part, index, caption };
    });
    this.#groups.set(id, this.#group);
    this.#group = [];
    this.#given.pool.send(id, tasks, tasks.flatMap(ownedBuffers));
  }

  /** Moves finished places from the front of the order into batches. */
  #assemble(): void {
    while (!this.#stopped) {
      const place = this.#places[0];
      if (place === undefined || !this.#settle(place)) break;
      this.#places.shift();
    }
    if (!this.#isFull()) this.#wake?.();
  }

  /** False if the place is not finished yet, or has no room. */
  #settle(place: Place): boolean {
    if (place.kind === "epochEnd") {
      this.#endEpoch(place);
      return true;
    }
    if (place.kind === "end") {
      this.#given.post({
        kind: "end",
        position: this.#position,
        ...this.#given.builder.takeProblems(),
      });
      return true;
    }
    const { decoded, example, next, epoch, cell } = place;
    if (decoded === undefined) return false;
    if ("reason" in decoded) this.#skip(example, decoded.reason);
    else {
      const { builder, cells } = this.#given;
      const size = cells.length / this.#given.cellCount;
      const pixels = cells.subarray(cell! * size, (cell! + 1) * size);
      const { entry, part, index, caption } = example;
      const { key, file: at } = entry.ref!;
      const id = `${this.#partNames[part]}#${index}`;
      const file = at === this.#given.source.parts[part]!.path ? undefined : at;
      if (!builder.add({ key, id, file, caption, epoch, decoded, pixels })) return false;
    }
    if (this.#stopped) return true;
    const read = "reason" in decoded ? 0 : 1;
    const epochSamples = this.#position.epochSamples + read;
    this.#position = { ...this.#position, cursor: next, epochSamples };
    if (cell !== undefined) this.#freeCells.push(cell);
    if (read === 1 && this.#given.builder.size === this.#given.options.batchSize) this.#emit();
    return true;
  }

  #emit(): void {
    this.#batchesInEpoch += 1;
    this.#given.post(this.#given.builder.finish(this.#position));
  }

  #skip(example: Example, reason: string): void {
    const { ref, problem } = example.entry;
    const found = problem ?? { file: ref.file, key: ref.key, reason };
    if (this.#given.options.onError === "fail") {
      this.#fail(problemError(found));
      return;
    }
    this.#given.builder.skip(found);
    if (this.#firstProblems.length < 3) this.#firstProblems.push(found);
    this.#position = { ...this.#position, skipped: this.#position.skipped + 1 };
  }

  #endEpoch({ next }: { next: Cursor }): void {
    const { builder, options } = this.#given;
    if (this.#position.epochSamples === 0) {
      this.#fail(this.#nothingUsable());
      return;
    }
    const last = options.epochs === next.epoch;
    if (!last) this.#tellOfRepeats(this.#position.epochSamples);
    // The cursor is the new epoch's: a batch that ends here must not resume before its end.
    this.#position = { ...this.#position, cursor: next, epochSamples: 0 };
    if (builder.size > 0) {
      if (options.lastBatch === "keep") this.#emit();
      else if (options.lastBatch === "drop" || last) builder.drop();
    }
    if (options.lastBatch === "drop" && this.#batchesInEpoch === 0 && this.#startedAtEpoch(next)) {
      this.#fail(this.#tooFew());
    }
    this.#batchesInEpoch = 0;
  }

  /** A batch of more samples than there are holds some of them twice: each its own negative. */
  #tellOfRepeats(samples: number): void {
    const { options, source } = this.#given;
    if (options.lastBatch !== "continue" || samples >= options.batchSize) return;
    if (this.#toldOfRepeats) return;
    this.#toldOfRepeats = true;
    const text =
      `${source.name} has ${samples} usable samples, fewer than a batch of ${options.batchSize}: every ` +
      `batch holds some of them more than once, and a contrastive loss takes a sample's copy for its ` +
      `negative. Lower the batch size, or add samples.`;
    this.#given.post({ kind: "warning", text });
  }

  /** Whether the epoch that ended was visited from its start. */
  #startedAtEpoch({ epoch }: Cursor): boolean {
    const { cursor } = this.#given.start;
    return cursor.epoch < epoch - 1 || (cursor.part === 0 && cursor.entry + cursor.offset === 0);
  }

  #nothingUsable(): DataError {
    const { name } = this.#given.source;
    const reasons = this.#firstProblems.map(
      ({ file, key, reason }) => `${sampleIn(file, key)}: ${reason}`,
    );
    const received =
      this.#position.skipped === 0
        ? "none"
        : `only bad ones (${this.#position.skipped}), such as ${reasons.join("; ")}`;
    return new DataError(
      `Expected at least one usable sample for ${name} but received ${received}; check the source`,
      { source: name },
    );
  }

  #tooFew(): DataError {
    const { source, options } = this.#given;
    return new DataError(
      `Expected at least ${options.batchSize} usable samples (batchSize) for ${source.name} but ` +
        `received fewer; lower batchSize, or set lastBatch to "continue" or "keep"`,
      { source: source.name },
    );
  }

  #fail(error: Error): void {
    this.stop();
    this.#given.post({ kind: "failed", error: toPlainError(error) });
  }
}

/** Bytes of compressed shards move to the worker, unless another example needs them too. */
function ownedBuffers({ ref, caption }: DecodeTask): ArrayBuffer[] {
  if (caption !== undefined) return [];
  const pieces = [ref.image, ref.text, ref.json, ref.classIndex, ref.npy];
  return pieces.flatMap((piece) =>
    piece?.bytes?.buffer instanceof ArrayBuffer ? [piece.bytes.buffer] : [],
  );
}
