/** A few synthetic pictures with captions, and the smallest recipe that trains on them. For tests. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

import type { PackSample } from "../../src/data/sample.ts";
import { trainTokenizer } from "../../src/text/index.ts";
import { writeShards } from "../../src/data/write-shards.ts";
import type { Recipe } from "../../src/train/recipe/recipe.ts";

const colors: Record<string, [number, number, number]> = {
  red: [220, 30, 30],
  green: [30, 180, 60],
  blue: [40, 60, 220],
  yellow: [230, 220, 40],
};
const sizes = ["small", "large"];

export interface TinyData {
  folder: string;
  shards: string[];
  tokenizer: string;
}

/** Pictures of coloured squares, `count` in all, in shards of eight, and a vocabulary for them. */
export async function tinyData(count = 24): Promise<TinyData> {
  const folder = mkdtempSync(join(tmpdir(), "limn-tiny-"));
  const samples: PackSample[] = [];
  for (let i = 0; i < count; i++) samples.push(await sample(i));
  const { shards } = await writeShards({
    samples,
    directory: join(folder, "shards"),
    samplesPerShard: 8,
  });
  const texts = samples.flatMap(({ captions }) => captions);
  const tokenizer = join(folder, "tokenizer");
  await trainTokenizer({ texts, vocabSize: 560, folder: tokenizer, contextLength: 16 });
  return { folder, shards, tokenizer: join(tokenizer, "tokenizer.json") };
}

async function sample(i: number): Promise<PackSample> {
  const [name, background] = Object.entries(colors)[i % 4] as [string, [number, number, number]];
  const size = sizes[Math.floor(i / 4) % 2] as string;
  const side = size === "small" ? 8 : 20;
  const square = { create: { width: side, height: side, channels: 3, background } } as const;
  const input = await sharp({
    ...square,
    create: { ...square.create, background: toColor(background) },
  })
    .png()
    .toBuffer();
  const canvas = {
    width: 32,
    height: 32,
    channels: 3,
    background: { r: i * 9, g: 255, b: 250 },
  } as const;
  const image = await sharp({ create: canvas })
    .composite([{ input, left: 2 + (i % 3), top: 3 }])
    .png()
    .toBuffer();
  const captions = [`a ${size} ${name} square`, `${name} and ${size}, number ${i}`];
  return { key: `square-${i}`, image, extension: "png", captions, label: name };
}

function toColor([r, g, b]: [number, number, number]): { r: number; g: number; b: number } {
  return { r, g, b };
}

/** A model of a few thousand weights, four steps of eight pairs. */
export function tinyRecipe({ shards, tokenizer }: TinyData): Recipe {
  const source = { kind: "webdataset" as const, shards };
  return {
    name: "tiny",
    model: {
      embedDim: 16,
      image: { imageSize: 32, patchSize: 16, width: 16, depth: 2, heads: 2, stochasticDepth: 0.1 },
      text: { width: 16, depth: 2, heads: 2 },
    },
    data: {
      train: source,
      tokenizer: { kind: "tokenizer.json", file: tokenizer, contextLength: 16 },
      augmentation: { randomResizedCrop: { scale: [0.8, 1], ratio: [0.9, 1.1] } },
      workers: 1,
    },
    train: {
      batchSize: 8,
      steps: 4,
      device: "cpu",
      optimizer: { learningRate: 1e-3 },
      schedule: { kind: "cosine", warmupSteps: 1 },
      ema: 0.9,
      checkpoint: { everySteps: 2, keepLast: 3 },
    },
    evaluate: {
      suites: [
        {
          name: "colors",
          source,
          tasks: [
            { kind: "zeroShot", classes: Object.keys(colors), templates: ["a {} square"] },
            { kind: "retrieval" },
          ],
        },
      ],
    },
  };
}
