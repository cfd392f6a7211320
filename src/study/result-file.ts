/** One finished run as a file, `result.json`; there or not, never half. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { writeTextAtomically } from "../files/atomic-write.ts";
import { meanOfItems, restoreItems, storeItems, toItems, type Items } from "./items.ts";
import type { StoredItems } from "./items.ts";
import type { Outcome, StudyMetric } from "./study.ts";

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
  /** JSON has no NaN: null stands for a number that is none. */
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
    const { items, metrics, ...rest } = JSON.parse(readFileSync(file, "utf8")) as ResultJson;
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
