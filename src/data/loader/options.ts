/** The loader's options, checked and completed. */
import { DataError, didYouMean } from "../../errors.ts";
import { defaultWorkers } from "../../files/cores.ts";
import type { TokenizerDescription } from "../../text/index.ts";
import {
  MAX_PIXELS,
  MAX_TRAINING_PIXELS,
  parseTrainingAugmentation,
  type TrainingAugmentation,
} from "../image/index.ts";
import {
  cellBytes,
  isNaflex,
  parsePictureTransform,
  type PictureTransform,
} from "../image/picture-cell.ts";
import { checkSourceSpec, type SourceSpec } from "../sources/source-spec.ts";
import type { Cursor } from "./order.ts";

export interface LoaderOptions {
  source: SourceSpec;
  /**
   * Size and interpolation of the pixels; in evaluation all of it. NaFlex patches without changes.
   * Needed unless `images` is `skip`.
   */
  transform?: PictureTransform;
  /** Random crops, flips and colours of training; none by default. Not with `mode: "evaluate"`. */
  augmentation?: TrainingAugmentation;
  /** Without one, batches have no tokens and samples need no captions. */
  tokenizer?: TokenizerDescription;
  /** Images in a batch. */
  batchSize: number;
  /**
   * `train` (default): shuffled, endless, one caption per image, bad samples are skipped.
   * `evaluate`: in stored order, one epoch, every caption of each image, the last batch may be
   * smaller, a bad sample is an error. Each of these can be set by its own option.
   */
  mode?: "train" | "evaluate";
  /** Decides order, captions and augmentation; an integer, 0 by default. */
  seed?: number;
  shuffle?: boolean;
  /**
   * Samples of shards that are shuffled together, after the shards themselves were; 10,000 by
   * default. Uncompressed shards keep only references to them. Tables and folders are shuffled whole.
   */
  shuffleWindow?: number;
  /**
   * What an image with several captions gives: `random` one per epoch, `first` always the first,
   * `all` one example per caption, `together` one image with all its captions.
   */
  captions?: "random" | "first" | "all" | "together";
  /**
   * `skip` decodes no picture, and where they are files of their own or in uncompressed shards reads
   * none: `pixels` is empty and all else is as with `decode` (default), down to the position. Only
   * pictures that cannot be decoded are not noticed, so their samples stay in.
   */
  images?: "decode" | "skip";
  /**
   * `marked`: whole numbers that a sample's record has as floats, as Python writes 1.0, are Number
   * objects in `metas`, so that a column of floats is told from one of integers. By default they are
   * numbers like others.
   */
  floats?: "plain" | "marked";
  /**
   * An epoch's incomplete last batch: `continue` fills it from the next epoch, `drop` leaves it out,
   * `keep` yields it smaller.
   */
  lastBatch?: "continue" | "drop" | "keep";
  /** Number of epochs; Infinity by default in training. */
  epochs?: number;
  /** Decoding threads; every usable core except one by default. Changes no batch. */
  workers?: number;
  /** Finished batches that wait at most, beside the one in use; 2 by default. */
  prefetch?: number;
  /**
   * A picture of more pixels cannot be read: refused from its header, before memory is taken. By
   * default 67,108,864 (8,192 x 8,192) in training, which bounds a worker to about 0.6 GB; in
   * evaluation 178,956,970, as Pillow does.
   */
  maxPixels?: number;
  /** A sample that cannot be read ends the run with its name, or is skipped and counted. */
  onError?: "skip" | "fail";
  /**
   * The part of one of several processes that share each batch: `batchSize` samples of `size` times as
   * many, so that the ranks' batches one behind the other are the batch of a loader by itself. A bad
   * sample is replaced by the next of the same rank. Needs `lastBatch: "continue"`.
   */
  share?: { rank: number; size: number };
  /** Continue behind the batch after which `loader.position()` gave this. */
  position?: LoaderPosition;
}

/** Where a loader stands; plain JSON, to be saved with a checkpoint. */
export interface LoaderPosition {
  version: 1;
  /** Identifies source, seed and order; another loader refuses it. */
  order: string;
  cursor: Cursor;
  /** Samples of the current epoch that were read, and samples skipped since the start. */
  epochSamples: number;
  skipped: number;
}

/** Options with every default filled in; plain JSON, it travels to the workers. */
export interface ResolvedOptions {
  source: SourceSpec;
  /** Set where pictures are decoded. */
  transform: PictureTransform | undefined;
  augmentation: TrainingAugmentation | undefined;
  tokenizer: TokenizerDescription | undefined;
  batchSize: number;
  seed: number;
  shuffle: boolean;
  shuffleWindow: number;
  captions: "random" | "first" | "all" | "together";
  images: "decode" | "skip";
  floats: "plain" | "marked";
  lastBatch: "continue" | "drop" | "keep";
  epochs: number | undefined;
  workers: number;
  prefetch: number;
  maxPixels: number;
  onError: "skip" | "fail";
  share: { rank: number; size: number } | undefined;
  position: LoaderPosition | undefined;
}

const KEYS: (keyof LoaderOptions)[] = [
  "source",
  "transform",
  "augmentation",
  "tokenizer",
  "batchSize",
  "mode",
  "seed",
  "shuffle",
  "shuffleWindow",
  "captions",
  "images",
  "floats",
  "lastBatch",
  "epochs",
  "workers",
  "prefetch",
  "maxPixels",
  "onError",
  "share",
  "position",
];

/** throws   TypeError, RangeError, SettingError or DataError that names the option */
export function resolveLoaderOptions(options: LoaderOptions): ResolvedOptions {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown loader option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  const evaluating = oneOf(options.mode, "mode", ["train", "evaluate"]) === "evaluate";
  const { augmentation, tokenizer, position } = options;
  if (evaluating && augmentation !== undefined) {
    throw new TypeError(
      `Expected no augmentation with mode "evaluate" but received one; remove it`,
    );
  }
  if (options.shuffle !== undefined && typeof options.shuffle !== "boolean") {
    throw new TypeError(
      `Expected true or false for shuffle but received ${String(options.shuffle)}`,
    );
  }
  const images = oneOf(options.images, "images", ["decode", "skip"]) ?? "decode";
  const transform =
    options.transform === undefined && images === "skip"
      ? undefined
      : parsePictureTransform(options.transform, "transform");
  if (transform && isNaflex(transform) && augmentation !== undefined) {
    throw new TypeError(
      "Expected a transform into squares with an augmentation but received a NaFlex one; " +
        "remove the augmentation, or give an evaluation transform",
    );
  }
  const lastBatch =
    oneOf(options.lastBatch, "lastBatch", ["continue", "drop", "keep"]) ??
    (evaluating ? "keep" : "continue");
  const epochs = options.epochs ?? (evaluating ? 1 : Infinity);
  return {
    source: checkSourceSpec(options.source),
    transform,
    augmentation:
      augmentation === undefined
        ? undefined
        : parseTrainingAugmentation(augmentation, "augmentation"),
    tokenizer,
    batchSize: integer(options.batchSize, "batchSize", 1),
    seed: integer(options.seed ?? 0, "seed", Number.MIN_SAFE_INTEGER),
    shuffle: options.shuffle ?? !evaluating,
    shuffleWindow: integer(options.shuffleWindow ?? 10_000, "shuffleWindow", 1),
    captions:
      oneOf(options.captions, "captions", ["random", "first", "all", "together"]) ??
      (evaluating ? "together" : "random"),
    images,
    floats: oneOf(options.floats, "floats", ["plain", "marked"]) ?? "plain",
    lastBatch,
    epochs: epochs === Infinity ? undefined : integer(epochs, "epochs", 1),
    workers: integer(options.workers ?? defaultWorkers(), "workers", 1),
    prefetch: integer(options.prefetch ?? 2, "prefetch", 1),
    maxPixels: integer(
      options.maxPixels ?? (evaluating ? MAX_PIXELS : MAX_TRAINING_PIXELS),
      "maxPixels",
      1,
    ),
    onError: oneOf(options.onError, "onError", ["skip", "fail"]) ?? (evaluating ? "fail" : "skip"),
    share: options.share === undefined ? undefined : checkShare(options.share, lastBatch),
    position: position === undefined ? undefined : checkPosition(position),
  };
}

function checkShare(
  { rank, size }: NonNullable<LoaderOptions["share"]>,
  lastBatch: ResolvedOptions["lastBatch"],
): ResolvedOptions["share"] {
  if (lastBatch !== "continue") {
    throw new TypeError(
      `Expected lastBatch "continue" with share but received "${lastBatch}"; the ranks need batches ` +
        "of one size",
    );
  }
  const ranks = integer(size, "share.size", 1);
  if (integer(rank, "share.rank", 0) < ranks) return { rank, size };
  throw new RangeError(
    `Expected a rank below share.size ${ranks} for share.rank but received ${rank}`,
  );
}

/** Bytes of one prepared picture (`cellBytes`); 0 where none is decoded. */
export function pixelBytes({ images, transform }: ResolvedOptions): number {
  return images === "skip" || transform === undefined ? 0 : cellBytes(transform);
}

function integer(value: unknown, name: string, least: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    const range = least === Number.MIN_SAFE_INTEGER ? "an integer" : `an integer from ${least}`;
    throw new RangeError(`Expected ${range} for ${name} but received ${JSON.stringify(value)}`);
  }
  return value as number;
}

function oneOf<T extends string>(
  value: T | undefined,
  name: string,
  known: readonly T[],
): T | undefined {
  if (value === undefined || known.includes(value)) return value;
  throw new RangeError(
    `Expected one of ${known.join(", ")} for ${name} but received ${JSON.stringify(value)}.` +
      (typeof value === "string" ? didYouMean(value, known) : ""),
  );
}

function checkPosition(position: LoaderPosition): LoaderPosition {
  const { cursor } = position;
  const counts = [cursor?.epoch, cursor?.part, cursor?.entry, cursor?.offset];
  const optional = [cursor?.turn ?? 0, cursor?.byte ?? 0];
  const whole = [...counts, ...optional, position.epochSamples, position.skipped].every(
    (value) => Number.isSafeInteger(value) && value >= 0,
  );
  if (position.version !== 1 || typeof position.order !== "string" || !whole) {
    throw new DataError(
      `Expected a position from loader.position() for position but received ` +
        `${JSON.stringify(position)}; pass one that was saved`,
      { source: "position" },
    );
  }
  return position;
}
