#!/usr/bin/env node
/**
 * How far transformers.js and limn are from transformers, on the same files of the same models: pixels of
 * photographs, token ids of 1,000 hostile strings and of 1,000 prompts, and embeddings end to end.
 *
 *   npm install --prefix test/parity/transformers-js --no-package-lock
 *   node test/parity/transformers-js/compare.mjs FOLDER_OF_PHOTOGRAPHS
 *
 * Uses the first 20 photographs by name. Needs the Python environment of npm run bench:setup, or
 * PARITY_PYTHON. TRANSFORMERS_JS may name another folder where transformers.js is installed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readSafetensors } from "../../../dist/src/checkpoints/weights/safetensors.js";
import { scope } from "../../../dist/src/torch/index.js";
import { measureLimn } from "./limn.mjs";
import { measureTransformersJs, version } from "./transformers-js.mjs";

/**
 * What one side makes of all photographs and texts.
 * @typedef {object} Results
 * @property {Float32Array} pixels
 * @property {Int32Array} tokens
 * @property {Float32Array} image unit rows
 * @property {Float32Array} text unit rows
 */

/** @typedef {Results & { std: number[], ownTokens: Int32Array | null }} Reference */

const heading = [
  "model: side",
  "pixels, levels off: mean, most",
  "hostile strings with other ids than transformers",
  "than OpenAI's code",
  "prompts with other ids",
  "pictures: cosine mean, least; most apart",
  "prompts: the same",
  "hostile strings: the same",
  "texts of equal ids: the same",
];

const [photographs] = process.argv.slice(2);
if (photographs === undefined) {
  console.error("Expected a folder of photographs; run compare.mjs FOLDER_OF_PHOTOGRAPHS.");
  process.exit(2);
}
const files = readdirSync(photographs)
  .filter((name) => /\.jpe?g$/i.test(name))
  .sort()
  .slice(0, 20)
  .map((name) => path.resolve(photographs, name));

const root = path.resolve(import.meta.dirname, "..", "..", "..");
const python = process.env["PARITY_PYTHON"] ?? path.join(root, "bench", ".venv", "bin", "python");
const folder = mkdtempSync(path.join(tmpdir(), "limn-transformers-js-"));
try {
  const reference = path.join(import.meta.dirname, "reference.py");
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  const run = spawnSync(python, [reference, folder, ...files], {
    stdio: ["ignore", "inherit", "inherit"],
    env,
  });
  if (run.status !== 0) throw new Error(`Expected ${python} to run ${reference} but it failed`);
  const texts = readJson("texts.json");
  console.log(JSON.stringify(readJson("versions.json")), `transformers.js ${version}`);
  console.log(`| ${heading.join(" | ")} |\n|${" --- |".repeat(heading.length)}`);
  for (const name of ["clip", "siglip2"]) {
    const inputs = { folder: path.join(folder, name), files, texts };
    const wanted = referenceResults(name);
    console.log(line(name, "transformers.js", await measureTransformersJs(inputs), wanted));
    console.log(line(name, "limn", await measureLimn(inputs), wanted));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param {string} name @returns {Reference} */
function referenceResults(name) {
  const file = readSafetensors(path.join(folder, `${name}.safetensors`));
  const floats = (/** @type {string} */ one) => scope(() => file.tensor(one).toFloat32Array());
  const ids = (/** @type {string} */ one) =>
    scope(() => Int32Array.from(file.tensor(one).data(), Number));
  const { image_std: std } = readJson(path.join(name, "preprocessor_config.json"));
  const results = {
    pixels: floats("pixels"),
    image: floats("image"),
    text: floats("text"),
    tokens: ids("tokens"),
    ownTokens: file.names.includes("ownTokens") ? ids("ownTokens") : null,
    std,
  };
  file.close();
  return results;
}

/** @param {string} name */
function readJson(name) {
  return JSON.parse(readFileSync(path.join(folder, name), "utf8"));
}

/**
 * A row of the table.
 * @param {string} name @param {string} side @param {Results} found @param {Reference} wanted
 */
function line(name, side, found, wanted) {
  const [pictures, texts] = [files.length, readJson("texts.json").length];
  const { mean, most } = levels(found.pixels, wanted.pixels, wanted.std);
  const other = otherRows(found.tokens, wanted.tokens, texts);
  const own = wanted.ownTokens ? otherRows(found.tokens, wanted.ownTokens, texts) : null;
  const hostile = (/** @type {number} */ row) => row < texts / 2;
  const prompt = (/** @type {number} */ row) => !hostile(row);
  const textsApart = (/** @type {(row: number) => boolean} */ counts) =>
    apart(found.text, wanted.text, texts, counts);
  const cells = [
    `${name}: ${side}`,
    `${mean.toFixed(2)}, ${most}`,
    other.filter(hostile).length,
    own?.filter(hostile).length ?? "",
    other.filter(prompt).length,
    apart(found.image, wanted.image, pictures),
    textsApart(prompt),
    textsApart(hostile),
    textsApart((row) => !other.includes(row)),
  ];
  return `| ${cells.join(" | ")} |`;
}

/**
 * Of 256 levels: the mean and the largest difference.
 * @param {Float32Array} a @param {Float32Array} b @param {number[]} std
 */
function levels(a, b, std) {
  const plane = b.length / files.length / 3;
  let [sum, most] = [0, 0];
  for (const [i, value] of b.entries()) {
    const deviation = std[Math.floor(i / plane) % 3] ?? NaN;
    const off = Math.round(Math.abs(value - (a[i] ?? NaN)) * deviation * 255);
    sum += off;
    most = Math.max(most, off);
  }
  return { mean: sum / b.length, most };
}

/**
 * Which rows differ anywhere.
 * @param {Int32Array} a @param {Int32Array} b @param {number} count
 */
function otherRows(a, b, count) {
  const length = b.length / count;
  const rows = Array.from({ length: count }, (_, i) => i);
  return rows.filter((i) =>
    b.subarray(i * length, (i + 1) * length).some((id, k) => id !== a[i * length + k]),
  );
}

/**
 * Of unit rows that count: the mean and the smallest cosine of a row on both sides, and the largest
 * difference of two numbers.
 * @param {Float32Array} a @param {Float32Array} b @param {number} count
 * @param {(row: number) => boolean} counts
 */
function apart(a, b, count, counts = () => true) {
  const width = b.length / count;
  let most = 0;
  const cosines = [];
  for (let i = 0; i < count; i++) {
    if (!counts(i)) continue;
    let cosine = 0;
    for (let k = i * width; k < (i + 1) * width; k++) {
      const [x, y] = [a[k] ?? NaN, b[k] ?? NaN];
      cosine += x * y;
      most = Math.max(most, Math.abs(x - y));
    }
    cosines.push(cosine);
  }
  const mean = cosines.reduce((sum, x) => sum + x, 0) / cosines.length;
  return `${mean.toFixed(4)}, ${Math.min(...cosines).toFixed(4)}, ${most.toExponential(0)}`;
}
