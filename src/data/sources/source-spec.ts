/** The JSON descriptions of sources, as they stand in recipes and on the command line. */
import { DataError, didYouMean } from "../../errors.ts";

/** WebDataset shards: `.tar` and `.tar.gz`. */
export interface WebDatasetSpec {
  kind: "webdataset";
  /** Paths, globs and brace ranges such as `train-{000..012}.tar`. */
  shards: string | string[];
  /** Keys of `key.json` that may hold captions; by default `captions`, then `caption`. */
  captionKeys?: string[];
  /** Each line of `key.txt` is a caption; by default the file is one caption. */
  captionPerLine?: boolean;
}

/** A table of image files and captions. Rows with the same image become one sample. */
export interface TableSpec {
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
}

/**
 * Parquet files with a row for each picture: its bytes, in a binary column or in a struct of `bytes`
 * and `path` as `datasets` writes it, or its path. Rows with the same path, not bytes, become one
 * sample.
 */
export interface ParquetSpec {
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
export interface FolderSpec {
  kind: "folder";
  directory: string;
  /** The name of an image's folder is its label. */
  labelFromFolder?: boolean;
  /** Each line of the caption file is a caption; by default the file is one caption. */
  captionPerLine?: boolean;
}

export type SourceSpec = WebDatasetSpec | TableSpec | ParquetSpec | FolderSpec;

type Check = "string" | "boolean" | "strings" | "string or strings" | readonly string[];

const KEYS: Record<SourceSpec["kind"], { required: string[]; keys: Record<string, Check> }> = {
  webdataset: {
    required: ["shards"],
    keys: { shards: "string or strings", captionKeys: "strings", captionPerLine: "boolean" },
  },
  table: {
    required: ["file"],
    keys: {
      file: "string",
      format: ["csv", "tsv", "jsonl"],
      delimiter: ["comma", "tab", "semicolon", "pipe"],
      image: "string",
      caption: "string",
      label: "string",
      root: "string",
    },
  },
  parquet: {
    required: ["files"],
    keys: {
      files: "string or strings",
      image: "string",
      caption: "string",
      label: "string",
      root: "string",
    },
  },
  folder: {
    required: ["directory"],
    keys: { directory: "string", labelFromFolder: "boolean", captionPerLine: "boolean" },
  },
};

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
  if (typeof kind !== "string" || !Object.hasOwn(KEYS, kind)) {
    const kinds = Object.keys(KEYS);
    const hint = typeof kind === "string" ? didYouMean(kind, kinds) : "";
    throw specError(
      `Expected one of ${kinds.join(", ")} for source.kind but received ${JSON.stringify(kind)};` +
        ` choose one.${hint}`,
    );
  }
  const { required, keys } = KEYS[kind as SourceSpec["kind"]];
  for (const key of Object.keys(record)) {
    if (key !== "kind" && !Object.hasOwn(keys, key)) {
      throw specError(
        `Expected only known keys for a source of kind ${kind} but received ` +
          `${JSON.stringify(key)}; it knows ${Object.keys(keys).join(", ")}.` +
          didYouMean(key, Object.keys(keys)),
      );
    }
  }
  for (const key of required) {
    if (record[key] === undefined) {
      throw specError(`Expected a value for source.${key} but received nothing; add it`);
    }
  }
  for (const [key, check] of Object.entries(keys)) checkValue(key, record[key], check);
  return record as unknown as SourceSpec;
}

function checkValue(key: string, value: unknown, check: Check): void {
  if (value === undefined) return;
  const isString = typeof value === "string" && value !== "";
  const isStrings =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((v) => typeof v === "string" && v !== "");
  const [fits, wanted] =
    check === "string"
      ? [isString, "a non-empty string"]
      : check === "boolean"
        ? [typeof value === "boolean", "true or false"]
        : check === "strings"
          ? [isStrings, "a list of strings"]
          : check === "string or strings"
            ? [isString || isStrings, "a string or a list of strings"]
            : [isString && check.includes(value), `one of ${check.join(", ")}`];
  if (!fits) {
    const hint = isString && typeof check === "object" ? didYouMean(value, check) : "";
    throw specError(
      `Expected ${wanted} for source.${key} but received ${JSON.stringify(value)}; correct it.${hint}`,
    );
  }
}

function specError(message: string): DataError {
  return new DataError(message, { source: "source" });
}
