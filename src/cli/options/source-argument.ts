/** How a source of pairs is named on the command line. */
import { statSync } from "node:fs";
import { sourceOfPath } from "../../data/source-of-path.ts";
import { sourceColumns } from "../../data/sources/open-source.ts";
import { checkSourceSpec, type SourceSpec } from "../../data/sources/source-spec.ts";
import { UsageError } from "../../errors.ts";
import { noPath } from "../../data/paths/web-address.ts";
import { parseJson } from "../../files/json-text.ts";
import { columnNames, listedNames } from "../print/inspection.ts";
import type { OptionSpecs, OptionValues } from "../command.ts";
import { svgOf, svgOption } from "./svg-option.ts";

/** Flags that say more about a source; each suits some kinds only. */
export const sourceOptions = {
  "image-column": { type: "string", value: "<name>", help: "column of the image, in a table" },
  "caption-column": { type: "string", value: "<name>", help: "column of the caption, in a table" },
  "label-column": { type: "string", value: "<name>", help: "column of the label, in a table" },
  delimiter: {
    type: "string",
    choices: ["comma", "tab", "semicolon", "pipe"],
    help: "what separates a table's cells; by default found in its header",
  },
  root: { type: "string", value: "<folder>", help: "where a table's image paths start" },
  "caption-per-line": { type: "boolean", help: "each line of a .txt file is a caption" },
  "label-from-folder": { type: "boolean", help: "the name of an image's folder is its label" },
  ...svgOption,
} as const satisfies OptionSpecs;

/** Which flags each kind of source understands, and the key that each one sets. */
const KEYS: Record<SourceSpec["kind"], Record<string, string>> = {
  table: {
    "image-column": "image",
    "caption-column": "caption",
    "label-column": "label",
    delimiter: "delimiter",
    root: "root",
    svg: "svg",
  },
  parquet: {
    "image-column": "image",
    "caption-column": "caption",
    "label-column": "label",
    root: "root",
    svg: "svg",
  },
  webdataset: { "caption-per-line": "captionPerLine", svg: "svg" },
  folder: {
    "caption-per-line": "captionPerLine",
    "label-from-folder": "labelFromFolder",
    svg: "svg",
  },
};

/**
 * Says which columns a source is read by, where they were found by other names than the default ones, and
 * which are not read.
 *
 * records   whether the others are kept as records
 */
export function noteColumns(
  spec: SourceSpec,
  note: (text: string) => void,
  { records = false } = {},
): void {
  const columns = sourceColumns(spec);
  if (columns === undefined) return;
  const { image, caption, label } = columns;
  const given: Readonly<Record<string, unknown>> = { ...spec };
  const found = Object.entries({ image, caption, label }).some(
    ([role, name]: [string, string | undefined]) =>
      name !== undefined && name !== role && given[role] === undefined,
  );
  if (found) note(`columns: ${columnNames(columns)}`);
  const unread = [...(records ? [] : (columns.others ?? [])), ...(columns.unread ?? [])];
  if (unread.length > 0) note(`columns that are not read: ${listedNames(unread)}`);
}

/** A message about a source with the flags of the command line instead of the keys of recipes. */
export function withFlags(message: string): string {
  return message.replace(/\bsource\.(\w+)/g, (whole, key: string) => {
    const flags = Object.values(KEYS).flatMap((keys) => Object.entries(keys));
    const flag = flags.find(([, one]) => one === key)?.[0];
    return flag === undefined ? whole : `--${flag}`;
  });
}

/**
 * The source that an operand means: a table by its ending, shards by theirs (brace ranges and
 * wildcards too), a folder of shards or of images, or a description in JSON.
 *
 * throws   UsageError for a name that is not one of these, and for a flag that does not suit its kind
 */
export function parseSource(text: string, options: OptionValues<typeof sourceOptions>): SourceSpec {
  const spec = text.startsWith('{"') ? parseSpec(text) : guess(text, options);
  const keys = KEYS[spec.kind];
  const extra: Record<string, unknown> = {};
  for (const flag of Object.keys(sourceOptions) as (keyof typeof sourceOptions)[]) {
    const value = options[flag];
    if (value === undefined) continue;
    const key = keys[flag];
    if (key === undefined) {
      const known = Object.keys(keys).map((name) => `--${name}`);
      throw new UsageError(
        `--${flag} means nothing for ${text}, a source of kind ${spec.kind}; ` +
          `it knows ${known.join(", ")}.`,
      );
    }
    extra[key] = value;
  }
  return checkSourceSpec({ ...spec, ...extra, ...svgOf(options) });
}

function parseSpec(text: string): SourceSpec {
  try {
    return checkSourceSpec(parseJson(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(`Expected a source in JSON but received ${text} (${error.message})`);
  }
}

function guess(text: string, options: OptionValues<typeof sourceOptions>): SourceSpec {
  const exists = statSync(text, { throwIfNoEntry: false });
  const address = exists ? undefined : noPath(text);
  if (address !== undefined) {
    throw new UsageError(`Expected the path of data for <source> but received ${address}.`);
  }
  const plain = options["label-from-folder"] === true || options["caption-per-line"] === true;
  const found = sourceOfPath(text, { plain });
  if (found !== undefined) return found;
  throw new UsageError(
    `Expected a folder, a .csv, .tsv, .txt or .jsonl table, .parquet files, or .tar shards ` +
      `for <source> but received "${text}", which is none of these; check the path.`,
  );
}
