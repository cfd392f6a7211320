/** The families that parity compares, and the table of docs/parity.md. */
import { readFileSync, writeFileSync } from "node:fs";

/**
 * @typedef {object} Row
 * @property {string} family
 * @property {string} layout
 * @property {string} model
 * @property {number} parameters
 * @property {number} image largest distance of two unit rows
 * @property {number} text
 * @property {number} logits largest difference over the logit scale
 * @property {number} pixels levels of 256
 * @property {Record<string, string>} versions
 * @property {string} commit
 * @property {boolean} equal
 */

/** @type {readonly string[]} */
export const families = [
  "clip",
  "siglip",
  "siglip2",
  "align",
  "open-clip",
  "open-clip-resnet",
  "open-clip-siglip",
];

const begin = "<!-- parity: npm run parity -- --write -->";
const end = "<!-- end of parity -->";

/**
 * Replaces the table between its marks; rows of families that were not run stay.
 * @param {string} file @param {readonly Row[]} rows
 */
export function writeTable(file, rows) {
  const text = readFileSync(file, "utf8");
  const [head = "", rest = ""] = text.split(begin);
  const [old = "", tail = ""] = rest.split(end);
  /** @type {Map<string, string>} */
  const lines = new Map();
  for (const line of old.split("\n")) {
    const family = /^\| `([\w-]+)`/.exec(line)?.[1];
    if (family !== undefined) lines.set(family, line);
  }
  for (const row of rows) lines.set(row.family, lineOf(row));
  const table = [
    "| family | layout | model | parameters | image | text | logits | pixels | versions | commit |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...families.flatMap((family) => lines.get(family) ?? []),
  ];
  writeFileSync(file, `${head}${begin}\n\n${table.join("\n")}\n\n${end}${tail}`);
}

/** @param {Row} row */
function lineOf({
  family,
  layout,
  model,
  parameters,
  image,
  text,
  logits,
  pixels,
  versions,
  commit,
}) {
  const numbers = [image, text, logits].map((value) => value.toExponential(1));
  const shown = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const cells = [
    `\`${family}\``,
    layout,
    model,
    parameters.toLocaleString("en-US"),
    ...numbers,
    pixels === 0 ? "equal" : `${pixels} level`,
    shown.join(", "),
    commit,
  ];
  return `| ${cells.join(" | ")} |`;
}
