/** Collects decoded samples, in order, into batches on shared memory. */
import type { Problem } from "../sources/source.ts";
import { exampleId } from "./example-id.ts";
import type { LoaderPosition, ResolvedOptions } from "./options.ts";
import type { BatchMessage, Decoded } from "./protocol.ts";

/** Bad samples are listed by name up to this many per batch; all of them are counted. */
const MOST_PROBLEMS = 50;

type Good = Exclude<Decoded, { reason: string }>;

/** A decoded sample with its place in a batch. */
export interface Row {
  key: string;
  /** The picture's name, see `Batch.imageIds`. */
  id: string;
  /** Which of its captions this is, where each is an example of its own. */
  caption: number | undefined;
  epoch: number;
  decoded: Good;
  /** [3, S, S] uint8, or empty; copied. */
  pixels: Uint8Array;
}

export class BatchBuilder {
  private readonly options: ResolvedOptions;
  private readonly slots: Uint8Array[];
  private readonly free: number[];
  private readonly contextLength: number;
  /** The slot being filled. */
  private slot: number | undefined;
  private rows: Omit<Row, "pixels">[] = [];
  private skipped = 0;
  private problems: Problem[] = [];

  constructor(options: ResolvedOptions, slots: SharedArrayBuffer[], contextLength: number) {
    this.options = options;
    this.slots = slots.map((slot) => new Uint8Array(slot));
    this.free = slots.map((_, i) => i);
    this.contextLength = contextLength;
  }

  /** Gives a slot back, once the consumer has no more use for it. */
  release(slot: number): void {
    this.free.push(slot);
  }

  /** Rows in the batch at hand. */
  get size(): number {
    return this.rows.length;
  }

  /** Copies a sample into the batch; false if all slots are in use, so that it must wait. */
  add({ pixels, ...row }: Row): boolean {
    this.slot ??= this.free.shift();
    if (this.slot === undefined) return false;
    this.slots[this.slot]!.set(pixels, this.rows.length * pixels.length);
    this.rows.push(row);
    return true;
  }

  skip(problem: Problem): void {
    this.skipped += 1;
    if (this.problems.length < MOST_PROBLEMS) this.problems.push(problem);
  }

  /** Forgets the rows at hand, not the bad samples among them. */
  drop(): void {
    this.rows = [];
  }

  /** Bad samples since the last batch; counted once. */
  takeProblems(): { skipped: number; problems: Problem[] } {
    const taken = { skipped: this.skipped, problems: this.problems };
    this.skipped = 0;
    this.problems = [];
    return taken;
  }

  /** The batch at hand as a message; the next row starts a new one. */
  finish(position: LoaderPosition): BatchMessage {
    const { rows, contextLength } = this;
    const captions = rows.flatMap(({ decoded }) => decoded.captions);
    const hasTokens = this.options.tokenizer !== undefined;
    const tokens = new Int32Array(hasTokens ? captions.length * contextLength : 0);
    const lengths = new Int32Array(hasTokens ? captions.length : 0);
    const owners = new Int32Array(captions.length);
    let row = 0;
    rows.forEach(({ decoded }, image) => {
      owners.fill(image, row, row + decoded.captions.length);
      if (hasTokens) {
        tokens.set(decoded.tokens, row * contextLength);
        lengths.set(decoded.lengths, row);
      }
      row += decoded.captions.length;
    });
    const labels = rows.map(({ decoded }) => decoded.label);
    const metas = rows.map(({ decoded }) => decoded.meta ?? {});
    const hasMeta = rows.some(({ decoded }) => decoded.meta !== undefined);
    const message: BatchMessage = {
      kind: "batch",
      slot: this.slot!,
      size: rows.length,
      keys: rows.map(({ key }) => key),
      ids: rows.flatMap((each) => this.exampleIds(each)),
      imageIds: rows.map(({ id }) => id),
      tokens,
      lengths,
      captions,
      owners,
      labels: labels.some((label) => label !== undefined) ? labels : undefined,
      metas: hasMeta ? metas : undefined,
      epoch: rows[0]!.epoch,
      ...this.takeProblems(),
      position,
    };
    this.slot = undefined;
    this.rows = [];
    return message;
  }

  private exampleIds({ id, caption, decoded }: Omit<Row, "pixels">): string[] {
    const together = this.options.captions === "together";
    return decoded.captions.map((_, i) => exampleId(id, together ? i : caption));
  }
}
