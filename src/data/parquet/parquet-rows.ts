/** Rows of a Parquet file: which columns are the picture, its captions and its label, and their values. */
import { decimalsOf } from "./parquet-values.ts";
import { ColumnCursor } from "./column-cursor.ts";
import { isUtf8 } from "node:buffer";
import type { RowGroup, SchemaTree } from "hyparquet";
import { choosePictureColumns, type ChosenColumns, type WantedColumns } from "../tables/columns.ts";
import type { LeafPath, ParquetFile } from "./parquet-file.ts";

/** Other columns than these many are left out of a sample's record. */
const MOST_META = 100;

export interface ParquetColumns extends ChosenColumns {
  /** Whether the picture's column holds bytes; else paths. */
  bytes: boolean;
  leaves: Record<"image" | "path" | "caption" | "label" | "key", LeafPath | undefined>;
  /** Columns that are in no record: lists, structs, bytes, and what is beyond the first hundred. */
  unread: string[];
  /** Other columns with one simple value a row. */
  meta: { name: string; leaf: LeafPath; fractional: boolean }[];
  /** Names of classes by their numbers, as `datasets` notes them. */
  classes: readonly string[] | undefined;
}

export interface ParquetRow {
  /** In the file, counted from 0. */
  row: number;
  image: Uint8Array | undefined;
  path: string | undefined;
  caption: unknown;
  label: unknown;
  key: string | undefined;
  /** Whole numbers of a column of fractions are Number objects, as `parseJson` marks 1.0. */
  meta: Record<string, unknown>;
}

/**
 * throws   DataError for columns that are missing, could be several, or hold what is no picture,
 *          caption or label
 */
export function chooseParquetColumns(parquet: ParquetFile, wanted: WantedColumns): ParquetColumns {
  const { columns, file } = parquet;
  const names = columns.map(({ element }) => element.name);
  const binary = columns.filter(holdsBytes).map(({ element }) => element.name);
  const chosen = choosePictureColumns(names, binary, wanted, file);
  const column = (name: string | undefined): SchemaTree | undefined =>
    columns.find(({ element }) => element.name === name);
  const image = column(chosen.image)!;
  const struct = image.children.length > 0;
  const bytes = holdsBytes(image);
  const hasPath = struct && image.children.some(({ element }) => element.name === "path");
  if (!bytes && struct) throw new Error(`"${chosen.image}" holds neither bytes nor paths`);
  const key = names.find((name) => name === "key" || name === "__key__");
  const taken = [chosen.image, chosen.caption, chosen.label, key];
  const meta = columns.filter(
    (one) => isSimple(one) && !isBinary(one) && !taken.includes(one.element.name),
  );
  const read = [...taken, ...meta.slice(0, MOST_META).map(({ element }) => element.name)];
  return {
    ...chosen,
    bytes,
    unread: names.filter((name) => !read.includes(name)),
    leaves: {
      image: bytes ? parquet.leaf(image, ...(struct ? ["bytes"] : [])) : undefined,
      path: hasPath ? parquet.leaf(image, "path") : bytes ? undefined : parquet.leaf(image),
      caption: leafOf(parquet, column(chosen.caption)),
      label: leafOf(parquet, column(chosen.label)),
      key: leafOf(parquet, column(key)),
    },
    meta: meta.slice(0, MOST_META).map((one) => ({
      name: one.element.name,
      leaf: parquet.leaf(one),
      fractional: holdsFractions(one),
    })),
    classes: classNames(parquet.note("huggingface"), chosen.label),
  };
}

/** A simple column, or a list of simple values. */
function leafOf(parquet: ParquetFile, column: SchemaTree | undefined): LeafPath | undefined {
  if (column === undefined) return undefined;
  const names: string[] = [];
  for (let node = column; node.children.length > 0; node = node.children[0]!) {
    if (node.children.length > 1) {
      throw new Error(`"${column.element.name}" holds structs, not text or numbers`);
    }
    names.push(node.children[0]!.element.name);
  }
  return parquet.leaf(column, ...names);
}

function isSimple({ children, element }: SchemaTree): boolean {
  return children.length === 0 && element.repetition_type !== "REPEATED";
}

function isBinary({
  element: { type, converted_type: converted, logical_type: logical },
}: SchemaTree): boolean {
  const binary = type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY";
  return binary && converted === undefined && logical === undefined;
}

/** Of floats, or of decimals with digits behind the point: 1.0 in it is no integer. */
function holdsFractions({ element }: SchemaTree): boolean {
  const { type, logical_type: logical } = element;
  if (type === "FLOAT" || type === "DOUBLE" || logical?.type === "FLOAT16") return true;
  return (decimalsOf(element)?.scale ?? 0) > 0;
}

/** A binary column, or a struct with `bytes`. */
function holdsBytes(column: SchemaTree): boolean {
  if (isSimple(column)) return isBinary(column);
  return column.children.some(
    (one) => one.element.name === "bytes" && isSimple(one) && isBinary(one),
  );
}

/** From the note that `datasets` leaves in a file: `info.features.<label>.names`. */
function classNames(note: string | undefined, label: string | undefined): string[] | undefined {
  if (note === undefined || label === undefined) return undefined;
  try {
    const { info } = JSON.parse(note) as {
      info?: { features?: Record<string, { names?: unknown }> };
    };
    const names = info?.features?.[label]?.names;
    return Array.isArray(names) && names.every((name) => typeof name === "string")
      ? names
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The rows from one on.
 *
 * throws   Error with a short reason where the file is damaged
 */
export async function* parquetRows(
  parquet: ParquetFile,
  columns: ParquetColumns,
  first = 0,
): AsyncGenerator<ParquetRow> {
  let start = 0;
  for (const group of parquet.groups) {
    const rows = Number(group.num_rows);
    if (first < start + rows) {
      for await (const row of groupRows(parquet, group, columns)) {
        if (start + row.row >= first) yield { ...row, row: start + row.row };
      }
    }
    start += rows;
  }
}

async function* groupRows(
  parquet: ParquetFile,
  group: RowGroup,
  { leaves, meta, classes }: ParquetColumns,
): AsyncGenerator<ParquetRow> {
  const open = (leaf: LeafPath | undefined): ColumnCursor | undefined =>
    leaf && new ColumnCursor(parquet.pages(group, leaf));
  const cursors = {
    image: open(leaves.image),
    path: open(leaves.path),
    caption: open(leaves.caption),
    label: open(leaves.label),
    key: open(leaves.key),
  };
  const others = meta.map(({ leaf, ...column }) => ({ ...column, cursor: open(leaf)! }));
  const all = [...Object.values(cursors), ...others.map(({ cursor }) => cursor)];
  for (let row = 0; row < Number(group.num_rows); row++) {
    for (const cursor of all) if (cursor?.isEmpty === true) await cursor.fill();
    const image = cursors.image && within(cursors.image.take(), "bytes");
    const path = text(within(cursors.path?.take(), "path"));
    const key = text(cursors.key?.take());
    const label = cursors.label?.take();
    yield {
      row,
      image: image instanceof Uint8Array ? image : undefined,
      path: typeof path === "string" ? path : undefined,
      caption: textsOf(cursors.caption?.take()),
      label: classes === undefined ? text(label) : classes[Number(label ?? -1)],
      key: typeof key === "string" ? key : undefined,
      meta: Object.fromEntries(
        others.map(({ name, fractional, cursor }) => {
          const value = text(cursor.take());
          return [name, fractional && Number.isInteger(value) ? Object(value) : value];
        }),
      ),
    };
  }
}

/** A value of a struct's leaf comes in the struct. */
function within(value: unknown, name: string): unknown {
  const struct = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
  return struct ? (value as Record<string, unknown>)[name] : value;
}

/** Text without the mark that says so comes as bytes. */
function text(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  return isUtf8(value) ? Buffer.from(value).toString("utf8") : value;
}

function textsOf(value: unknown): unknown {
  return Array.isArray(value) ? value.map(text) : text(value);
}
