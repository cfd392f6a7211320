/**
 * Near-duplicates for the study of de-duplication: altered copies of test pictures with their captions,
 * as a training set from the web holds them, and training sets without what `findDuplicates` names.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  findDuplicates,
  packDataset,
  writeShards,
  type DuplicateReport,
  type PackSample,
} from "limn/data";

import type { SuiteSource } from "../examples/emoji/suites.ts";
import { asSharp, readPictures, type StoredPicture } from "./lit-pictures.ts";

/** What is done to copies: in turn, so that each makes up a fifth. */
export const alterations = [
  "JPEG at quality 50",
  "24 pixels a side",
  "one pixel cut off each side",
  "a seventh brighter",
  "WebP at quality 30",
] as const;

async function altered(pixels: Uint8Array, side: number, kind: number): Promise<Buffer> {
  const picture = asSharp(pixels, side);
  if (kind === 0) return picture.jpeg({ quality: 50 }).toBuffer();
  if (kind === 1) return picture.resize(24, 24).png().toBuffer();
  if (kind === 2) {
    const inner = { left: 1, top: 1, width: side - 2, height: side - 2 };
    return picture.extract(inner).png().toBuffer();
  }
  if (kind === 3)
    return picture
      .linear(8 / 7, 0)
      .png()
      .toBuffer();
  return picture.webp({ quality: 30 }).toBuffer();
}

const extensions = ["jpg", "png", "png", "png", "webp"] as const;

/** Test pictures in an order that depends on their names alone; the first of them leak. */
export function leakOrder(pictures: readonly StoredPicture[]): StoredPicture[] {
  const rank = (key: string): string => createHash("sha256").update(`leak ${key}`).digest("hex");
  return pictures
    .filter(({ isFlag }) => !isFlag)
    .map((picture) => ({ picture, rank: rank(picture.key) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ picture }) => picture);
}

/** Writes shards of altered copies, number k altered in the way k mod 5. */
export async function plant(
  pictures: readonly StoredPicture[],
  imageSize: number,
  directory: string,
): Promise<void> {
  const samples: PackSample[] = [];
  for (const [k, { key, captions, label, pixels }] of pictures.entries()) {
    const kind = k % alterations.length;
    const image = await altered(pixels, imageSize, kind);
    const extension = extensions[kind] ?? "png";
    samples.push({ key: `copy_${key}`, image, extension, captions, label });
  }
  await writeShards({ samples, directory, samplesPerShard: 1000, prefix: leakPrefix });
}

const leakPrefix = "planted";

export function together(...sources: SuiteSource[]): SuiteSource {
  return { kind: "webdataset", shards: sources.flatMap(({ shards }) => shards) };
}

/** What was found in a training set, as `duplicates.json` keeps it. */
export interface Found {
  /** Training pictures, planted copies included. */
  pictures: number;
  planted: number;
  /** Planted copies that were found, of each alteration. */
  foundByAlteration: number[];
  /** Other training pictures near a test picture: of the same emoji, and of another. */
  sameEmoji: number;
  otherEmoji: number;
  /** Left out of the training set beside those, when it is searched itself. */
  within: number;
}

export interface Thresholds {
  distance: number;
  correlation: number;
}

/** Writes `test/` and `both/`: the set without test pictures, and without duplicates of its own. */
export async function deduplicate(
  source: SuiteSource,
  test: { source: SuiteSource; pictures: readonly StoredPicture[] },
  thresholds: Thresholds,
  { directory, imageSize }: { directory: string; imageSize: number },
): Promise<void> {
  const report = await findDuplicates({ source, against: [test.source], ...thresholds });
  const near = new Set(report.contaminated.map(({ id }) => id));
  const packed = { source, requireCaption: false, onError: "fail" as const };
  await packDataset({ ...packed, directory: path.join(directory, "test"), exclude: near });
  const both = path.join(directory, "both");
  await packDataset({ ...packed, directory: both, exclude: new Set(report.exclude) });
  const found = await summarize(report, source, test.pictures, imageSize);
  writeFileSync(path.join(directory, "duplicates.json"), `${JSON.stringify(found, null, 2)}\n`);
}

export function readFound(directory: string): Found {
  return JSON.parse(readFileSync(path.join(directory, "duplicates.json"), "utf8")) as Found;
}

async function summarize(
  report: DuplicateReport,
  source: SuiteSource,
  test: readonly StoredPicture[],
  imageSize: number,
): Promise<Found> {
  const pictures = await readPictures(source, imageSize);
  const training = new Map(pictures.map((one) => [one.id, one]));
  const tested = new Map(test.map((one) => [one.id, one]));
  const isPlanted = (id: string): boolean => id.startsWith(leakPrefix);
  const foundByAlteration: number[] = alterations.map(() => 0);
  let [sameEmoji, otherEmoji] = [0, 0];
  for (const { id, evaluation } of report.contaminated) {
    const number = Number(id.split("#")[1]);
    const kind = number % alterations.length;
    if (isPlanted(id)) foundByAlteration[kind] = (foundByAlteration[kind] ?? 0) + 1;
    else if (training.get(id)?.label === tested.get(evaluation)?.label) sameEmoji++;
    else otherEmoji++;
  }
  return {
    pictures: pictures.length,
    planted: pictures.filter(({ id }) => isPlanted(id)).length,
    foundByAlteration,
    sameEmoji,
    otherEmoji,
    within: report.exclude.length - report.contaminated.length,
  };
}
