#!/usr/bin/env node
/**
 * Full-size models with random weights: the reference writes each in its own layout, limn loads it and
 * both are compared on the same pictures and tokens. Not part of npm test: gigabytes and minutes.
 *
 *   npm run parity -- clip siglip      these families
 *   npm run parity                     all of them
 *   npm run parity -- --write          and the table in docs/parity.md
 *
 * Needs the Python environment of npm run bench:setup, or PARITY_PYTHON.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import {
  applyEvaluationTransform,
  normalizePixels,
} from "../../dist/data/image/evaluation-transform.js";
import { DualEncoder, inference } from "../../dist/models/dual-encoder.js";
import { loadWeights, pairConfigOf } from "../../dist/models/checkpoint.js";
import { readModelSource } from "../../dist/models/layouts/find-layout.js";
import { readSafetensors } from "../../dist/models/weights/safetensors.js";
import { withoutInitialValues } from "../../dist/nn/initialize.js";
import { findEngine } from "../../dist/torch/engine-info.js";
import { scope } from "../../dist/torch/index.js";
import { families, writeTable } from "./table.mjs";

const root = path.resolve(import.meta.dirname, "..", "..");
const reference = path.join(import.meta.dirname, "reference.py");

const { values, positionals } = parseArgs({
  options: { write: { type: "boolean" }, keep: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !families.includes(name));
if (unknown !== undefined) {
  console.error(`Expected one of ${families.join(", ")} but received ${unknown}.`);
  process.exit(2);
}

/** @typedef {import("./table.mjs").Row} Row */
/** @type {Row[]} */
const rows = [];
for (const family of positionals.length > 0 ? positionals : families) {
  const folder = values.keep
    ? path.join(values.keep, family)
    : mkdtempSync(path.join(tmpdir(), "limn-parity-"));
  try {
    if (!existsSync(path.join(folder, "about.json"))) writeReference(family, folder);
    const row = await compare(family, folder);
    rows.push(row);
    console.log(JSON.stringify(row));
  } finally {
    if (!values.keep) rmSync(folder, { recursive: true, force: true });
  }
}
if (values.write) writeTable(path.join(root, "docs", "parity.md"), rows);
process.exit(rows.every((row) => row.equal) ? 0 : 1);

/** @param {string} family @param {string} folder */
function writeReference(family, folder) {
  const python = process.env["PARITY_PYTHON"] ?? path.join(root, "bench", ".venv", "bin", "python");
  const { status, error } = spawnSync(python, ["-P", reference, family, folder], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return;
  console.error(
    `Expected ${python} to make the reference of ${family} but it failed` +
      `${error ? ` (${error.message})` : ""}; run npm run bench:setup first.`,
  );
  process.exit(1);
}

/** @param {string} family @param {string} folder @returns {Promise<Row>} */
async function compare(family, folder) {
  const about = JSON.parse(readFileSync(path.join(folder, "about.json"), "utf8"));
  const source = readModelSource(path.join(folder, about.model ?? "model"), about.given);
  const config = pairConfigOf(source);
  const transform = source.evaluationTransform();
  const expected = readSafetensors(path.join(folder, "expected.safetensors"));
  const model = withoutInitialValues(() => new DualEncoder(config));
  loadWeights(source, model);
  const found = scope(() =>
    inference(model, "float32", () => {
      const image = model.encodeImages(expected.tensor("pixels"));
      const text = model.encodeTexts(expected.tensor("tokens").to("int64"));
      const scaled = image.mm(text.t()).mul(model.logitScale());
      const logits = model.logitBias ? scaled.add(model.logitBias.tensor) : scaled;
      return {
        image: image.toFloat32Array(),
        text: text.toFloat32Array(),
        logits: logits.toFloat32Array(),
      };
    }),
  );
  const wanted = (/** @type {string} */ name) =>
    scope(() => expected.tensor(name).toFloat32Array());
  const width = config.embedDim;
  const image = rowError(found.image, wanted("image"), width);
  const text = rowError(found.text, wanted("text"), width);
  const logits = largestDifference(found.logits, wanted("logits"));
  const scale = scope(() => model.logitScale().item());
  const pixels = await pixelLevels(folder, about.pictures, transform, wanted("pixels"));
  const parameters = model.parameterCount();
  model.dispose();
  expected.close();
  return {
    family,
    layout: source.layout,
    model: about.name,
    parameters,
    image,
    text,
    logits: logits / scale,
    pixels,
    versions: { ...about.versions, libtorch: findEngine()?.record.libtorch.version ?? "?" },
    commit: commit(),
    // unit rows in float32, after dozens of blocks; pictures prepared by Pillow are equal
    equal: image <= 1e-5 && text <= 1e-5 && logits / scale <= 2e-5 && pixels === 0,
  };
}

/**
 * The largest distance of two rows over the length of a row, which is 1.
 * @param {Float32Array} a @param {Float32Array} b @param {number} width
 */
function rowError(a, b, width) {
  let most = 0;
  for (let start = 0; start < b.length; start += width) {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2;
    most = Math.max(most, Math.sqrt(sum));
    if (Number.isNaN(sum)) return NaN;
  }
  return most;
}

/** @param {Float32Array} a @param {Float32Array} b */
function largestDifference(a, b) {
  return b.reduce((most, value, i) => Math.max(most, Math.abs(value - (a[i] ?? NaN))), 0);
}

/**
 * How many of 256 levels the most different pixel is off.
 * @param {string} folder @param {number} count
 * @param {import("../../dist/data/image/evaluation-transform.js").EvaluationTransform} transform
 * @param {Float32Array} wanted
 */
async function pixelLevels(folder, count, transform, wanted) {
  const plane = transform.imageSize ** 2;
  let most = 0;
  for (let i = 0; i < count; i++) {
    const file = readFileSync(path.join(folder, `picture-${i}.png`));
    const pixels = await applyEvaluationTransform(file, transform);
    const prepared = normalizePixels(pixels, plane, transform);
    for (const [at, value] of prepared.entries()) {
      const deviation = transform.std[Math.floor(at / plane)] ?? 1;
      const theirs = wanted[i * 3 * plane + at] ?? NaN;
      most = Math.max(most, Math.round(Math.abs(value - theirs) * deviation * 255));
    }
  }
  return most;
}

function commit() {
  const git = (/** @type {string[]} */ ...words) =>
    spawnSync("git", words, { cwd: root, encoding: "utf8" }).stdout.trim();
  return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+");
}
