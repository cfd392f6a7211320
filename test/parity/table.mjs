/** The families that parity compares, and the table of docs/parity.md. */
import { readFileSync, writeFileSync } from "node:fs";

/**
 * @typedef {object} RoundTrip
 * @property {string} layout in which limn saved the model
 * @property {number} weights as many the reference read again
 * @property {number} differing of these, by their bits
 * @property {number} apart largest difference of the reference's pixels, embeddings and logits
 */

/**
 * @typedef {import("./compare.mjs").Found & {
 *   family: string,
 *   model: string,
 *   roundTrip: RoundTrip | null,
 *   versions: Record<string, string>,
 *   commit: string,
 *   equal: boolean,
 * }} Row
 */

/** @type {readonly string[]} */
export const families = [
  "clip",
  "siglip",
  "siglip2",
  "siglip2-naflex",
  "align",
  "open-clip",
  "open-clip-resnet",
  "open-clip-siglip",
  "openai",
  "timm",
  "big-vision-siglip",
  "big-vision-lit",
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
    "| family | layout | model | parameters | image | text | logits | pixels | round trip | versions | commit |",
    "| --- | --- | --- | ---: | --- | --- | --- | --- | --- | --- | --- |",
    ...families.flatMap((family) => lines.get(family) ?? []),
  ];
  writeFileSync(file, `${head}${begin}\n\n${table.join("\n")}\n\n${end}${tail}`);
}

/** @param {Row} row */
function lineOf(row) {
  const numbers = [row.image, row.text, row.logits].map((value) => value?.toExponential(1) ?? "");
  const shown = Object.entries(row.versions).map(([name, version]) => `${name} ${version}`);
  const cells = [
    `\`${row.family}\``,
    row.layout,
    row.model,
    row.parameters.toLocaleString("en-US"),
    ...numbers,
    row.pixels === null ? "" : row.pixels === 0 ? "equal" : `${row.pixels} levels`,
    row.roundTrip === null ? "" : roundTripOf(row.roundTrip),
    shown.join(", "),
    row.commit,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** @param {RoundTrip} roundTrip */
function roundTripOf({ layout, weights, differing, apart }) {
  const bits = differing === 0 ? `${weights} equal` : `${differing} of ${weights} differ`;
  return `${layout}: ${bits}${apart === 0 ? "" : `, numbers ${apart.toExponential(1)}`}`;
}
