/**
 * What is known about each embedded picture, as a Parquet table beside the embeddings: the columns
 * that clip-retrieval writes. Knows nothing about models.
 */
import { parquetWriteFile } from "hyparquet-writer";

/** One row: where the picture is, its caption, and the values of its JSON record. */
export interface MetadataRow {
  readonly image_path: string;
  readonly caption?: string;
  readonly record: Readonly<Record<string, unknown>>;
}

interface Column {
  name: string;
  type: "STRING" | "BOOLEAN" | "INT64" | "DOUBLE";
  data: (string | boolean | bigint | number | null)[];
}

/**
 * Writes the rows of a shard. clip-retrieval (clip_inference/writer.py, `OutputSink`) has
 * `image_path`, then `caption` where texts are embedded, then the keys of the samples' JSON as
 * `pandas.json_normalize` names them: `a.b` for a key in an object. Keys that a sample lacks are
 * null. Unlike pandas, lists are kept as JSON text.
 */
export function writeMetadata(file: string, rows: readonly MetadataRow[]): void {
  parquetWriteFile({ filename: file, columnData: metadataColumns(rows) });
}

function metadataColumns(rows: readonly MetadataRow[]): Column[] {
  const given: Column[] = [
    { name: "image_path", type: "STRING", data: rows.map((row) => row.image_path) },
  ];
  if (rows.some(({ caption }) => caption !== undefined)) {
    given.push({ name: "caption", type: "STRING", data: rows.map((row) => row.caption ?? null) });
  }
  const values = new Map<string, unknown[]>();
  for (const [i, { record }] of rows.entries()) {
    for (const [name, value] of flatten(record)) {
      // The writer drops these of the record: the table has its own.
      if (name === "image_path" || name === "caption" || name === "metadata") continue;
      let column = values.get(name);
      if (!column) values.set(name, (column = Array.from<unknown>({ length: rows.length })));
      column[i] = value;
    }
  }
  return [...given, ...[...values].map(([name, column]) => typed(name, column))];
}

function flatten(record: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(record).flatMap(([key, value]): [string, unknown][] => {
    const name = prefix + key;
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!nested || Object.keys(value).length === 0) return [[name, value]];
    return flatten(value as Record<string, unknown>, `${name}.`);
  });
}

/** One type for a whole column: where the values have several, their JSON text. */
function typed(name: string, values: readonly unknown[]): Column {
  const present = values.filter((value) => value !== undefined && value !== null);
  const all = (is: (value: unknown) => boolean): boolean => present.every(is);
  const cells = <T>(convert: (value: unknown) => T): (T | null)[] =>
    values.map((value) => (value === undefined || value === null ? null : convert(value)));
  if (present.length > 0) {
    if (all((value) => typeof value === "boolean")) {
      return { name, type: "BOOLEAN", data: cells((value) => value as boolean) };
    }
    if (all((value) => Number.isSafeInteger(value))) {
      return { name, type: "INT64", data: cells((value) => BigInt(value as number)) };
    }
    if (all((value) => typeof value === "number")) {
      return { name, type: "DOUBLE", data: cells((value) => value as number) };
    }
  }
  const text = (value: unknown): string =>
    typeof value === "string" ? value : JSON.stringify(value);
  return { name, type: "STRING", data: cells(text) };
}
