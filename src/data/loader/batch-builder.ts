/** Collects decoded samples, in order, into batches on shared memory, and names the examples in them. */
import { resolve } from "node:path";
import type { Problem, Source } from "../sources/source.ts";
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
  /** Where it is a file of its own. */
  file: string | undefined;
  /** Which of its captions this is, where each is an example of its own. */
  caption: number | undefined;
  epoch: number;
  decoded: Good;
  /** [3, S, S] uint8, or empty; copied. */
  pixels: Uint8Array;
}

export class BatchBuilder {
  readonly #options: ResolvedOptions;
  readonly #slots: Uint8Array[];
  readonly #free: number[];
  readonly #contextLength: number;
  /** The slot being filled. */
  #slot: number | undefined;
  #rows: Omit<Row, "pixels">[] = [];
  #skipped = 0;
  #problems: Problem[] = [];

  constructor(options: ResolvedOptions, slots: SharedArrayBuffer[], contextLength: number) {
    this.#options = options;
    this.#slots = slots.map((slot) => new Uint8Array(slot));
    this.#free = slots.map((_, i) => i);
    this.#contextLength = contextLength;
  }

  /** Gives a slot back, once the consumer has no more use for it. */
  release(slot: number): void {
    this.#free.push(slot);
  }

  /** Rows in the batch at hand. */
  get size(): number {
    return this.#rows.length;
  }

  /** Copies a sample into the batch; false if all slots are in use, so that it must wait. */
  add({ pixels, ...row }: Row): boolean {
    this.#slot ??= this.#free.shift();
    if (this.#slot === undefined) return false;
    this.#slots[this.#slot]!.set(pixels, this.#rows.length * pixels.length);
    this.#rows.push(row);
    return true;
  }

  skip(problem: Problem): void {
    this.#skipped += 1;
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(problem);
  }

  /** Forgets the rows at hand, not the bad samples among them. */
  drop(): void {
    this.#rows = [];
  }

  /** Bad samples since the last batch; counted once. */
  takeProblems(): { skipped: number; problems: Problem[] } {
    const taken = { skipped: this.#skipped, problems: this.#problems };
    this.#skipped = 0;
    this.#problems = [];
    return taken;
  }

  /** The batch at hand as a message; the next row starts a new one. */
  finish(position: LoaderPosition): BatchMessage {
    const [rows, contextLength] = [this.#rows, this.#contextLength];
    const captions = rows.flatMap(({ decoded }) => decoded.captions);
    const hasTokens = this.#options.tokenizer !== undefined;
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
    // As with metas, training has no use for them.
    const hasFiles =
      this.#options.captions === "together" && rows.some(({ file }) => file !== undefined);
    const hasMeta = rows.some(({ decoded }) => decoded.meta !== undefined);
    const message: BatchMessage = {
      kind: "batch",
      slot: this.#slot!,
      size: rows.length,
      keys: rows.map(({ key }) => key),
      ids: rows.flatMap((each) => this.#exampleIds(each)),
      imageIds: rows.map(({ id }) => id),
      tokens,
      lengths,
      captions,
      owners,
      labels: labels.some((label) => label !== undefined) ? labels : undefined,
      metas: hasMeta ? metas : undefined,
      imageFiles: hasFiles ? rows.map(({ file }) => file) : undefined,
      epoch: rows[0]!.epoch,
      ...this.takeProblems(),
      position,
    };
    this.#slot = undefined;
    this.#rows = [];
    return message;
  }

  #exampleIds({ id, caption, decoded }: Omit<Row, "pixels">): string[] {
    const together = this.#options.captions === "together";
    return decoded.captions.map((_, i) => exampleId(id, together ? i : caption));
  }
}

/**
 * A short name for each part of a source: as few of the last segments of its path as tell all parts
 * apart, so that a source may move with its folders. A path that occurs again is numbered.
 */
export function partNames({ parts }: Pick<Source, "parts">): string[] {
  const segments = parts.map(({ path }) => resolve(path).split(/[\\/]/));
  const distinct = new Set(segments.map((names) => names.join("/"))).size;
  const most = Math.max(1, ...segments.map(({ length }) => length));
  let names: string[] = [];
  for (let count = 1; count <= most; count++) {
    names = segments.map((path) => path.slice(-count).join("/"));
    if (new Set(names).size === distinct) break;
  }
  const seen = new Map<string, number>();
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name}~${times}`;
  });
}

/** `part#number` for the picture, `part#number/caption` for one of its captions; all from 0. */
function exampleId(image: string, caption: number | undefined): string {
  return caption === undefined ? image : `${image}/${caption}`;
}
