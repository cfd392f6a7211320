/**
 * What the bench `growth` measures, each as a function of how much work there is. `prepare` writes what
 * it reads; `measure` is timed, in a process of its own. A further one is one more entry of `measures`.
 */
import { closeSync, copyFileSync, mkdirSync, openSync, writeSync } from "node:fs";
import path from "node:path";

import sharp from "sharp";
import type { Embeddings } from "../dist/src/arrays/embeddings.js";
import { forEachNearPair } from "../dist/src/data/dedupe/hamming-join.js";
import { createLoader, type LoaderPosition } from "../dist/src/data/loader/loader.js";
import { embedSource } from "../dist/src/embed/embed-source.js";
import { deviceSimilarities } from "../dist/src/inference/device-similarities.js";
import { loadModel } from "../dist/src/inference/load-model.js";
import {
  inspectSource,
  packDataset,
  type PackSample,
  writeShards,
} from "../dist/src/public/data.js";
import { retrieval } from "../dist/src/public/evaluate.js";
import { contrastiveAccuracy } from "../dist/src/public/objectives.js";
import * as torch from "../dist/src/public/torch.js";
import { MetricsLog } from "../dist/src/train/log/metrics-log.js";
import { saveTinyModel } from "../dist/test/support/tiny-model.js";

export interface Measure {
  /** Numbers of samples. */
  sizes: number[];
  /** The work is N x N by its nature: the exponent counts products, not samples. */
  products?: true;
  /** Writes into an empty folder. */
  prepare?(folder: string, size: number): Promise<void> | void;
  /** Makes what is held beforehand, and gives the work. */
  measure(folder: string, size: number): Promise<() => unknown> | (() => unknown);
}

/** Of what reads or writes pictures; a larger `$LIMN_BENCH_GROWTH_MOST` adds larger ones. */
const most = Number(process.env["LIMN_BENCH_GROWTH_MOST"] ?? 1e5);
const upTo = (...sizes: number[]): number[] => sizes.filter((size) => size <= most);

const shardsOf = (folder: string): { kind: "webdataset"; shards: string } => ({
  kind: "webdataset",
  shards: path.join(folder, "*.tar"),
});

async function picture(): Promise<Uint8Array> {
  return sharp({ create: { width: 8, height: 8, channels: 3, background: "#336699" } })
    .png()
    .toBuffer();
}

/** Shards of one picture again and again, with keys and captions of their own. */
async function writePictures(folder: string, size: number, perShard = 10_000): Promise<void> {
  const image = await picture();
  function* samples(): Generator<PackSample> {
    for (let i = 0; i < size; i++) {
      yield { key: `sample-${i}`, image, extension: "png", captions: [`picture number ${i}`] };
    }
  }
  await writeShards({ samples: samples(), directory: folder, samplesPerShard: perShard });
}

/** Lines of a file, many at a time. */
function writeLines(file: string, count: number, line: (i: number) => string): void {
  const descriptor = openSync(file, "w");
  for (let start = 0; start < count; start += 10_000) {
    const length = Math.min(10_000, count - start);
    writeSync(descriptor, Array.from({ length }, (_, i) => `${line(start + i)}\n`).join(""));
  }
  closeSync(descriptor);
}

function hashes(count: number): Uint32Array {
  let state = 123_456_789;
  return Uint32Array.from({ length: 2 * count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.imul(state, 0x9e3779b1) ^ (state >>> 7);
  });
}

function unitRows(count: number, dim: number): torch.Tensor {
  return torch.scope(() => {
    const rows = torch.randn([count, dim]);
    return rows.mul_(rows.norm([1], true).pow(-1));
  });
}

function embeddings(count: number, dim: number): Embeddings {
  return { data: torch.scope(() => unitRows(count, dim).toFloat32Array()), count, dim };
}

const batches = { batchSize: 64, images: "skip", workers: 1 } as const;

/** The first batch of a loader, at a position. */
async function firstBatch(options: Parameters<typeof createLoader>[0]): Promise<LoaderPosition> {
  const loader = await createLoader(options);
  try {
    if ((await loader.next()) === null) throw new Error("Expected a batch but received none");
    return loader.position();
  } finally {
    await loader.close();
  }
}

export const measures: Record<string, Measure> = {
  "table to the first batch": {
    sizes: [1e4, 1e5, 1e6],
    prepare: (folder, size) => {
      const row = (i: number): string => `${(i * 7919) % size}.jpg,a picture of thing number ${i}`;
      writeLines(path.join(folder, "table.csv"), size + 1, (i) =>
        i === 0 ? "image,caption" : row(i - 1),
      );
    },
    measure: (folder) => {
      const file = path.join(folder, "table.csv");
      const columns = { image: "image", caption: "caption" };
      return () => firstBatch({ source: { kind: "table", file, ...columns }, ...batches });
    },
  },
  "accuracy of a step": {
    sizes: [2048, 8192, 16_384],
    products: true,
    measure: (_, size) => {
      const [image, text] = [unitRows(size, 512), unitRows(size, 512)];
      return () => contrastiveAccuracy(image, text);
    },
  },
  retrieval: {
    sizes: [2000, 8000, 16_000],
    products: true,
    measure: (_, size) => {
      const [imageEmbeddings, textEmbeddings] = [embeddings(size, 512), embeddings(size, 512)];
      const similarities = deviceSimilarities(() => "cpu");
      return () => retrieval({ imageEmbeddings, textEmbeddings, similarities });
    },
  },
  "near hashes of dedupe": {
    sizes: [1e4, 1e5, 1e6],
    measure: (_, size) => {
      const all = hashes(size);
      return () => forEachNearPair(all, 10, () => undefined);
    },
  },
  pack: {
    sizes: upTo(1e3, 1e4, 1e5, 1e6),
    prepare: (folder, size) => writePictures(folder, size),
    measure: (folder) => () =>
      packDataset({ source: shardsOf(folder), directory: path.join(folder, "packed") }),
  },
  "pack, one key": {
    sizes: [300, 1e3, 1e4],
    prepare: async (folder, size) => {
      const samples = [
        { key: "same", image: await picture(), extension: "png" as const, captions: ["a picture"] },
      ];
      const { shards } = await writeShards({ samples, directory: folder, samplesPerShard: 1 });
      for (const shard of shards) {
        for (let i = 1; i < size; i++) copyFileSync(shard, path.join(folder, `copy-${i}.tar`));
      }
    },
    measure: (folder) => () =>
      packDataset({ source: shardsOf(folder), directory: path.join(folder, "packed") }),
  },
  "inspect, headers": {
    sizes: upTo(1e3, 1e4, 1e5, 1e6),
    prepare: (folder, size) => writePictures(folder, size),
    measure: (folder) => () => inspectSource({ source: shardsOf(folder), check: "header" }),
  },
  "embed to the first batch": {
    sizes: upTo(1e3, 1e4, 1e5, 1e6),
    prepare: (folder, size) => prepareEmbedding(folder, size),
    measure: (folder) => embedding(folder, () => true),
  },
  "embed, all of it": {
    sizes: [1e3, 1e4, 3e4],
    prepare: (folder, size) => prepareEmbedding(folder, size),
    measure: (folder) => embedding(folder, () => false),
  },
  "resume in one shard": {
    sizes: upTo(1e3, 1e4, 1e5, 1e6),
    prepare: (folder, size) => writePictures(folder, size, size),
    measure: async (folder, size) => {
      const source = shardsOf(folder);
      const options = { source, ...batches, mode: "evaluate" } as const;
      const loader = await createLoader(options);
      let position = loader.position();
      for (let seen = 0; seen < 0.9 * size; seen += batches.batchSize) {
        await loader.next();
        position = loader.position();
      }
      await loader.close();
      return () => firstBatch({ ...options, position });
    },
  },
  "resume of metrics.jsonl": {
    sizes: [1e4, 1e5, 1e6],
    prepare: (folder, size) =>
      writeLines(path.join(folder, "metrics.jsonl"), size, (i) =>
        JSON.stringify({
          step: i + 1,
          examplesSeen: 256 * (i + 1),
          wallTime: 1.7e9 + i,
          "train/loss": 1 / (i + 1),
          "train/learningRate": 1e-4,
        }),
      ),
    measure: (folder, size) => () =>
      new MetricsLog(path.join(folder, "metrics.jsonl"), { resumeStep: size }).close(),
  },
};

async function prepareEmbedding(folder: string, size: number): Promise<void> {
  mkdirSync(path.join(folder, "shards"));
  await writePictures(path.join(folder, "shards"), size);
  await saveTinyModel(path.join(folder, "model"));
}

/** Embedding with a tiny model, into one folder. */
async function embedding(folder: string, shouldStop: () => boolean): Promise<() => unknown> {
  const model = await loadModel(path.join(folder, "model"));
  const source = shardsOf(path.join(folder, "shards"));
  const [out, batchSize] = [path.join(folder, "embedded"), 256];
  return () => embedSource({ model, source, folder: out, batchSize, shouldStop });
}

export function measureOf(name: string): Measure {
  const found = measures[name];
  if (!found) throw new RangeError(`Expected a measure but received ${name}`);
  return found;
}

/**
 * Seconds of processor time of one measure, which other work on the machine disturbs least, all threads
 * together; and the bytes by which its peak rises above what was there before.
 */
export async function measure(
  name: string,
  size: number,
  folder: string,
): Promise<{ seconds: number; bytes: number }> {
  const work = await measureOf(name).measure(folder, size);
  const before = process.memoryUsage().rss;
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  return { seconds, bytes: process.resourceUsage().maxRSS * 1024 - before };
}
