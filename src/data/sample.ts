/** The records that travel through the data pipeline. Plain data: safe to post between threads. */

/** One image with its captions, as a source yields it: still encoded, nothing decoded. */
export interface Sample {
  /** Unique name inside its shard or table, such as `train/000017`. */
  key: string;
  /** The encoded file: PNG, JPEG, WebP or whatever else the decoder reads. */
  image: Uint8Array;
  captions: string[];
  label?: string;
  meta?: Record<string, unknown>;
  /** Where it was read: the shard or table, and the sample's number in it from 0. */
  at: { source: string; index: number };
}

/** A sample to be written into a shard, see `writeShards`. */
export interface PackSample {
  key: string;
  image: Uint8Array;
  extension: "png" | "jpg" | "webp";
  captions: string[];
  label?: string;
  /** A label that goes to `key.cls`, where webdataset's sets for classification have it. */
  classIndex?: string;
  meta?: Record<string, unknown>;
}

/**
 * One batch as the trainer and the evaluators receive it. Pixels are uint8 so that normalising
 * happens with tensor operators on the training thread.
 *
 * The arrays are valid until the loader's next `next()` or `release()`: their memory is reused.
 */
export interface Batch {
  keys: string[];
  /**
   * [R] a name of each row of `tokens` that is unique in the source and the same in every epoch, run
   * and on every machine: `shard-000003.tar#17`, that is the part and the sample's number in it, and
   * with `captions: "all"` or `"together"` the caption's number too: `shard-000003.tar#17/2`.
   */
  ids: string[];
  /** [N] the same name for each picture alone: `shard-000003.tar#17`. */
  imageIds: string[];
  /**
   * [N, 3, S, S] row-major, 0 to 255, on a SharedArrayBuffer; empty with `images: "skip"`. With a
   * NaFlex transform: [N, cellBytes(transform)], see `image/picture-cell.ts`.
   */
  pixels: Uint8Array;
  /** N: images in this batch. */
  size: number;
  /** S: pixels of a side; 0 with a NaFlex transform. */
  imageSize: number;
  /** [R, T] token ids; R = N in training, the number of all captions in evaluation. */
  tokens: Int32Array;
  /** T. */
  contextLength: number;
  /** [R] tokens of each row including the end token. */
  lengths: Int32Array;
  /** [R] the caption behind each row of `tokens`. */
  captions: string[];
  /** [R] the image (0 to N - 1) of each caption; the identity in training. */
  owners: Int32Array;
  /** [N], present when any sample of the batch has a label. */
  labels?: (string | undefined)[];
  /** [N] what each sample's JSON holds beside captions and label; in evaluation only. */
  metas?: Record<string, unknown>[];
  /** [N] the file of each picture that is a file of its own; in evaluation only. */
  imageFiles?: (string | undefined)[];
  /** Samples passed over while this batch was filled. */
  skipped: number;
  /** The epoch, from 0, of the batch's first image. */
  epoch: number;
}
