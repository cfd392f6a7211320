/**
 * Reads the bytes behind a sample's reference: the image, and its captions and label; of one sample, or
 * of a whole source in order, without the loader's threads.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Piece, Problem, ReadingOptions, SampleRef, Source } from "./source.ts";

/** A caption file larger than this is not one. */
const MAX_TEXT_BYTES = 1 << 20;
/** No single image is larger; a wrong offset would be. */
const MAX_IMAGE_BYTES = 1 << 30;

/**
 * Reads pieces, keeping recently used files open. Reads block the calling thread on purpose: it
 * is a worker with nothing else to do, and libuv's few threads are needed for decoding.
 */
export class PieceReader {
  readonly #open: Map<string, { file: number; size: number }> = new Map();
  readonly #most: number;

  constructor(mostOpenFiles = 32) {
    this.#most = mostOpenFiles;
  }

  /** throws   Error with a short reason, without the file's name */
  read(piece: Piece, mostBytes: number): Uint8Array {
    if (piece.bytes !== undefined) {
      checkSize(piece.bytes.length, mostBytes);
      return piece.bytes;
    }
    // Whole files are read once each; keeping them open would only use up handles.
    if (piece.size === undefined) return readWhole(piece.file, mostBytes);
    checkSize(piece.size, mostBytes);
    return readExactly(this.#handle(piece.file).file, piece.offset, piece.size);
  }

  close(): void {
    for (const { file } of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #handle(path: string): { file: number; size: number } {
    let handle = this.#open.get(path);
    this.#open.delete(path);
    if (handle === undefined) {
      const oldest = this.#open.size >= this.#most ? this.#open.keys().next().value : undefined;
      if (oldest !== undefined) {
        closeSync(this.#open.get(oldest)!.file);
        this.#open.delete(oldest);
      }
      const file = openOrExplain(path);
      handle = { file, size: fstatSync(file).size };
    }
    this.#open.set(path, handle);
    return handle;
  }
}

function openOrExplain(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new Error("the file does not exist", { cause: error });
    if (code === "EACCES" || code === "EPERM") {
      throw new Error("the file is not readable", { cause: error });
    }
    throw error;
  }
}

function readWhole(path: string, mostBytes: number): Uint8Array {
  const file = openOrExplain(path);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error("this is not a file");
    checkSize(stat.size, mostBytes);
    return readExactly(file, 0, stat.size);
  } finally {
    closeSync(file);
  }
}

function readExactly(file: number, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(file, bytes, filled, size - filled, offset + filled);
    if (count === 0) throw new Error("the file became shorter while it was read");
    filled += count;
  }
  return bytes;
}

function checkSize(size: number, most: number): void {
  if (size > most) throw new Error(`${size} bytes are more than the ${most} allowed here`);
}

/** The encoded image of a sample. */
export function readImage(reader: PieceReader, ref: SampleRef): Uint8Array {
  const bytes = reader.read(ref.image, MAX_IMAGE_BYTES);
  if (bytes.length === 0) throw new Error("the image file is empty");
  return bytes;
}

interface SampleText {
  captions: string[];
  label?: string;
  /** Everything else in the sample's JSON record. */
  meta?: Record<string, unknown>;
}

/**
 * A sample's captions and label. Captions come from the table, else from the JSON record's list,
 * else from the caption file, else from the JSON record's single caption. Blank ones are left out.
 *
 * throws   Error with a short reason if a text or JSON file is unreadable
 */
export function readText(
  reader: PieceReader,
  ref: SampleRef,
  { captionKeys, captionPerLine }: ReadingOptions,
): SampleText {
  const record = ref.json === undefined ? undefined : readRecord(reader, ref.json);
  const fromRecord = record === undefined ? undefined : recordCaptions(record, captionKeys);
  let captions = ref.captions;
  if (captions === undefined && Array.isArray(fromRecord)) captions = fromRecord;
  if (captions === undefined && ref.text !== undefined) {
    const text = decodeText(reader.read(ref.text, MAX_TEXT_BYTES));
    captions = captionPerLine ? text.split(/\r?\n/) : [text];
  }
  if (captions === undefined) captions = typeof fromRecord === "string" ? [fromRecord] : [];
  const result: SampleText = {
    captions: captions.map((caption) => caption.trim()).filter((caption) => caption !== ""),
  };
  const label = labelOf(reader, ref, record);
  if (label !== undefined) result.label = label;
  const meta = metaOf(ref, record, captionKeys);
  if (meta !== undefined) result.meta = meta;
  return result;
}

function readRecord(reader: PieceReader, piece: Piece): Record<string, unknown> {
  const text = decodeText(reader.read(piece, MAX_TEXT_BYTES));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`its JSON record is not JSON (${(error as Error).message})`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("its JSON record is not an object");
  }
  return value as Record<string, unknown>;
}

function recordCaptions(
  record: Record<string, unknown>,
  captionKeys: readonly string[],
): string[] | string | undefined {
  for (const key of captionKeys) {
    const value = record[key];
    if (typeof value === "string") return value;
    if (Array.isArray(value)) {
      if (value.every((item) => typeof item === "string")) return value;
      throw new Error(`"${key}" in its JSON record is not a list of strings`);
    }
  }
  return undefined;
}

function labelOf(
  reader: PieceReader,
  ref: SampleRef,
  record: Record<string, unknown> | undefined,
): string | undefined {
  if (ref.label !== undefined) return ref.label;
  if (ref.classIndex !== undefined) {
    return decodeText(reader.read(ref.classIndex, MAX_TEXT_BYTES)).trim();
  }
  const label = record?.label;
  return typeof label === "string" || typeof label === "number" ? String(label) : undefined;
}

function metaOf(
  ref: SampleRef,
  record: Record<string, unknown> | undefined,
  captionKeys: readonly string[],
): Record<string, unknown> | undefined {
  const meta: Record<string, unknown> = { ...ref.meta };
  for (const [key, value] of Object.entries(record ?? {})) {
    if (key !== "label" && !captionKeys.includes(key)) meta[key] = value;
  }
  return Object.keys(meta).length === 0 ? undefined : meta;
}

/** UTF-8; bytes that are not become U+FFFD, which the tokenizer's cleaning knows how to take. */
function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A sample with its bytes and texts, or what is wrong with it, and the part that it came from. */
export type ReadSample = { part: number; index: number } & (
  { ref: SampleRef; image: Uint8Array; text: SampleText } | { problem: Problem }
);

/** In stored order, once. Bad samples come as problems; nothing here throws for one. */
export async function* readSamples(source: Source): AsyncGenerator<ReadSample> {
  const reader = new PieceReader();
  try {
    for (const [number, part] of source.parts.entries()) {
      let index = 0;
      for await (const { ref, problem } of part.read()) {
        const at = { part: number, index: index++ };
        yield problem === undefined
          ? { ...at, ...readOne(reader, ref, source) }
          : { ...at, problem };
      }
    }
  } finally {
    reader.close();
  }
}

function readOne(
  reader: PieceReader,
  ref: SampleRef,
  source: Source,
): { ref: SampleRef; image: Uint8Array; text: SampleText } | { problem: Problem } {
  try {
    const text = readText(reader, ref, source.reading);
    return { ref, text, image: readImage(reader, ref) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: { file: ref.file, key: ref.key, reason } };
  }
}
