#!/usr/bin/env node
/**
 * Full-size models with random weights: the reference writes each in its own layout, limn loads it, both
 * are compared on the same pictures and tokens, limn saves it and the reference reads it again. Not part
 * of npm test: gigabytes and minutes. What it compares: docs/parity.md.
 *
 *   npm run parity -- clip siglip      these families
 *   npm run parity                     all of them
 *   npm run parity -- --write          and the table in docs/parity.md
 *   npm run parity -- --keep FOLDER    leaves the files of each family in a folder of its name
 *
 * Needs the Python environment of npm run bench:setup, or PARITY_PYTHON. `openai` needs the folder `clip`
 * of PyPI's openai-clip 1.0.1 in OPENAI_CLIP and is left out without it unless it is named.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { findEngine } from "../../dist/src/engine/engine-info.js";
import { compare } from "./compare.mjs";
import { families, writeTable } from "./table.mjs";

/** @typedef {import("./table.mjs").Row} Row */

const root = path.resolve(import.meta.dirname, "..", "..");
const reference = path.join(import.meta.dirname, "reference.py");
const python = process.env["PARITY_PYTHON"] ?? path.join(root, "bench", ".venv", "bin", "python");

const { values, positionals } = parseArgs({
  options: { write: { type: "boolean" }, keep: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !families.includes(name));
if (unknown !== undefined) {
  console.error(`Expected one of ${families.join(", ")} but received ${unknown}.`);
  process.exit(2);
}
const wanted = positionals.length > 0 ? positionals : families.filter(canBeMade);

/** @type {Row[]} */
const rows = [];
for (const family of wanted) {
  const parent = values.keep ?? mkdtempSync(path.join(tmpdir(), "limn-parity-"));
  const folder = path.join(parent, family);
  try {
    mkdirSync(folder, { recursive: true });
    const row = await rowOf(family, folder);
    rows.push(row);
    console.log(JSON.stringify(row));
    if (values.write) writeTable(path.join(root, "docs", "parity.md"), [row]);
  } finally {
    if (values.keep === undefined) rmSync(parent, { recursive: true, force: true });
  }
}
process.exitCode = rows.every((row) => row.equal) ? 0 : 1;

/** @param {string} family */
function canBeMade(family) {
  const can = family !== "openai" || process.env["OPENAI_CLIP"] !== undefined;
  if (!can) console.log("openai is left out: OPENAI_CLIP names no folder of openai-clip.");
  return can;
}

/** @param {string} family @param {string} folder @returns {Promise<Row>} */
async function rowOf(family, folder) {
  const at = commit();
  runReference(family, folder);
  const about = readJson(folder, "about.json");
  const found = await compare(folder, about);
  /** @type {Row["roundTrip"]} */
  let roundTrip = null;
  if (about.savedAs !== null) {
    runReference(family, folder, "--read-back");
    const { weights, differing, differences } = readJson(folder, "read-back.json");
    const apart = Math.max(...Object.values(differences));
    roundTrip = { layout: about.savedAs, weights, differing: differing.length, apart };
  }
  const { name, versions } = about;
  const row = { family, model: name, ...found, roundTrip, commit: at };
  const libtorch = findEngine()?.record.libtorch.version ?? "?";
  return { ...row, versions: { ...versions, libtorch }, equal: isEqual(row) };
}

/**
 * Rows of unit length in float32 after dozens of blocks; pictures prepared by Pillow are equal; weights
 * come back to the bit, and so the reference's numbers come back but for the order of its threads.
 * @param {Pick<Row, "image" | "text" | "logits" | "pixels" | "roundTrip">} row
 */
function isEqual({ image, text, logits, pixels, roundTrip }) {
  const within = (/** @type {number | null} */ value, /** @type {number} */ limit) =>
    value === null || value <= limit;
  const back = roundTrip === null || (roundTrip.differing === 0 && roundTrip.apart <= 1e-5);
  return (
    within(image, 1e-5) && within(text, 1e-5) && within(logits, 1e-5) && within(pixels, 0) && back
  );
}

/** @param {string} family @param {string} folder @param {string[]} options */
function runReference(family, folder, ...options) {
  const { status, error } = spawnSync(python, [reference, family, folder, ...options], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  if (status === 0) return;
  throw new Error(
    `Expected ${python} to run the reference of ${family} but it failed` +
      `${error ? ` (${error.message})` : ""}; run npm run bench:setup first`,
  );
}

/** @param {string} folder @param {string} name */
function readJson(folder, name) {
  return JSON.parse(readFileSync(path.join(folder, name), "utf8"));
}

function commit() {
  const git = (/** @type {string[]} */ ...words) =>
    spawnSync("git", words, { cwd: root, encoding: "utf8" }).stdout.trim();
  // The table that an earlier family of this run has written is no change of what is measured.
  const changed = git("status", "--porcelain", "--", ".", ":!docs/parity.md");
  return git("rev-parse", "--short", "HEAD") + (changed === "" ? "" : "+");
}
