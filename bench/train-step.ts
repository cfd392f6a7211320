/**
 * A CLIP ViT-B/32 step of 32 pairs against open_clip, the released one and its main branch, on the same
 * weights and batch: in float32 and in bfloat16, each in the settings that are fastest on a CPU.
 */
import { rmSync } from "node:fs";

import {
  keepFreedMemory,
  libtorchVersion,
  matrixProductRate,
  setThreadCount,
} from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import type { Precision } from "./pair-step-data.ts";
import { keptMemory, openClipMain, Peer } from "./peer.ts";
import { assertSameWork, commit, rounded, seconds, type BenchResult } from "./result.ts";
import { batchSize, prepareTrainStep, stepFlops, type TrainStep } from "./train-step-data.ts";

const rounds = 4;
const precisions: readonly Precision[] = ["float32", "bfloat16"];

interface Settings extends Record<string, unknown> {
  /** Tokens of a text: 77 is what open_clip pads to unless told otherwise. */
  length: number;
  precision: Precision;
  compiled: boolean;
}

/** One open_clip, and the best seconds of each of its settings; a text where they did not run. */
interface Rival {
  name: string;
  torch: string;
  peer: Peer;
  best: Map<Settings, number | string>;
}

async function openRivals(work: TrainStep, threads: number): Promise<Rival[]> {
  const main = openClipMain();
  const peers = [new Peer("train_step.py", keptMemory)];
  if (main) peers.push(new Peer("train_step.py", { ...keptMemory, PYTHONPATH: main }));
  return Promise.all(
    peers.map(async (peer) => {
      const question = { run: "prepare", threads, folder: work.folder };
      const about = await peer.ask<{ torch: string; open_clip: string }>(question);
      const name = `open_clip ${about.open_clip}`;
      return {
        name,
        torch: about.torch,
        peer,
        best: new Map(settingsFor(work).map((one) => [one, Infinity])),
      };
    }),
  );
}

function settingsFor({ length }: TrainStep): Settings[] {
  const padded: Settings = { length: 77, precision: "float32", compiled: false };
  const exact = precisions.flatMap((precision) =>
    [false, true].map((compiled) => ({ length, precision, compiled })),
  );
  return [padded, ...exact];
}

async function checkLosses(work: TrainStep, rivals: readonly Rival[]): Promise<void> {
  const tolerances = { float32: 1e-4, bfloat16: 1e-2 };
  for (const { name, peer } of rivals) {
    for (const length of [77, work.length]) {
      for (const precision of precisions) {
        const theirs = await peer.ask<number>({ run: "loss", length, precision });
        const what = `the loss of ${name} at ${length} tokens in ${precision}`;
        assertSameWork(what, [work.loss(precision)], [theirs], tolerances[precision]);
      }
    }
  }
}

/** One step of every setting that runs. */
async function playRound({ peer, best }: Rival): Promise<void> {
  for (const [settings, before] of best) {
    if (typeof before === "string") continue;
    const found = await peer.ask<number | { failed: string }>({ run: "step", ...settings });
    best.set(settings, typeof found === "number" ? Math.min(before, found) : found.failed);
  }
}

/** The fastest of all rivals in one precision, at the length that limn has. */
function fastest(rivals: readonly Rival[], wanted: Precision, length: number): number {
  const found = rivals.flatMap(({ best }) =>
    [...best]
      .filter(([one]) => one.precision === wanted && one.length === length)
      .map(([, time]) => (typeof time === "number" ? time : Infinity)),
  );
  return Math.min(...found);
}

function notesOf(rivals: readonly Rival[]): [string, string][] {
  return rivals.flatMap(({ name, best }) =>
    [...best].map(([{ length, precision, compiled }, time]): [string, string] => [
      `${name}, ${length} tokens, ${precision}${compiled ? ", compiled step" : ""}`,
      typeof time === "number" ? `${rounded(time)} s` : `did not run: ${time}`,
    ]),
  );
}

export async function run(): Promise<BenchResult> {
  const threads = usableCores();
  setThreadCount(threads);
  keepFreedMemory();
  const work = await prepareTrainStep();
  const rivals = await openRivals(work, threads);
  try {
    await checkLosses(work, rivals);
    const limn = { float32: Infinity, bfloat16: Infinity };
    let raw = 0;
    // The best of several rounds in turn: what else the machine does only ever slows.
    for (let round = 0; round < rounds; round++) {
      for (const precision of precisions) {
        limn[precision] = Math.min(
          limn[precision],
          seconds(() => work.step(precision)),
        );
      }
      for (const rival of rivals) await playRound(rival);
      raw = Math.max(raw, matrixProductRate(2048, 2));
    }
    const { length } = work;
    const [plain, half] = precisions.map((one) => fastest(rivals, one, length)) as [number, number];
    const own = Math.min(limn.float32, limn.bfloat16);
    const theirs = Math.min(plain, half);
    const rate = stepFlops(work.config, length) / limn.float32 / 1e9;
    return {
      name: "train-step",
      limn: rounded(batchSize / own),
      peer: rounded(batchSize / theirs),
      unit: "pairs/s",
      ratio: rounded(theirs / own),
      commit: commit(),
      notes: {
        what: `ViT-B/32, ${batchSize} pairs, ${threads} threads; best of ${rounds} steps in turn, each side in its fastest precision, open_clip at ${length} tokens, the longest caption`,
        "step of limn": `${rounded(limn.float32)} s`,
        "step of limn in bfloat16": `${rounded(limn.bfloat16)} s`,
        "ratio of float32 to the fastest open_clip in float32": rounded(plain / limn.float32),
        "ratio of bfloat16 to the fastest open_clip in bfloat16": rounded(half / limn.bfloat16),
        "bfloat16 of limn against its float32": rounded(limn.float32 / limn.bfloat16),
        ...Object.fromEntries(notesOf(rivals)),
        ...(rivals.length > 1
          ? {}
          : { "open_clip's main branch": "not measured: npm run bench:setup could not fetch it" }),
        "share of the product peak": `${rounded(rate / raw)} (${rounded(rate)} of ${rounded(raw)} GFLOP/s)`,
        "libtorch of limn": libtorchVersion(),
        "torch of open_clip": rivals[0]?.torch ?? "",
      },
    };
  } finally {
    for (const { peer } of rivals) peer.close();
    work.dispose();
    rmSync(work.folder, { recursive: true, force: true });
  }
}
