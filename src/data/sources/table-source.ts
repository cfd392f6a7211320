/** Tables of image paths and captions: CSV, TSV and JSON Lines. */
import { createReadStream } from "node:fs";
import { dirname, extname, isAbsolute, join } from "node:path";
import { createInterface } from "node:readline";
import { parse } from "csv-parse";
import { DataError, didYouMean } from "../../errors.ts";
import type { TableSpec } from "./source-spec.ts";
import { type Entry, listedSource, type SampleRef, type Source } from "./source.ts";

type Row = Record<string, unknown>;
type Numbered = { line: number } & ({ row: Row } | { reason: string });

/**
 * Reads a whole table. Rows that name the same image are joined into one sample with several
 * captions, in the place of the first. Bad rows become problems of the source.
 *
 * throws   DataError if the table cannot be read, or lacks the image or caption column
 */
export async function openTable(spec: TableSpec): Promise<Source> {
  const { file } = spec;
  const columns = { image: spec.image ?? "image", caption: spec.caption ?? "caption" };
  const root = spec.root ?? dirname(file);
  const format = spec.format ?? formatOf(file);
  const byImage = new Map<string, SampleRef>();
  const entries: Entry[] = [];
  const rows = format === "jsonl" ? readJsonLines(file) : readDelimited(file, format, columns);
  try {
    for await (const numbered of rows) {
      const made =
        "reason" in numbered
          ? { problem: { file, reason: `line ${numbered.line}: ${numbered.reason}` } }
          : rowToEntry(numbered.row, numbered.line, { spec, root, columns });
      if (made.problem !== undefined) {
        entries.push(made);
        continue;
      }
      const known = byImage.get(made.ref.key);
      if (known !== undefined) {
        known.captions!.push(...made.ref.captions!);
        continue;
      }
      byImage.set(made.ref.key, made.ref);
      entries.push(made);
    }
  } catch (error) {
    throw tableError(file, error);
  }
  return listedSource(file, entries);
}

function formatOf(file: string): "csv" | "tsv" | "jsonl" {
  const ending = extname(file).toLowerCase();
  if (ending === ".csv") return "csv";
  if (ending === ".tsv" || ending === ".tab") return "tsv";
  if (ending === ".jsonl" || ending === ".ndjson") return "jsonl";
  throw new DataError(
    `Expected a table that ends in .csv, .tsv or .jsonl for source.file but received ${file}; ` +
      `set source.format`,
    { source: file },
  );
}

interface RowContext {
  spec: TableSpec;
  root: string;
  columns: { image: string; caption: string };
}

function rowToEntry(row: Row, line: number, { spec, root, columns }: RowContext): Entry {
  const { file } = spec;
  const image = row[columns.image];
  if (typeof image !== "string" || image.trim() === "") {
    return { problem: { file, reason: `line ${line}: no image path in "${columns.image}"` } };
  }
  const key = image.trim();
  const captions = captionsOf(row[columns.caption]);
  if (captions === undefined) {
    const reason = `line ${line}: "${columns.caption}" is neither a string nor a list of strings`;
    return { problem: { file, key, reason } };
  }
  const path = isAbsolute(key) ? key : join(root, key);
  const ref: SampleRef = { key, file: path, image: { file: path, offset: 0 }, captions };
  const label = spec.label === undefined ? undefined : row[spec.label];
  if (typeof label === "string" || typeof label === "number") ref.label = String(label);
  return { ref };
}

/** A cell's captions; a missing or empty cell has none, which the reader of the sample decides on. */
function captionsOf(cell: unknown): string[] | undefined {
  if (cell === undefined || cell === null) return [];
  if (Array.isArray(cell)) {
    return cell.every((item) => typeof item === "string") ? cell : undefined;
  }
  if (typeof cell !== "string") return typeof cell === "number" ? [String(cell)] : undefined;
  if (/^\s*\[\s*"/.test(cell)) {
    try {
      const list: unknown = JSON.parse(cell);
      if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
    } catch {
      // A caption that merely starts like a list.
    }
  }
  return cell.trim() === "" ? [] : [cell];
}

async function* readJsonLines(file: string): AsyncGenerator<Numbered> {
  const input = createReadStream(file, "utf8");
  // readline does not forward the stream's error by itself.
  const failed = new Promise<never>((_, reject) => input.once("error", reject));
  failed.catch(() => {});
  const lines = createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
  for (let line = 1; ; line++) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true) return;
    const text = next.value.replace(/^\uFEFF/, "");
    if (text.trim() === "") continue;
    yield { line, ...parseLine(text) };
  }
}

function parseLine(text: string): { row: Row } | { reason: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { row: value as Row };
    }
    return { reason: "not a JSON object" };
  } catch (error) {
    return { reason: `not JSON (${(error as Error).message})` };
  }
}

async function* readDelimited(
  file: string,
  format: "csv" | "tsv",
  columns: { image: string; caption: string },
): AsyncGenerator<Numbered> {
  const parser = parse({
    bom: true,
    columns: (header: string[]) => checkHeader(file, header, columns),
    delimiter: format === "csv" ? "," : "\t",
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    info: true,
  });
  const input = createReadStream(file);
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  for await (const { record, info } of parser as AsyncIterable<{
    record: Row;
    info: { lines: number };
  }>) {
    yield { line: info.lines, row: record };
  }
}

function checkHeader(
  file: string,
  header: string[],
  columns: { image: string; caption: string },
): string[] {
  const names = header.map((name) => name.trim());
  for (const [option, column] of Object.entries(columns)) {
    if (!names.includes(column)) {
      throw new DataError(
        `Expected a column "${column}" in ${file} but received ${names.join(", ")}; ` +
          `set source.${option}.${didYouMean(column, names)}`,
        { source: file },
      );
    }
  }
  return names;
}

function tableError(file: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const [what, cure] =
    code === "ENOENT"
      ? ["no such file", "check the path"]
      : code === "EACCES" || code === "EISDIR"
        ? [code, "check the path and its permissions"]
        : [message, "correct the table"];
  return new DataError(
    `Expected a readable table for source.file but received ${what} for ${file}; ${cure}`,
    { source: file },
    { cause: error },
  );
}
