/**
 * Reads the bytes behind a sample's reference: the image, and its captions and label; of one sample, or
 * of a whole source in order, without the loader's threads.
 */
import { closeSync, fstatSync, statSync } from "node:fs";
import { types } from "node:util";
import { decodeText } from "../../files/decode-text.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { parseJson } from "../../files/json-text.ts";
import { openRegular, readExactly, readingReason, readRegular } from "../../files/regular-file.ts";
import { captionsOf, isNumber } from "../tables/caption-cell.ts";
import { MOST_PICTURE_BYTES } from "../image/decode/decode.ts";
import { withDrawings } from "../image/svg/allowed-svg.ts";
import { sampleNumbers } from "./sample-numbers.ts";
import type { Piece, Problem, ReadingOptions, SampleRef, Source } from "./source.ts";

/** A caption, a label or a record that is larger is none. */
export const MOST_TEXT_BYTES = 1 << 20;

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
    if (piece.size === undefined) return explained(() => readRegular(piece.file, mostBytes));
    checkSize(piece.size, mostBytes);
    const { file, size } = explained(() => this.#handle(piece.file));
    if (piece.offset + piece.size > size)
      throw new Error("the file became shorter since it was listed");
    return readExactly(file, piece.offset, piece.size);
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
      const file = openRegular(path);
      handle = { file, size: fstatSync(file).size };
    }
    this.#open.set(path, handle);
    return handle;
  }
}

/** The file system's own errors as short reasons without the file's name. */
function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(readingReason(cause), { cause });
  }
}

function checkSize(size: number, most: number): void {
  if (size > most) throw new Error(`its ${size} bytes are more than the ${most} allowed here`);
}

/** The encoded image of a sample. */
export function readImage(reader: PieceReader, ref: SampleRef): Uint8Array {
  const bytes = reader.read(ref.image, MOST_PICTURE_BYTES);
  if (bytes.length === 0) throw new Error("the image file is empty");
  return bytes;
}

export interface SampleText {
  captions: string[];
  label?: string;
  /** Everything else in the sample's JSON record, and its numbers in `key.npy`. */
  meta?: Record<string, unknown>;
  /** The whole record, as it stands beside the picture. */
  record?: Readonly<Record<string, unknown>>;
  /** Why there is no record, or no numbers, though a file for them stands there. */
  lostRecord?: string;
}

/**
 * A sample's captions and label. Captions come from the table, else from a list in the JSON record,
 * else from the caption file, else from the record's single caption. Blank ones and null are none: what
 * has no caption is passed over for what has one. So is a record or a caption file that cannot be
 * read, as long as there is a caption elsewhere.
 *
 * throws   Error with a short reason if no caption is found and a caption file or a record cannot be read,
 *          or if the label's file or the numbers cannot be
 */
export function readText(reader: PieceReader, ref: SampleRef, reading: ReadingOptions): SampleText {
  const { captionKeys, captionPerLine, anyJson = false, floats } = reading;
  const problems: { record?: unknown; text?: unknown } = {};
  const tried = <T>(what: "record" | "text", read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      problems[what] = error;
      return undefined;
    }
  };
  const { json, text: file } = ref;
  const record = json && tried("record", () => readRecord(reader, json, floats));
  const fromRecord = recordCaptions(record ?? {}, captionKeys);
  let captions = clean(
    ref.captions ?? (Array.isArray(fromRecord.captions) ? fromRecord.captions : []),
  );
  if (ref.captions === undefined && captions.length === 0 && file !== undefined) {
    const text = tried("text", () => textOf(reader, file, "its caption"));
    captions = clean(captionPerLine ? (text ?? "").split(/\r\n|\r|\n/) : [text ?? ""]);
  }
  if (ref.captions === undefined && captions.length === 0) {
    if (typeof fromRecord.captions === "string") captions = clean([fromRecord.captions]);
    if (!anyJson) problems.record ??= fromRecord.problem;
  }
  const label = labelOf(reader, ref, record);
  // A label is enough to do without a record, but a caption that is there must not vanish.
  const problem = problems.text ?? (label === undefined && !anyJson ? problems.record : undefined);
  if (captions.length === 0 && problem !== undefined) throw problem;
  const result: SampleText = { captions };
  if (label !== undefined) result.label = label;
  const numbers = reading.withoutNpy
    ? undefined
    : sampleNumbers(ref.npy, reading, (piece, most) => reader.read(piece, most));
  const meta = metaOf({ ...ref.meta }, record ?? {}, numbers?.record ?? {}, reading);
  if (meta !== undefined) result.meta = meta;
  if (record !== undefined) result.record = record;
  const isLost = record === undefined && problems.record instanceof Error;
  const lost = isLost ? (problems.record as Error).message : numbers?.lost;
  if (lost !== undefined) result.lostRecord = lost;
  return result;
}

function clean(captions: readonly string[]): string[] {
  return captions.map((caption) => caption.trim()).filter((caption) => caption !== "");
}

function textOf(reader: PieceReader, piece: Piece, what: string): string {
  try {
    return decodeText(reader.read(piece, MOST_TEXT_BYTES));
  } catch (cause) {
    throw new Error(`${what} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function readRecord(
  reader: PieceReader,
  piece: Piece,
  floats: ReadingOptions["floats"],
): Record<string, unknown> {
  const text = textOf(reader, piece, "its JSON record");
  let value: unknown;
  try {
    value = parseJson(text, { floats: floats ?? "plain" });
  } catch (error) {
    throw new Error(`its JSON record is not JSON (${(error as Error).message})`, { cause: error });
  }
  if (!isJsonObject(value)) throw new Error("its JSON record is not an object");
  return value;
}

/** The first list or single caption that is not blank; and what stands in a caption's place. */
function recordCaptions(
  record: Readonly<Record<string, unknown>>,
  captionKeys: readonly string[],
): { captions?: string[] | string; problem?: Error } {
  let problem: Error | undefined;
  for (const key of captionKeys) {
    const value = Object.hasOwn(record, key) ? record[key] : undefined;
    if (value === undefined || value === null) continue;
    const texts = captionsOf(value);
    if (texts === undefined) {
      const wanted = Array.isArray(value) ? "a list of texts" : "a text";
      problem ??= new Error(`"${key}" in its JSON record is not ${wanted}`);
      continue;
    }
    const captions = clean(texts);
    if (captions.length > 0) return { captions: Array.isArray(value) ? captions : captions[0]! };
  }
  return problem === undefined ? {} : { problem };
}

function labelOf(
  reader: PieceReader,
  ref: SampleRef,
  record: Readonly<Record<string, unknown>> | undefined,
): string | undefined {
  if (ref.label !== undefined) return ref.label;
  if (ref.classIndex !== undefined) return textOf(reader, ref.classIndex, "its label").trim();
  const label = record !== undefined && Object.hasOwn(record, "label") ? record.label : undefined;
  return typeof label === "string" || isNumber(label) ? String(label) : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function metaOf(
  own: Fields,
  record: Fields,
  numbers: Fields,
  { captionKeys, floats }: Pick<ReadingOptions, "captionKeys" | "floats">,
): Record<string, unknown> | undefined {
  const entries = Object.entries(record).filter(
    ([key]) => key !== "label" && !captionKeys.includes(key),
  );
  const plain = ([key, value]: [string, unknown]): [string, unknown] => [key, unmarked(value)];
  const table = floats === "marked" ? Object.entries(own) : Object.entries(own).map(plain);
  const all = [...table, ...entries, ...Object.entries(numbers)];
  // Defines the keys, of which one may be `__proto__`.
  return all.length === 0 ? undefined : (Object.fromEntries(all) as Record<string, unknown>);
}

function unmarked(value: unknown): unknown {
  return types.isNumberObject(value) ? Number(value) : value;
}

/** A sample with its texts, or what is wrong with it. */
export type ReadText = { ref: SampleRef; text: SampleText } | { problem: Problem };

/**
 * In stored order, once, without the pictures. Bad samples come as problems.
 *
 * pictures   whether one is bad whose picture is a file of its own and is not there
 */
export async function* readTexts(
  source: Source,
  { pictures }: { pictures: boolean },
): AsyncGenerator<ReadText> {
  const reader = new PieceReader();
  try {
    for (const part of source.parts) {
      for await (const { ref, problem } of part.read()) {
        yield problem === undefined
          ? readable(ref, () => {
              const text = readText(reader, ref, source.reading);
              if (pictures) checkThere(ref.image);
              return { ref, text };
            })
          : { problem };
      }
    }
  } finally {
    reader.close();
  }
}

function checkThere({ file, size, bytes }: Piece): void {
  if (bytes !== undefined || size !== undefined) return;
  const found = explained(() => statSync(file));
  if (!found.isFile()) throw new Error("it is not a file");
  if (found.size === 0) throw new Error("the image file is empty");
}

/** A sample with its bytes (of an SVG file its PNG) and texts, or what is wrong with it, and the part that it came from. */
export type ReadSample = { part: number; index: number } & (
  { ref: SampleRef; image: Uint8Array; text: SampleText } | { problem: Problem }
);

/**
 * In stored order, once. Bad samples come as problems; nothing here throws for one. SVG files are drawn where
 * the source allows them.
 */
export async function* readSamples(source: Source): AsyncGenerator<ReadSample> {
  const reader = new PieceReader();
  try {
    for (const [number, part] of source.parts.entries()) {
      let index = 0;
      for await (const { ref, problem } of part.read()) {
        const at = { part: number, index: index++ };
        if (problem !== undefined) {
          yield { ...at, problem };
          continue;
        }
        const read = readable(ref, () => {
          const text = readText(reader, ref, source.reading);
          return { ref, text, image: readImage(reader, ref) };
        });
        yield { ...at, ...("problem" in read ? read : await drawn(read, source)) };
      }
    }
  } finally {
    reader.close();
  }
}

async function drawn<T extends { ref: SampleRef; image: Uint8Array }>(
  sample: T,
  { svg }: Source,
): Promise<T | { problem: Problem }> {
  if (svg === undefined) return sample;
  const { file, key } = sample.ref;
  try {
    return {
      ...sample,
      image: await withDrawings(sample.image, { svg, at: { source: file, key } }),
    };
  } catch (error) {
    return { problem: { file, key, reason: readingReason(error) } };
  }
}

/** What `read` gives of a sample, or why it cannot. */
function readable<T>(ref: SampleRef, read: () => T): T | { problem: Problem } {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: { file: ref.file, key: ref.key, reason } };
  }
}
