/** The smallest model folder that loads, and pictures for it. For tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

import { evaluationPreset } from "../../src/data/image/evaluation-transform.ts";
import { createTokenizer, saveTokenizer } from "../../src/text/index.ts";
import { saveCheckpoint } from "../../src/checkpoints/checkpoint.ts";
import { DualEncoder, type DualEncoderConfig } from "../../src/pair/dual-encoder.ts";
import { manualSeed } from "../../src/torch/index.ts";

// 512 bytes and byte ends, two merges, start and end of text.
const vocabSize = 516;
const layers = { width: 16, depth: 1, heads: 2, mlpWidth: 24, normEpsilon: 1e-5 };

/** A pair of 8-wide embeddings, pictures of 16 pixels, texts of up to 10 tokens. */
export const tinyPair: DualEncoderConfig = {
  embedDim: 8,
  image: { kind: "vit", imageSize: 16, patchSize: 8, activation: "gelu", ...layers },
  text: {
    kind: "transformer",
    ...{ contextLength: 10, vocabSize, eotTokenId: vocabSize - 1, padTokenId: 0 },
    activation: "quickGelu",
    ...layers,
  },
  logitScaleLogInit: 2.5,
};

/** Saves a pair with random weights of `seed`, its tokenizer and preprocessing into `folder`. */
export async function saveTinyModel(
  folder: string,
  changes: Partial<DualEncoderConfig> = {},
  seed = 0,
): Promise<string> {
  const merges = `${folder}-merges.txt`;
  writeFileSync(merges, "#version: 0.2\nc a\nca t</w>\n");
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges, contextLength: 10 });
  manualSeed(seed);
  const model = new DualEncoder({ ...tinyPair, ...changes });
  await saveCheckpoint(folder, {
    config: model.config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 16),
    tokenizerFiles: (into) => saveTokenizer(tokenizer, into),
  });
  model.dispose();
  return folder;
}

/** A PNG of one colour with a square of another, the same for the same number. */
export async function tinyPicture(number: number, side = 20): Promise<Uint8Array> {
  const color = (shift: number): { r: number; g: number; b: number } => ({
    r: (number * 67 + shift) % 256,
    g: (number * 131 + 2 * shift) % 256,
    b: (number * 29 + 3 * shift) % 256,
  });
  const square = { width: 7, height: 9, channels: 3 as const, background: color(90) };
  const canvas = { width: side, height: side, channels: 3 as const, background: color(0) };
  const input = await sharp({ create: square }).png().toBuffer();
  return sharp({ create: canvas })
    .composite([{ input, left: number % 11, top: 3 }])
    .png()
    .toBuffer();
}

/** `count` pictures as files `picture-000.png`, ... in `folder`. */
export async function tinyPictureFiles(folder: string, count: number): Promise<string[]> {
  const files: string[] = [];
  for (let i = 0; i < count; i++) {
    const file = join(folder, `picture-${String(i).padStart(3, "0")}.png`);
    writeFileSync(file, await tinyPicture(i));
    files.push(file);
  }
  return files;
}
