/** The messages between the loader's threads. */
import { DataError, sampleIn } from "../../errors.ts";
import type { PlainError } from "../image/decoder-pool.ts";
import type { Problem, ReadingOptions, SampleRef } from "../sources/source.ts";
import type { LoaderPosition, ResolvedOptions } from "./options.ts";

/** Given to a decode worker when it starts. */
export interface DecoderData {
  options: ResolvedOptions;
  reading: ReadingOptions;
  /** Rooms for decoded images, [cells, 3, S, S] uint8. */
  cells: SharedArrayBuffer;
}

/** One sample to decode into a cell. */
export interface DecodeTask {
  cell: number;
  ref: SampleRef;
  /** Identity of the visit: decides augmentation and the choice of a caption. */
  epoch: number;
  part: number;
  index: number;
  caption: number | undefined;
}

/** What a decode worker found for one task. */
export type Decoded =
  | {
      captions: string[];
      tokens: Int32Array;
      lengths: Int32Array;
      label: string | undefined;
      meta: Record<string, unknown> | undefined;
    }
  | { reason: string };

/** What a decode worker reports when it is ready; 0 without a tokenizer. */
export interface DecoderReady {
  contextLength: number;
}

export type ToCoordinator = { kind: "release"; slot: number } | { kind: "close" };

/** A batch whose pixels are in a slot of shared memory. */
export interface BatchMessage {
  kind: "batch";
  slot: number;
  size: number;
  keys: string[];
  ids: string[];
  imageIds: string[];
  tokens: Int32Array;
  lengths: Int32Array;
  captions: string[];
  owners: Int32Array;
  labels: (string | undefined)[] | undefined;
  metas: Record<string, unknown>[] | undefined;
  imageFiles: (string | undefined)[] | undefined;
  epoch: number;
  /** Samples passed over for this batch, and the first of them by name. */
  skipped: number;
  problems: Problem[];
  position: LoaderPosition;
}

export type FromCoordinator =
  | {
      kind: "ready";
      slots: SharedArrayBuffer[];
      contextLength: number;
      start: LoaderPosition;
      extent: { parts: number; samples: number | undefined; bytes: number };
    }
  | BatchMessage
  | { kind: "end"; position: LoaderPosition; skipped: number; problems: Problem[] }
  | { kind: "warning"; text: string }
  | { kind: "failed"; error: PlainError };

/** One bad sample as an error that names file and sample. */
export function problemError({ file, key, reason }: Problem): DataError {
  return new DataError(
    `Expected a usable sample for ${sampleIn(file, key)} but received a bad one: ${reason}; repair or remove it, ` +
      `or set onError to "skip"`,
    key === undefined ? { source: file } : { source: file, key },
  );
}
