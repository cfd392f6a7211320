#!/usr/bin/env node
/**
 * limn eval beside CLIP_benchmark, on the same model and the same folders.
 *
 *   PARITY_PYTHON=<a Python with clip-benchmark, see reference.py> node test/parity/clip-benchmark/compare.mjs
 *
 * Exits with 1 unless every number is the same.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** CLIP_benchmark's names, and limn's in its two results. */
const names = {
  acc1: "zeroShot/top1",
  acc5: "zeroShot/top5",
  mean_per_class_recall: "zeroShot/meanPerClass",
  ...Object.fromEntries(
    [1, 5, 10].flatMap((k) => [
      [`image_retrieval_recall@${k}`, `retrieval/textToImage/recall@${k}`],
      [`text_retrieval_recall@${k}`, `retrieval/imageToText/recall@${k}`],
    ]),
  ),
};

const root = path.resolve(import.meta.dirname, "..", "..", "..");
const python = process.env["PARITY_PYTHON"] ?? path.join(root, "bench", ".venv", "bin", "python");
const folder = mkdtempSync(path.join(tmpdir(), "limn-clip-benchmark-"));
try {
  run(python, path.join(import.meta.dirname, "reference.py"), folder);
  const model = path.join(folder, "model");
  const limn = {
    ...evaluated(model, path.join(folder, "wds_shapes", "test")),
    ...evaluated(model, path.join(folder, "wds_captions", "test"), "--caption-per-line"),
  };
  const wanted = JSON.parse(readFileSync(path.join(folder, "results.json"), "utf8"));
  console.log("| CLIP_benchmark's name | CLIP_benchmark | limn |\n| --- | --- | --- |");
  for (const [name, ours] of Object.entries(names)) {
    const found = limn[`test/${ours}`]?.value;
    console.log(`| ${name} | ${wanted[name]} | ${found} |`);
    // CLIP_benchmark's recalls are float32.
    if (!(Math.abs(found - wanted[name]) < 1e-6)) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param {string} model @param {string[]} words @returns {Record<string, { value: number }>} */
function evaluated(model, ...words) {
  const limn = path.join(root, "bin", "limn.mjs");
  return JSON.parse(run(process.execPath, limn, "eval", model, ...words, "--json")).metrics;
}

/** @param {string} command @param {string[]} words */
function run(command, ...words) {
  const { status, stdout } = spawnSync(command, words, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`Expected ${command} to run ${words[0]} but it failed`);
  return stdout;
}
