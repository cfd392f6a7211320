/**
 * The order in which samples are visited: from a seed and an epoch, and resumable anywhere.
 *
 * Parts (shards) are shuffled per epoch. Their entries, one part behind the other, are cut into
 * windows of a fixed number of entries, and each window is shuffled as a whole. Every window's
 * permutation depends only on the seed, the epoch and where the window starts, so a position is
 * a few numbers, and resuming reads the headers of one window instead of an epoch.
 */
import { createRandom } from "../../arrays/random.ts";
import { DataError } from "../../errors.ts";
import type { Entry, Part, Source } from "../sources/source.ts";
import { type ExampleList, listExamples } from "./listed-examples.ts";

export interface OrderOptions {
  seed: number;
  shuffle: boolean;
  /** Entries in a window; ignored by listed sources, which use one window. */
  window: number;
  /** A window of compressed shards ends early at this many bytes held. */
  windowBytes: number;
  /** One process's part of the order; all of it when absent. */
  share?: OrderShare | undefined;
  /** Stop after this epoch (exclusive); undefined goes on for ever. */
  epochs: number | undefined;
  /**
   * Turns an entry into the examples that it stands for; with `captions: "all"` one per caption.
   * By default one each.
   */
  expand?: (entry: Entry) => Example["caption"][];
}

/**
 * The order is dealt out in turns, over the ends of epochs: the first `batchSize` examples to rank 0,
 * the next to rank 1, and so on. So the ranks' batches, one behind the other, are a whole batch.
 */
interface OrderShare {
  rank: number;
  /** Number of ranks. */
  size: number;
  /** Examples in a batch of one rank. */
  batchSize: number;
}

/** Where the next example is: `offset` examples into the window that starts at this entry. */
export interface Cursor {
  epoch: number;
  /** Ordinal of a part in the epoch's order of parts. */
  part: number;
  /** Entry in that part, where the window starts. */
  entry: number;
  /** That entry's `byte`, where it has one. */
  byte?: number;
  /** Examples of the window that were already taken. */
  offset: number;
  /** Of a share: examples of the ranks' common batch that were already taken. */
  turn?: number;
}

/** One visit to a sample. */
export interface Example {
  entry: Entry;
  /** Identity of the sample: number of its part in the source, and its number in the part. */
  part: number;
  index: number;
  /** Which caption, where each caption is an example of its own; undefined: not decided here. */
  caption: number | undefined;
}

export type Step =
  | { kind: "example"; example: Example; epoch: number; next: Cursor }
  | { kind: "epochEnd"; epoch: number; next: Cursor };

/** Examples from `start` on, or one share of them, epoch after epoch, with the cursor behind each. */
export async function* visit(
  source: Source,
  options: OrderOptions,
  start: Cursor,
): AsyncGenerator<Step> {
  const { share } = options;
  let turn = start.turn ?? 0;
  for await (const window of readAhead(windows(source, options, start))) {
    const { examples, ...place } = window;
    const { epoch, part, entry } = place;
    if (examples === undefined) {
      const next = { epoch: epoch + 1, part: 0, entry: 0, offset: 0, ...(share && { turn }) };
      yield { kind: "epochEnd", epoch, next };
      continue;
    }
    const resumed = epoch === start.epoch && part === start.part && entry === start.entry;
    if (resumed && start.offset > examples.length)
      throw changedSource(source, start, examples.length);
    for (let i = resumed ? start.offset : 0; i < examples.length; i++) {
      const isOwn = share === undefined || Math.floor(turn / share.batchSize) === share.rank;
      if (share) turn = (turn + 1) % (share.batchSize * share.size);
      if (!isOwn) continue;
      yield {
        kind: "example",
        example: examples.take(i),
        epoch,
        next: { ...place, offset: i + 1, ...(share && { turn }) },
      };
    }
  }
}

function changedSource(source: Source, start: Cursor, length: number): DataError {
  return new DataError(
    `Expected the source that the position was saved for but received one with ${length} samples ` +
      `where ${start.offset} were visited already; restore ${source.name} or start anew`,
    { source: source.name },
  );
}

/** Where a window starts. */
type Place = Pick<Cursor, "epoch" | "part" | "entry" | "byte">;

interface Window extends Place {
  /** In the order of visiting; undefined marks the end of the epoch. */
  examples: ExampleList | undefined;
}

async function* windows(
  source: Source,
  options: OrderOptions,
  start: Cursor,
): AsyncGenerator<Window> {
  for (let epoch = start.epoch; epoch < (options.epochs ?? Infinity); epoch++) {
    const first = epoch === start.epoch ? start : { epoch, part: 0, entry: 0 };
    yield* epochWindows(source, options, first);
    yield { epoch, part: 0, entry: 0, examples: undefined };
  }
}

async function* epochWindows(
  source: Source,
  options: OrderOptions,
  start: Place,
): AsyncGenerator<Window> {
  const { epoch } = start;
  const order = partOrder(source.parts.length, options, epoch);
  if (source.listed) {
    const examples = await listExamples(source, order, options, start);
    const { part, entry } = start;
    if (examples.length > 0) yield { epoch, part, entry, examples };
    return;
  }
  let window = placeOf(start, start.byte);
  let examples: Example[] = [];
  let entries = 0;
  let bytes = 0;
  for (let ordinal = start.part; ordinal < order.length; ordinal++) {
    const number = order[ordinal]!;
    const [first, byte] = ordinal === start.part ? [start.entry, start.byte] : [0];
    const { entries: read, index: from } = entriesFrom(source.parts[number]!, first, byte);
    let index = from - 1;
    for await (const entry of read) {
      index += 1;
      if (index < first) continue;
      if (entries >= options.window || (entries > 0 && bytes >= options.windowBytes)) {
        yield { ...window, examples: arrange(examples, options, window) };
        window = placeOf({ epoch, part: ordinal, entry: index }, entry.byte);
        examples = [];
        entries = 0;
        bytes = 0;
      }
      entries += 1;
      bytes += heldBytes(entry);
      for (const caption of options.expand?.(entry) ?? [undefined]) {
        examples.push({ entry, part: number, index, caption });
      }
    }
  }
  if (entries > 0) yield { ...window, examples: arrange(examples, options, window) };
}

/** The entries of a part from one on, or from the first, and the number of the first. */
function entriesFrom(
  part: Part,
  first: number,
  byte: number | undefined,
): { entries: AsyncIterable<Entry>; index: number } {
  return first > 0 && part.readFrom !== undefined
    ? { entries: part.readFrom(first, byte), index: first }
    : { entries: part.read(), index: 0 };
}

function placeOf({ epoch, part, entry }: Omit<Place, "byte">, byte: number | undefined): Place {
  return { epoch, part, entry, ...(byte !== undefined && { byte }) };
}

/** The parts in the order of an epoch. */
function partOrder(
  count: number,
  { seed, shuffle }: Pick<OrderOptions, "seed" | "shuffle">,
  epoch: number,
): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  return shuffle ? createRandom([seed, "parts", epoch]).shuffle(order) : order;
}

function arrange(
  examples: Example[],
  { seed, shuffle }: OrderOptions,
  { epoch, part, entry }: { epoch: number; part: number; entry: number },
): ExampleList {
  const list: (Example | undefined)[] = shuffle
    ? createRandom([seed, "window", epoch, part, entry]).shuffle(examples)
    : examples;
  return {
    length: list.length,
    take(index) {
      const example = list[index]!;
      // References are dropped as they are used: those of compressed shards hold whole images.
      list[index] = undefined;
      return example;
    },
  };
}

function heldBytes({ ref }: Entry): number {
  if (ref === undefined) return 0;
  const pieces = [ref.image, ref.text, ref.json, ref.classIndex, ref.npy];
  return pieces.reduce((sum, piece) => sum + (piece?.bytes?.length ?? 0), 0);
}

/** Works on the next value while the current one is used, so that windows do not make batches wait. */
async function* readAhead<T>(values: AsyncGenerator<T>): AsyncGenerator<T> {
  const request = (): Promise<IteratorResult<T>> => {
    const promise = values.next();
    // It may fail before it is awaited below, which must not count as unhandled.
    promise.catch(() => {});
    return promise;
  };
  try {
    let pending = request();
    for (;;) {
      const result = await pending;
      if (result.done === true) return;
      pending = request();
      yield result.value;
    }
  } finally {
    await values.return(undefined);
  }
}
