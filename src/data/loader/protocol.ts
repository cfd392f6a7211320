/** The messages between the loader's threads. */
import { DataError, LimnError } from "../../errors.ts";
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

export type ToDecoder = { kind: "tasks"; id: number; tasks: DecodeTask[] } | { kind: "stop" };

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

export type FromDecoder =
  | { kind: "ready"; contextLength: number }
  | { kind: "done"; id: number; results: Decoded[] }
  | { kind: "failed"; error: PlainError };

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
  epoch: number;
  /** Samples passed over for this batch, and the first of them by name. */
  skipped: number;
  problems: Problem[];
  position: LoaderPosition;
}

export type FromCoordinator =
  | { kind: "ready"; slots: SharedArrayBuffer[]; contextLength: number; start: LoaderPosition }
  | BatchMessage
  | { kind: "end"; position: LoaderPosition; skipped: number; problems: Problem[] }
  | { kind: "failed"; error: PlainError };

/** An error as it travels between threads: classes do not survive structured cloning. */
export interface PlainError {
  name: string;
  message: string;
  stack?: string;
  code?: string;
  source?: string;
  key?: string;
}

export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const plain: PlainError = { name, message };
  if (stack !== undefined) plain.stack = stack;
  if (error instanceof LimnError) plain.code = error.code;
  if (error instanceof DataError) {
    plain.source = error.source;
    if (error.key !== undefined) plain.key = error.key;
  }
  return plain;
}

/** The error again, of its class where that matters to callers; the worker's own is the cause. */
export function fromPlainError(plain: PlainError): Error {
  const cause = new Error(plain.message);
  cause.name = plain.name;
  if (plain.stack !== undefined) cause.stack = plain.stack;
  if (plain.source !== undefined) {
    const at =
      plain.key === undefined ? { source: plain.source } : { source: plain.source, key: plain.key };
    return new DataError(plain.message, at, { cause });
  }
  if (plain.code !== undefined) return new LimnError(plain.code, plain.message, { cause });
  if (plain.name === "TypeError") return new TypeError(plain.message, { cause });
  if (plain.name === "RangeError") return new RangeError(plain.message, { cause });
  return new Error(plain.message, { cause });
}

/** One bad sample as an error that names file and sample. */
export function problemError({ file, key, reason }: Problem): DataError {
  const what = key === undefined ? file : `${key} in ${file}`;
  return new DataError(
    `Expected a usable sample for ${what} but received a bad one: ${reason}; repair or remove it, ` +
      `or set onError to "skip"`,
    key === undefined ? { source: file } : { source: file, key },
  );
}
