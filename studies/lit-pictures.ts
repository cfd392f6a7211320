/** The pictures of the shared emoji data, read back from their shards. */
import { readdirSync } from "node:fs";
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import type { SourceSpec } from "limn";
import { createLoader, evaluationPreset, type EvaluationTransform } from "limn/data";

/** One picture as it is stored, with pixels of the size that is asked for. */
export interface StoredPicture {
  /** As `findDuplicates` names it. */
  id: string;
  key: string;
  captions: string[];
  label: string;
  isFlag: boolean;
  /** [3, S, S] */
  pixels: Uint8Array;
}

export async function readPictures(
  source: SourceSpec,
  imageSize: number,
): Promise<StoredPicture[]> {
  const transform: EvaluationTransform = {
    ...evaluationPreset("clip", imageSize),
    crop: "none",
    resizeMode: "squash",
  };
  const loader = await createLoader({
    source,
    transform,
    batchSize: 128,
    mode: "evaluate",
  });
  const pictures: StoredPicture[] = [];
  const area = 3 * imageSize ** 2;
  try {
    for await (const batch of loader) {
      for (let i = 0; i < batch.size; i++) {
        pictures.push({
          id: batch.imageIds[i] ?? "",
          key: batch.keys[i] ?? "",
          captions: batch.captions.filter((_, row) => batch.owners[row] === i),
          label: batch.labels?.[i] ?? "",
          isFlag: batch.metas?.[i]?.["isFlag"] === true,
          pixels: batch.pixels.slice(i * area, (i + 1) * area),
        });
      }
    }
  } finally {
    await loader.close();
  }
  return pictures;
}

/** [3, S, S] pixels as sharp takes them. */
export function asSharp(pixels: Uint8Array, side: number): Sharp {
  const area = side * side;
  const interleaved = Buffer.alloc(pixels.length);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) interleaved[3 * i + c] = pixels[c * area + i] ?? 0;
  }
  return sharp(interleaved, { raw: { width: side, height: side, channels: 3 } });
}

/** All shards of a folder. */
export function shardsIn(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".tar"));
  return names.sort().map((name) => path.join(directory, name));
}
