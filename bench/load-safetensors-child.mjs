#!/usr/bin/env node
/**
 * One measurement of load-safetensors.ts, in a process of its own: prints seconds and peaks as JSON.
 * `make` writes the file that the others read.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { clipConfig } from "../dist/src/pair/published.js";
import { clip } from "../dist/src/checkpoints/layouts/hugging-face/clip-family.js";
import { modelShapes } from "../dist/src/checkpoints/model-shapes.js";
import { weightRows } from "../dist/src/checkpoints/weights/key-table.js";
import { readSafetensors, writeSafetensors } from "../dist/src/checkpoints/weights/safetensors.js";
import { empty, fromData, randn, setThreadCount, zeros } from "../dist/src/torch/index.js";

const [way = "", file = ""] = process.argv.slice(2);
const piece = 1 << 28;
setThreadCount(1);
// Loads libtorch, which is no file's cost.
zeros([1]).dispose();

const ways = {
  plain() {
    const descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const memory = new Uint8Array(new ArrayBuffer(size));
    for (let at = 0; at < size;) {
      at += readSync(descriptor, memory, at, Math.min(piece, size - at), at);
    }
    closeSync(descriptor);
    return memory;
  },
  fresh() {
    const weights = readSafetensors(file);
    return weights.names.map((name) => weights.tensor(name));
  },
  buffered() {
    const weights = readSafetensors(file);
    const descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const all = weights.names.map((name) => weights.info(name));
    const base = size - Math.max(...all.map(({ end }) => end));
    const buffer = new ArrayBuffer(Math.max(...all.map(({ bytes }) => bytes)));
    return all.map(({ shape, bytes, start }) => {
      readSync(descriptor, new Uint8Array(buffer, 0, bytes), 0, bytes, base + start);
      return fromData(new Float32Array(buffer, 0, bytes / 4), shape);
    });
  },
  mapped() {
    const weights = readSafetensors(file, { map: true });
    return weights.names.map((name) => weights.tensor(name));
  },
  mappedSum() {
    return ways.mapped().map((tensor) => [tensor, tensor.sum().item()]);
  },
};

if (way === "make") {
  const contents = /** @type {const} */ ({ kind: "pair", config: clipConfig("ViT-L/14") });
  const place = { path: file, folder: file, file: undefined, names: [] };
  const rows = weightRows(clip.table(contents), modelShapes({ place, contents }));
  const entries = rows.flatMap(({ parts }) =>
    parts.map(({ name, fileShape }) => [name, randn(fileShape)]),
  );
  writeSafetensors(file, entries);
} else {
  const body = way === "into" ? prepareInto() : ways[way];
  const before = process.resourceUsage().maxRSS * 1024;
  const clock = process.cpuUsage();
  const start = performance.now();
  const kept = body();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(clock);
  const cpu = (user + system) / 1e6;
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, cpu, peak, before, kept: kept === undefined }));
}

/** Targets that hold memory already, as the parameters of a model do. */
function prepareInto() {
  const weights = readSafetensors(file);
  const targets = weights.names.map((name) => {
    const { shape, dtype } = weights.info(name);
    return /** @type {const} */ ([name, empty(shape, { dtype }).fill_(1)]);
  });
  return () => {
    for (const [name, target] of targets) weights.readInto(name, target);
    return targets;
  };
}
