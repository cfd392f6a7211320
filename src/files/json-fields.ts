/**
 * JSON files whose values must be checked, every error naming the file and the field; and JSON for
 * Python readers.
 */
import { CheckpointError } from "../errors.ts";
import { readingReason, readJsonFile } from "./regular-file.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Throws CheckpointError where `file` is absent, unreadable or not a JSON object. */
export function readJsonObject(file: string): JsonObject {
  let value: unknown;
  try {
    value = readJsonFile(file);
  } catch (cause) {
    throw new CheckpointError(
      file,
      `Expected a JSON object in ${file} but ${readingReason(cause)}; give the folder of a saved model`,
      { cause },
    );
  }
  if (isJsonObject(value)) return value;
  throw new CheckpointError(
    file,
    `Expected a JSON object in ${file} but received ${JSON.stringify(value).slice(0, 80)}`,
  );
}

/** An object, not an array and not null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of one JSON object, with the defaults of the program that wrote it. */
export class JsonFields {
  readonly #file: string;
  readonly #path: string;
  readonly #values: JsonObject;

  /** `path` stands before the field's name in messages: `vision_config.`. */
  constructor(file: string, path: string, values: JsonObject) {
    this.#file = file;
    this.#path = path;
    this.#values = values;
  }

  /** The value as it is; undefined when absent or null. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  /** True where the value is null and not merely absent. */
  isNull(key: string): boolean {
    return Object.hasOwn(this.#values, key) && this.#values[key] === null;
  }

  /** An integer from `least`, 1 unless told otherwise, to `most`. */
  integer(
    key: string,
    fallback: number,
    { least = 1, most = 2 ** 31 - 1 }: { least?: number; most?: number } = {},
  ): number {
    const value = this.raw(key) ?? fallback;
    const fits = Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
    return fits ? Number(value) : this.fail(key, `an integer from ${least} to ${most}`);
  }

  /** A side in pixels: an integer, or [height, width] of equal numbers. */
  side(key: string, fallback: number): number {
    const value = this.raw(key) ?? fallback;
    const [height, width = height] = Array.isArray(value) ? (value as unknown[]) : [value];
    const sides = [height, width].filter((side) => Number.isInteger(side) && Number(side) >= 1);
    if (sides.length < 2) this.fail(key, "a side in pixels, or [height, width],");
    return height === width
      ? Number(height)
      : this.unsupported(key, "equal sides, as towers here take squares,");
  }

  number(key: string, fallback: number): number {
    const value = this.raw(key) ?? fallback;
    return Number.isFinite(value) ? Number(value) : this.fail(key, "a number");
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(key, "true or false");
  }

  /** One number per colour channel. */
  channels(key: string, fallback: readonly number[]): [number, number, number] {
    const value = this.raw(key) ?? fallback;
    const three =
      Array.isArray(value) && value.length === 3 && value.every((item) => Number.isFinite(item));
    return three ? (value as [number, number, number]) : this.fail(key, "three numbers");
  }

  /** Throws CheckpointError: the value cannot be right in any program. */
  fail(key: string, expected: string): never {
    return this.#refuse(key, expected, "correct the file");
  }

  /** Throws CheckpointError: the file may well be right, but asks for what limn does not do. */
  unsupported(key: string, expected: string): never {
    return this.#refuse(key, expected, "the file may be right, but this is not supported");
  }

  #refuse(key: string, expected: string, cure: string): never {
    const received = JSON.stringify(this.#values[key])?.slice(0, 200) ?? "nothing";
    throw new CheckpointError(
      this.#file,
      `Expected ${expected} for ${this.#path}${key} in ${this.#file} but received ${received}; ${cure}`,
    );
  }
}

const mark = "\u{1}float ";

/**
 * `value` such that `pythonJson` writes it with a decimal point. JavaScript writes 1.0 as `1`, which
 * Python reads as an integer; strictly typed configurations refuse it, and a parameter made from it
 * would be one of integers.
 */
export function pythonFloat(value: number): number | string {
  return Number.isInteger(value) ? mark + value.toFixed(1) : value;
}

/** Indented JSON with a final line break, `pythonFloat` values as floats. */
export function pythonJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`.replaceAll(/"\\u0001float (-?\d+\.\d)"/g, "$1");
}
