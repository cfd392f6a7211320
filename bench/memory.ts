/** Peak memory of the train-step's work on both sides, and whether a long run of a tiny one is flat. */
import { rmSync } from "node:fs";

import { AdamW } from "../dist/src/optimize/adamw.js";
import { parameterGroups } from "../dist/src/optimize/groups.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import {
  fromData,
  libtorchVersion,
  memory,
  noGrad,
  randn,
  scope,
  setThreadCount,
} from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { clipGradient } from "./pair-step-data.ts";
import { Peer } from "./peer.ts";
import { commit, rounded, type BenchResult } from "./result.ts";
import { prepareTrainStep } from "./train-step-data.ts";

const steps = 3;
const longSteps = 10_000;
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

/** Resident bytes after 1,000 and after all steps of a tiny model, collector included. */
function longRun(): { early: number; late: number; tensors: string } {
  const sizes = {
    width: 32,
    depth: 2,
    heads: 2,
    mlpWidth: 64,
    activation: "gelu",
    normEpsilon: 1e-5,
  } as const;
  const model = new DualEncoder({
    embedDim: 16,
    logitScaleLogInit: 2.66,
    image: { kind: "vit", ...sizes, imageSize: 16, patchSize: 8 },
    text: {
      kind: "transformer",
      ...sizes,
      contextLength: 8,
      vocabSize: 100,
      eotTokenId: 99,
      padTokenId: 0,
    },
  });
  const optimizer = new AdamW(parameterGroups(model, { weightDecay: 0.1 }));
  const pixels = noGrad(() => randn([8, 3, 16, 16]));
  const ids = Int32Array.from({ length: 64 }, (_, i) => (i % 8 === 5 ? 99 : i % 90));
  const tokens = fromData(ids, [8, 8]).to("int64");
  const gradient = clipGradient(model, pixels, tokens);
  let early = 0;
  let tensors = 0;
  for (let step = 1; step <= longSteps; step++) {
    scope(() => {
      gradient();
      optimizer.step(1e-4);
      optimizer.zeroGrad();
    });
    if (step === 1000) [early, tensors] = [process.memoryUsage().rss, memory().tensors];
  }
  const late = process.memoryUsage().rss;
  return { early, late, tensors: `${tensors} then ${memory().tensors}` };
}

export async function run(): Promise<BenchResult> {
  const threads = usableCores();
  setThreadCount(threads);
  const tiny = longRun();
  const work = await prepareTrainStep();
  const peer = new Peer("train_step.py");
  try {
    const about = await peer.ask<{ torch: string }>({
      run: "prepare",
      threads,
      folder: work.folder,
    });
    for (let step = 0; step < steps; step++) {
      work.step();
      await peer.ask({ run: "step", length: 77 });
    }
    const limn = process.resourceUsage().maxRSS * 1024;
    const theirs = await peer.ask<number>({ run: "peak" });
    return {
      name: "memory",
      limn: megabytes(limn),
      peer: megabytes(theirs),
      unit: "MB peak",
      ratio: rounded(theirs / limn),
      commit: commit(),
      notes: {
        what: `peak resident memory of ${steps} train-step steps, each in a process of its own`,
        "tiny model, step 1,000": `${megabytes(tiny.early)} MB resident`,
        [`tiny model, step ${longSteps.toLocaleString("en-US")}`]: `${megabytes(tiny.late)} MB resident`,
        "live tensors": tiny.tensors,
        "libtorch of limn": libtorchVersion(),
        "torch of open_clip": about.torch,
      },
    };
  } finally {
    peer.close();
    work.dispose();
    rmSync(work.folder, { recursive: true, force: true });
  }
}
