/** What values of Parquet are as JSON has them: exact, or text with all their digits. */
import { isUtf8 } from "node:buffer";
import type { ParquetParsers, SchemaElement } from "hyparquet";

/** Text that is UTF-8 is a string, other text stays bytes. */
function textOf(bytes: Uint8Array | undefined): unknown {
  return bytes !== undefined && isUtf8(bytes) ? Buffer.from(bytes).toString("utf8") : bytes;
}

/** `2023-11-14T22:13:20.123456Z`: ISO 8601 with as many digits as the column's unit has. */
function timestamp(value: bigint | number | undefined, digits: number): string | undefined {
  if (value === undefined) return undefined;
  const unit = 10n ** BigInt(digits);
  const count = BigInt(value);
  const fraction = ((count % unit) + unit) % unit;
  const date = new Date(Number((count - fraction) / unit) * 1000);
  // Years that a Date cannot hold have no ISO form.
  if (Number.isNaN(date.getTime())) return undefined;
  return `${date.toISOString().slice(0, -5)}.${String(fraction).padStart(digits, "0")}Z`;
}

/** Dates and times as text; hyparquet's own are Dates, which end at milliseconds. */
export const parsers: Partial<ParquetParsers> = {
  stringFromBytes: textOf,
  jsonFromBytes: textOf,
  timestampFromMilliseconds: (value: bigint) => timestamp(value, 3),
  timestampFromMicroseconds: (value: bigint) => timestamp(value, 6),
  timestampFromNanoseconds: (value: bigint) => timestamp(value, 9),
  dateFromDays: (days: number | undefined) =>
    days === undefined ? undefined : timestamp(86_400 * days, 0)?.slice(0, 10),
};

/** Digits that a double holds, whatever they are. */
const MOST_DOUBLE_DIGITS = 15;
/** Bytes and decimal places of a decimal: far more than any program writes. */
const MOST_DECIMAL_BYTES = 64;
const MOST_SCALE = 154;

export interface Decimals {
  scale: number;
  /** A number where the column's precision fits a double, else text; integers are bigint. */
  read: (raw: unknown) => unknown;
}

/**
 * How a column of decimals is read from its integers; undefined for other columns.
 *
 * throws   Error with a short reason for what no decimal can be
 */
export function decimalsOf(element: SchemaElement): Decimals | undefined {
  const logical = element.logical_type;
  const isLogical = logical?.type === "DECIMAL";
  if (!isLogical && element.converted_type !== "DECIMAL") return undefined;
  const { scale = 0, precision = 38 } = isLogical ? logical : element;
  if (!Number.isInteger(scale) || scale < 0 || scale > MOST_SCALE) {
    throw new Error(`decimals of ${scale} places, which are not supported`);
  }
  const read = (raw: unknown): unknown => {
    const unscaled = integerOf(raw);
    if (unscaled === undefined) return null;
    if (scale === 0) return unscaled;
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
    const text = `${unscaled < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
    return precision <= MOST_DOUBLE_DIGITS ? Number(text) : text;
  };
  return { scale, read };
}

function integerOf(raw: unknown): bigint | undefined {
  if (typeof raw === "bigint" || typeof raw === "number") return BigInt(raw);
  if (!(raw instanceof Uint8Array)) return undefined;
  if (raw.length > MOST_DECIMAL_BYTES) throw new Error("a decimal of too many bytes");
  if (raw.length === 0) return 0n;
  return BigInt.asIntN(8 * raw.length, BigInt(`0x${Buffer.from(raw).toString("hex")}`));
}

/** The same value in lists and lists in lists. */
export function mapped(value: unknown, read: (value: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map((item) => mapped(item, read)) : read(value);
}
