/** What of a recipe's data is looked at before anything is built or trained, and how much of it there is. */
import { statSync } from "node:fs";

import { parseTrainingAugmentation, type TrainingAugmentation } from "../../data/image/index.ts";
import { lookThrough, type SampleOutline } from "../../data/look-through.ts";
import { openSource } from "../../data/sources/open-source.ts";
import type { Source } from "../../data/sources/source.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { atPath } from "../../errors.ts";

/** Shards of more bytes in all are not read through to count their samples. */
const MOST_COUNTED_BYTES = 512 << 20;

interface CheckedData {
  train: SourceSpec;
  augmentation?: TrainingAugmentation | undefined;
  onError: "skip" | "fail";
}

interface Checks {
  captions: boolean;
  /** Default true. */
  pictures?: boolean;
  /** Takes each good sample; one is enough without it. */
  each?: (sample: SampleOutline) => void;
}

/**
 * Looks whether training can begin with `data.train`.
 *
 * returns  its samples, good and bad ones; undefined of shards that are too large to be counted
 * throws   DataError that names the key in the recipe
 */
export async function checkTrainingData(
  { train, augmentation, onError }: CheckedData,
  { each, ...checks }: Checks,
): Promise<number | undefined> {
  if (augmentation !== undefined) parseTrainingAugmentation(augmentation, "data.augmentation");
  return atPath("data.train", async () => {
    await lookThrough(train, { ...checks, onError, each: each ?? (() => false) });
    return countSamples(await openSource(train));
  });
}

/** Looks whether held-out samples are there and good. Throws DataError that names `path`. */
export async function checkHeldOut(
  source: SourceSpec,
  path: string,
  checks: Checks,
): Promise<void> {
  await atPath(path, () => lookThrough(source, { ...checks, onError: "fail" }));
}

async function countSamples({ parts, listed }: Source): Promise<number | undefined> {
  if (listed) return parts.reduce((sum, { list }) => sum + (list?.length ?? 0), 0);
  const bytes = parts.reduce((sum, { path }) => sum + sizeOf(path), 0);
  if (bytes > MOST_COUNTED_BYTES || parts.some(({ compressed }) => compressed)) return undefined;
  let count = 0;
  for (const part of parts) for await (const { ref } of part.read()) if (ref) count++;
  return count;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
