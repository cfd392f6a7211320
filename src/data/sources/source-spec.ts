/** The JSON descriptions of sources, as they stand in recipes and on the command line. */
import { z } from "zod";

import { DataError, didYouMean } from "../../errors.ts";
import { MOST_SVG_SIZE, type SvgOptions } from "../image/svg/rasterize-svg.ts";

interface AnySpec {
  /**
   * Allows SVG files among the pictures, drawn on white at `size` pixels for the longer side, 1 to 1024. By
   * default each is a bad sample.
   */
  svg?: SvgOptions;
}

/** WebDataset shards: `.tar` and `.tar.gz`. */
export interface WebDatasetSpec extends AnySpec {
  kind: "webdataset";
  /** Paths, globs and brace ranges such as `train-{000..012}.tar`. */
  shards: string | string[];
  /** Keys of `key.json` that may hold captions; by default `captions`, then `caption`. */
  captionKeys?: string[];
  /** Each line of `key.txt` is a caption; by default the file is one caption. */
  captionPerLine?: boolean;
  /**
   * Names of the numbers in `key.npy`, which become parts of the sample's record: `["region", "year", "y"]`.
   * A sample without exactly so many numbers is bad. By default all of them are its record's `npy`.
   */
  npyColumns?: string[];
}

/** A table of image files and captions. Rows with the same image become one sample, unless they stay apart. */
export interface TableSpec extends AnySpec {
  kind: "table";
  file: string;
  /**
   * By default told by the file's ending: .csv (or .txt), .tsv (or .tab), .jsonl (or .ndjson, .json).
   * `jsonl` is lines of objects, or one list of them.
   */
  format?: "csv" | "tsv" | "jsonl";
  /** What separates the cells of CSV and TSV; by default what makes known columns of the header. */
  delimiter?: "comma" | "tab" | "semicolon" | "pipe";
  /** Column of the image's path; by default `image`, or the only one of the names in docs/data.md. */
  image?: string;
  /**
   * Column of the caption: a string, or a list of strings in JSON or Python; by default `caption`, or
   * the only one of the names in docs/data.md. A table with labels may have none.
   */
  caption?: string;
  /** Column of the label, a string or a number; by default `label` or `cls`, if there is one. */
  label?: string;
  /** Folder that image paths start from; by default the table's own folder. */
  root?: string;
  /** Rows with the same image are samples of their own. */
  rowsApart?: boolean;
}

/**
 * Parquet files with a row for each picture: its bytes, in a binary column or in a struct of `bytes`
 * and `path` as `datasets` writes it, or its path. Rows with the same path, not bytes, become one
 * sample.
 */
export interface ParquetSpec extends AnySpec {
  kind: "parquet";
  /** Paths, globs and brace ranges such as `train-{00000..00012}-of-00013.parquet`. */
  files: string | string[];
  /** Column of the picture; by default `image`, or the only one of the names in docs/data.md. */
  image?: string;
  /** Column of the caption, a string or a list of strings; as for tables. */
  caption?: string;
  /** Column of the label; by default `label` or `cls`, if there is one. */
  label?: string;
  /** Folder that image paths start from; by default each file's own folder. */
  root?: string;
}

/** A folder of images, each with its caption in a `.txt` file of the same name beside it. */
export interface FolderSpec extends AnySpec {
  kind: "folder";
  directory: string;
  /** The name of an image's folder is its label. */
  labelFromFolder?: boolean;
  /** Each line of the caption file is a caption; by default the file is one caption. */
  captionPerLine?: boolean;
}

export type SourceSpec = WebDatasetSpec | TableSpec | ParquetSpec | FolderSpec;

/** Every key of a source's interface, and no other. */
type KeysOf<Spec extends SourceSpec> = Record<Exclude<keyof Spec, "kind">, z.ZodType>;

// The message of each is what is wanted in its place.
const text = z.string("a non-empty string").min(1, "a non-empty string");
const list = (wanted: string): z.ZodArray<typeof text> => z.array(text, wanted).min(1, wanted);
const texts = list("a list of strings");
const eitherWay = "a string or a list of strings";
const paths = z.union([text, list(eitherWay)], eitherWay);
const yes = z.boolean("true or false");

function choice<const Names extends readonly string[]>(names: Names): z.ZodType<Names[number]> {
  return z.enum(names, `one of ${names.join(", ")}`);
}

const captionPerLine = yes
  .optional()
  .describe("each line of a caption file is a caption; the file is one when absent");

const size = `an object such as { size: 224 }, pixels from 1 to ${MOST_SVG_SIZE}`;
const anySource = {
  svg: z
    .strictObject({ size: z.int(size).min(1, size).max(MOST_SVG_SIZE, size) }, size)
    .optional()
    .describe(
      "allows SVG files, drawn on white with so many pixels on the longer side, such as " +
        "`{ size: 224 }`; each is a bad sample when absent",
    ),
};

const webDataset = {
  shards: paths.describe("paths, globs and brace ranges, such as `train-{000..012}.tar`"),
  captionKeys: texts
    .optional()
    .describe("keys of a record that may hold captions; `captions`, then `caption`, when absent"),
  captionPerLine,
  npyColumns: texts
    .refine((names) => new Set(names).size === names.length, "names of which none is there twice")
    .optional()
    .describe(
      "names of the numbers in `key.npy`, in a sample's record; all are its `npy` when absent",
    ),
  ...anySource,
} satisfies KeysOf<WebDatasetSpec>;

const columns = {
  image: text
    .optional()
    .describe("column of the picture; `image`, or the only one of the known names, when absent"),
  caption: text
    .optional()
    .describe("column of the captions; `caption`, or the only one of the known names, when absent"),
  label: text
    .optional()
    .describe("column of the label; `label` or `cls`, if there is one, when absent"),
};

const table = {
  file: text.describe("the table's path"),
  format: choice(["csv", "tsv", "jsonl"])
    .optional()
    .describe("told by the file's ending when absent"),
  delimiter: choice(["comma", "tab", "semicolon", "pipe"])
    .optional()
    .describe("what separates cells; found in the header when absent"),
  ...columns,
  root: text.optional().describe("where paths of pictures start; the table's folder when absent"),
  rowsApart: yes
    .optional()
    .describe("rows with the same picture are samples of their own; they are one when absent"),
  ...anySource,
} satisfies KeysOf<TableSpec>;

const parquet = {
  files: paths.describe("paths, globs and brace ranges, such as `train-{00..12}-of-13.parquet`"),
  ...columns,
  root: text.optional().describe("where paths of pictures start; each file's folder when absent"),
  ...anySource,
} satisfies KeysOf<ParquetSpec>;

const folder = {
  directory: text.describe("the folder's path"),
  labelFromFolder: yes.optional().describe("the name of a picture's folder is its label"),
  captionPerLine,
  ...anySource,
} satisfies KeysOf<FolderSpec>;

const kinds = {
  webdataset: z
    .strictObject({ kind: z.literal("webdataset"), ...webDataset })
    .describe("shards, `.tar` and `.tar.gz`"),
  table: z
    .strictObject({ kind: z.literal("table"), ...table })
    .describe("CSV, TSV, JSON Lines or a JSON list of objects"),
  parquet: z
    .strictObject({ kind: z.literal("parquet"), ...parquet })
    .describe("Parquet with the bytes or the paths of pictures"),
  folder: z
    .strictObject({ kind: z.literal("folder"), ...folder })
    .describe("pictures with captions or records beside them, or a folder of `datasets`"),
};

/** A source as recipes and suites write it. */
export const sourceSchema: z.ZodType<SourceSpec, SourceSpec> = z.discriminatedUnion("kind", [
  kinds.webdataset,
  kinds.table,
  kinds.parquet,
  kinds.folder,
]) as unknown as z.ZodType<SourceSpec, SourceSpec>;

/**
 * Checks that a value, from JSON for example, describes a source.
 *
 * throws   DataError for an unknown kind or key (with the nearest match), a missing key or a value
 *          of the wrong type
 */
export function checkSourceSpec(value: unknown): SourceSpec {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw specError(
      `Expected an object such as { kind: "webdataset", shards } for source but ` +
        `received ${JSON.stringify(value)}`,
    );
  }
  const record = value as Record<string, unknown>;
  const { kind } = record;
  if (typeof kind !== "string" || !Object.hasOwn(kinds, kind)) {
    const known = Object.keys(kinds);
    const hint = typeof kind === "string" ? didYouMean(kind, known) : "";
    throw specError(
      `Expected one of ${known.join(", ")} for source.kind but received ${JSON.stringify(kind)};` +
        ` choose one.${hint}`,
    );
  }
  const { shape } = kinds[kind as SourceSpec["kind"]];
  const known = Object.keys(shape).filter((key) => key !== "kind");
  for (const key of Object.keys(record)) {
    if (key !== "kind" && !known.includes(key)) {
      throw specError(
        `Expected only known keys for a source of kind ${kind} but received ` +
          `${JSON.stringify(key)}; it knows ${known.join(", ")}.${didYouMean(key, known)}`,
      );
    }
  }
  for (const [key, schema] of Object.entries(shape)) checkValue(key, record[key], schema);
  return record as unknown as SourceSpec;
}

function checkValue(key: string, value: unknown, schema: z.ZodType): void {
  const { error } = schema.safeParse(value);
  if (error === undefined) return;
  if (value === undefined) {
    throw specError(`Expected a value for source.${key} but received nothing; add it`);
  }
  const [issue] = error.issues;
  const hint =
    issue?.code === "invalid_value" && typeof value === "string"
      ? didYouMean(value, issue.values.map(String))
      : "";
  throw specError(
    `Expected ${issue?.message} for source.${key} but received ${JSON.stringify(value)}; ` +
      `correct it.${hint}`,
  );
}

function specError(message: string): DataError {
  return new DataError(message, { source: "source" });
}
