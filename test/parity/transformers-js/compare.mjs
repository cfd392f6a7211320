#!/usr/bin/env node
/**
 * How far transformers.js and limn are from transformers, on the same files of the same models: pixels of
 * photographs, token ids of 1,000 hostile strings, and embeddings end to end.
 *
 *   npm install --prefix test/parity/transformers-js --no-package-lock
 *   node test/parity/transformers-js/compare.mjs FOLDER_OF_PHOTOGRAPHS
 *
 * Uses the first 20 photographs by name. Needs the Python environment of npm run bench:setup with onnx and
 * onnxscript, or PARITY_PYTHON. TRANSFORMERS_JS may name another folder where transformers.js is installed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readSafetensors } from "../../../dist/models/weights/safetensors.js";
import { scope } from "../../../dist/torch/index.js";
import { measureLimn } from "./limn.mjs";
import { measureTransformersJs } from "./transformers-js.mjs";

/**
 * What one side makes of all photographs and texts.
 * @typedef {object} Results
 * @property {Float32Array} pixels
 * @property {Int32Array} tokens
 * @property {Float32Array} image unit rows
 * @property {Float32Array} text unit rows
 */

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
  /** @type {string[]} */
  const texts = JSON.parse(readFileSync(path.join(folder, "texts.json"), "utf8"));
  console.log(readFileSync(path.join(folder, "versions.json"), "utf8"));
  for (const name of ["clip", "siglip2"]) {
    const wanted = referenceResults(name);
    const inputs = { folder: path.join(folder, name), files, texts };
    console.log(name, "transformers.js", describe(await measureTransformersJs(inputs), wanted));
    console.log(name, "limn", describe(await measureLimn(inputs), wanted));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param {string} name @returns {Results & { std: number[] }} */
function referenceResults(name) {
  const file = readSafetensors(path.join(folder, `${name}.safetensors`));
  const numbers = (/** @type {string} */ one) => scope(() => file.tensor(one).toFloat32Array());
  const tokens = scope(() => Int32Array.from(file.tensor("tokens").to("float64").data(), Number));
  const processor = path.join(folder, name, "preprocessor_config.json");
  const { image_std: std } = JSON.parse(readFileSync(processor, "utf8"));
  const results = { pixels: numbers("pixels"), image: numbers("image"), text: numbers("text") };
  file.close();
  return { ...results, tokens, std };
}

/** @param {Results} found @param {Results & { std: number[] }} wanted */
function describe(found, wanted) {
  return {
    pixels: levels(found.pixels, wanted.pixels, wanted.std),
    differentTokens: differentRows(found.tokens, wanted.tokens, texts().length),
    image: rows(found.image, wanted.image, files.length),
    text: rows(found.text, wanted.text, texts().length),
  };
}

function texts() {
  return /** @type {string[]} */ (
    JSON.parse(readFileSync(path.join(folder, "texts.json"), "utf8"))
  );
}

/**
 * Of 256 levels: the mean and largest difference, and the share of samples that differ.
 * @param {Float32Array} a @param {Float32Array} b @param {number[]} std
 */
function levels(a, b, std) {
  const plane = b.length / files.length / 3;
  let [sum, most, different] = [0, 0, 0];
  for (const [i, value] of b.entries()) {
    const deviation = std[Math.floor(i / plane) % 3] ?? NaN;
    const off = Math.round(Math.abs(value - (a[i] ?? NaN)) * deviation * 255);
    sum += off;
    most = Math.max(most, off);
    if (off > 0) different++;
  }
  return { mean: sum / b.length, most, differentShare: different / b.length };
}

/** @param {Int32Array} a @param {Int32Array} b @param {number} count */
function differentRows(a, b, count) {
  const length = b.length / count;
  let different = 0;
  for (let i = 0; i < count; i++) {
    const wanted = b.subarray(i * length, (i + 1) * length);
    if (wanted.some((id, k) => id !== a[i * length + k])) different++;
  }
  return different;
}

/**
 * Of unit rows: the smallest and mean cosine of the same row on both sides, the largest difference of a
 * number, and for scale the mean distance of a row to the reference's next one.
 * @param {Float32Array} a @param {Float32Array} b @param {number} count
 */
function rows(a, b, count) {
  const width = b.length / count;
  const dot = (/** @type {Float32Array} */ x, /** @type {number} */ i, /** @type {number} */ j) => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (x[i * width + k] ?? NaN) * (b[j * width + k] ?? NaN);
    return sum;
  };
  const cosines = Array.from({ length: count }, (_, i) => dot(a, i, i));
  const neighbours = Array.from({ length: count - 1 }, (_, i) => dot(b, i, i + 1));
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  return {
    meanCosine: mean(cosines),
    smallestCosine: Math.min(...cosines),
    mostDifferent: b.reduce((most, x, i) => Math.max(most, Math.abs(x - (a[i] ?? NaN))), 0),
    neighbourCosine: mean(neighbours),
  };
}
