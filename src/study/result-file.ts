/** One finished run as a file, `result.json`, with the scores of its test items; there or not, never half. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { readJsonFile } from "../files/regular-file.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import type { Outcome, StudyMetric, ItemScores } from "./define-study.ts";

export interface StoredResult {
  readonly arm: string;
  readonly seed: number;
  /** Of all that the outcome depends on; another hash makes the run stale. */
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly finished: string;
  readonly seconds: number;
  /** Undefined outside a repository. */
  readonly commit?: string;
  readonly machine: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly items: Readonly<Record<string, Items>>;
}

type ResultJson = Omit<StoredResult, "items" | "metrics"> & {
  /** JSON has no NaN: null stands for it. */
  metrics: Record<string, number | null>;
  items: Record<string, StoredItems>;
};

/** The same for equal values, however their keys are ordered. */
export function hashOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 16);
}

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(",")}}`;
}

export function resultFile(folder: string): string {
  return join(folder, "result.json");
}

/** The finished run in `folder`; undefined where there is none that can be read. */
export function readResult(folder: string): StoredResult | undefined {
  const file = resultFile(folder);
  if (!existsSync(file)) return undefined;
  try {
    const { items, metrics, ...rest } = readJsonFile(file) as ResultJson;
    return {
      ...rest,
      metrics: mapValues(metrics, (value) => value ?? NaN),
      items: mapValues(items, restoreItems),
    };
  } catch {
    return undefined;
  }
}

export function writeResult(folder: string, result: StoredResult): void {
  const items = mapValues(result.items, storeItems);
  writeTextAtomically(resultFile(folder), `${JSON.stringify({ ...result, items }, null, 2)}\n`);
}

/**
 * What of an outcome is kept: every number, and the items of declared metrics.
 *
 * throws  RangeError for a metric that is not the mean of its items: one of them is wrong
 */
export function checkOutcome(
  outcome: Outcome,
  declared: Readonly<Record<string, StudyMetric>>,
): Pick<StoredResult, "metrics" | "items"> {
  const metrics = { ...outcome.metrics };
  const items: Record<string, Items> = {};
  for (const [key, scores] of Object.entries(outcome.items ?? {})) {
    const found = toItems(scores);
    const mean = meanOfItems(found);
    const given = (metrics[key] ??= mean);
    if (!(Math.abs(given - mean) <= 1e-5 * Math.max(1, Math.abs(mean)))) {
      throw new RangeError(
        `Expected the mean of its items, ${mean}, for ${key} but received ${given}; ` +
          "leave the metric out, or correct its items.",
      );
    }
    if (Object.hasOwn(declared, key)) items[key] = found;
  }
  return { metrics, items };
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  change: (one: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** Sum of the scores of every unit (a test item), and how many scores that is. */
export interface Items {
  readonly sums: Uint8Array | Float32Array;
  /** One each when absent. */
  readonly counts?: Uint8Array;
}

/** Items in JSON: bits of scores that are 0 or 1, else bytes or float32, in base64. */
export interface StoredItems {
  length: number;
  bits?: string;
  bytes?: string;
  floats?: string;
  counts?: string;
}

export function toItems(scores: ItemScores): Items {
  return "sums" in scores ? scores : { sums: scores };
}

/** All scores over all units, as a mean. */
export function meanOfItems({ sums, counts }: Items): number {
  const total = counts?.reduce((sum, count) => sum + count, 0) ?? sums.length;
  let sum = 0;
  for (const one of sums) sum += one;
  return sum / total;
}

/** Whether two sets of scores are of the same test items, as far as that can be seen. */
export function sameUnits(a: Items, b: Items): boolean {
  if (a.sums.length !== b.sums.length) return false;
  const [one, other] = [a.counts, b.counts];
  return a.sums.every((_, unit) => (one?.[unit] ?? 1) === (other?.[unit] ?? 1));
}

export function storeItems({ sums, counts }: Items): StoredItems {
  const stored: StoredItems = { length: sums.length };
  if (sums instanceof Float32Array) {
    // Little-endian, as every machine that libtorch runs on.
    stored.floats = base64(new Uint8Array(sums.buffer, sums.byteOffset, sums.byteLength));
  } else if (sums.every((one) => one <= 1)) stored.bits = base64(packBits(sums));
  else stored.bytes = base64(sums);
  if (counts !== undefined) stored.counts = base64(counts);
  return stored;
}

/** throws  TypeError where the stored form is none */
export function restoreItems({ length, bits, bytes, floats, counts }: StoredItems): Items {
  let sums: Items["sums"];
  if (bits !== undefined) sums = unpackBits(fromBase64(bits), length);
  else if (bytes !== undefined) sums = fromBase64(bytes);
  else sums = new Float32Array(fromBase64(floats ?? "").slice().buffer);
  const found = counts === undefined ? undefined : fromBase64(counts);
  if (sums.length === length && (found === undefined || found.length === length)) {
    return found === undefined ? { sums } : { sums, counts: found };
  }
  throw new TypeError(`Expected scores of ${length} items but received ${sums.length}.`);
}

function packBits(values: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(values.length / 8));
  for (const [i, value] of values.entries()) {
    if (value === 1) packed[i >> 3] = (packed[i >> 3] as number) | (1 << (i & 7));
  }
  return packed;
}

function unpackBits(packed: Uint8Array, length: number): Uint8Array {
  if (packed.length !== Math.ceil(length / 8)) return new Uint8Array(0);
  return Uint8Array.from({ length }, (_, i) => ((packed[i >> 3] as number) >> (i & 7)) & 1);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
