/**
 * What linear memory costs: the chunked form of every quadratic objective against its whole form, in
 * time where the whole fits, and the peak memory of a whole logged step (loss, gradient, accuracy) at
 * a batch where the whole does not.
 */
import { execFileSync } from "node:child_process";
import path from "node:path";

import * as torch from "../dist/src/public/torch.js";
import { usableCores } from "../dist/src/files/cores.js";
import {
  chunkSize,
  embedDim,
  lossInputs,
  objectives,
  valueAndGradient,
  type LossInputs,
} from "./losses-data.ts";
import { assertSameWork, commit, rounded, seconds, type BenchResult } from "./result.ts";

const largeBatch = 32_768;
const comparedBatches = [4096, 8192];
const rounds = 3;

interface Times {
  whole: number;
  chunked: number;
}

/** The best of several rounds in turn: what else the machine does only ever slows. */
function compare(name: string, inputs: LossInputs): Times {
  const run = (options: { chunkSize?: number }): number => valueAndGradient(name, inputs, options);
  assertSameWork(name, [run({ chunkSize })], [run({})], 1e-5);
  const best: Times = { whole: Infinity, chunked: Infinity };
  for (let round = 0; round < rounds; round++) {
    best.whole = Math.min(
      best.whole,
      seconds(() => void run({})),
    );
    best.chunked = Math.min(
      best.chunked,
      seconds(() => void run({ chunkSize })),
    );
  }
  return best;
}

function peakMegabytes(name: string, threads: number): number {
  const script = path.join(import.meta.dirname, "losses-memory.mjs");
  const words = [script, name, String(largeBatch), String(threads)];
  return Number(execFileSync(process.execPath, words, { encoding: "utf8" })) / 1e6;
}

export async function run(): Promise<BenchResult> {
  const threads = usableCores();
  torch.setThreadCount(threads);
  const names = Object.keys(objectives);
  const notes: Record<string, string | number> = {
    what: `value and gradient in float32, D = ${embedDim}, chunks of ${chunkSize} rows, ${threads} threads`,
    "libtorch of limn": torch.libtorchVersion(),
  };
  let slowest: Times = { whole: 1, chunked: 0 };
  for (const batchSize of comparedBatches) {
    const inputs = lossInputs(batchSize);
    for (const name of names) {
      const times = compare(name, inputs);
      const relative = times.chunked / times.whole;
      if (relative > slowest.chunked / slowest.whole) slowest = times;
      notes[`${name}, ${batchSize} pairs`] =
        `${rounded(times.chunked * 1e3)} ms, whole ${rounded(times.whole * 1e3)} ms: ${rounded(relative)}`;
    }
    for (const input of Object.values(inputs) as LossInputs["image"][]) input.dispose();
  }
  for (const name of names) {
    notes[`${name}, ${largeBatch} pairs, accuracy too`] =
      `${Math.round(peakMegabytes(name, threads))} MB above the inputs`;
  }
  return {
    name: "chunked-losses",
    limn: rounded(slowest.chunked * 1e3),
    peer: rounded(slowest.whole * 1e3),
    unit: "ms chunked against whole, the slowest",
    ratio: rounded(slowest.whole / slowest.chunked),
    commit: commit(),
    notes,
  };
}
