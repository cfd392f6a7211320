/**
 * The columns of the metadata and their types. A column has one type in every shard: the narrowest
 * that holds all its values so far, so that the types of shard n depend on shards 0 to n alone.
 */
import { types } from "node:util";

import { formatJson } from "../files/json-text.ts";

/**
 * What the values of a column are. `integer` are those that a double holds, `long` all of int64,
 * `double` numbers that the record has with a point or an exponent (1.0), `null` none so far, `text`
 * strings and everything else as JSON.
 */
export type ColumnKind = "null" | "boolean" | "integer" | "long" | "double" | "text";

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
}

export type Cell = string | boolean | bigint | number | null;

/** Columns beyond these are one of JSON text: each costs memory and a place in every footer. */
const MOST_COLUMNS = 1000;
const REST = "_other";

/** Columns that the table has of its own; the record's of these names are left out. */
const OWN: readonly string[] = ["image_path", "caption", "metadata"];

/** The columns of records in the order in which they first appeared. */
export class ColumnSet {
  readonly #columns: { name: string; kind: ColumnKind }[] = [];
  readonly #places = new Map<string, number>();

  constructor(columns: readonly Column[] = []) {
    for (const { name, kind } of columns) {
      this.#places.set(name, this.#columns.length);
      this.#columns.push({ name, kind });
    }
  }

  get list(): readonly Column[] {
    return this.#columns;
  }

  /** The values of a record by the place of their column; new columns and types are taken in. */
  place(record: Readonly<Record<string, unknown>>): Map<number, unknown> {
    const row = new Map<number, unknown>();
    const rest: [string, unknown][] = [];
    for (const [name, value] of flatten(record)) {
      if (OWN.includes(name)) continue;
      const full = this.#columns.length >= MOST_COLUMNS && !this.#places.has(name);
      if (full) rest.push([name, value]);
      else row.set(this.#see(name, value), value);
    }
    if (rest.length > 0) {
      const value = formatJson(Object.fromEntries(rest));
      row.set(this.#see(REST, value), value);
    }
    return row;
  }

  #see(name: string, value: unknown): number {
    const at = this.#places.get(name) ?? this.#columns.length;
    if (at === this.#columns.length) {
      this.#places.set(name, at);
      this.#columns.push({ name, kind: "null" });
    }
    const column = this.#columns[at]!;
    column.kind = widened(column.kind, kindOf(value));
    return at;
  }
}

/** Keys of objects in a record are joined by dots, as `pandas.json_normalize` has them. */
function flatten(record: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(record).flatMap(([key, value]): [string, unknown][] => {
    const name = prefix + key;
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    const leaf = !nested || types.isBoxedPrimitive(value) || Object.keys(value).length === 0;
    return leaf ? [[name, value]] : flatten(value as Record<string, unknown>, `${name}.`);
  });
}

function kindOf(value: unknown): ColumnKind {
  if (value === undefined || value === null) return "null";
  if (typeof value === "boolean") return "boolean";
  if (types.isNumberObject(value)) return "double";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "double";
  if (typeof value !== "bigint") return "text";
  if (Number.isSafeInteger(Number(value))) return "integer";
  return BigInt.asIntN(64, value) === value ? "long" : "text";
}

/** The narrowest kind that holds both; the order in which kinds come changes nothing. */
export function widened(a: ColumnKind, b: ColumnKind): ColumnKind {
  if (a === b || b === "null") return a;
  if (a === "null") return b;
  const both = new Set([a, b]);
  if (both.has("integer") && both.has("long")) return "long";
  // Beside a double an integer that it cannot hold stays exact as text alone.
  if (both.has("integer") && both.has("double")) return "double";
  return "text";
}

/** A value as its column has it. */
export function cellOf(value: unknown, kind: ColumnKind): Cell {
  if (value === undefined || value === null) return null;
  switch (kind) {
    case "boolean":
      return value as boolean;
    case "integer":
    case "long":
      return BigInt(value as number | bigint);
    case "double":
      return Number(value);
    default:
      return typeof value === "string" ? value : formatJson(value);
  }
}

const physical = {
  null: "STRING",
  boolean: "BOOLEAN",
  integer: "INT64",
  long: "INT64",
  double: "DOUBLE",
  text: "STRING",
} as const;

/** The type of a column in Parquet. */
export function storedAs(kind: ColumnKind): "STRING" | "BOOLEAN" | "INT64" | "DOUBLE" {
  return physical[kind];
}
