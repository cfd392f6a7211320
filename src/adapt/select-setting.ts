/** The choice of an adapter's setting from the support alone: the queries are never looked at. */
import { createRandom } from "../arrays/random.ts";
import {
  checkSupport,
  classCounts,
  correctOnes,
  supportAt,
  type Adapter,
  type Support,
} from "./adapter.ts";

export interface SelectOptions {
  /** Parts that are held out in turn, at most as many as the rarest class has examples. Default 5. */
  folds?: number;
  /** Seed of the parts. Default 0. */
  seed?: number;
}

export interface SelectedSetting<Setting> {
  readonly setting: Setting;
  /** Share of the held-out examples that it got right; null where nothing could be held out. */
  readonly accuracy: number | null;
}

/**
 * The setting with the best accuracy in stratified cross-validation inside the support: every part
 * has its share of each class. With one example of a class there is nothing to hold out, and the
 * adapter's fixed setting is taken. Ties go to the fixed setting, then to the grid's order.
 *
 * throws  RangeError for folds < 2, and as the adapter for a support that does not fit
 */
export function selectSetting<Setting>(
  adapter: Adapter<Setting>,
  support: Support,
  { folds = 5, seed = 0 }: SelectOptions = {},
): SelectedSetting<Setting> {
  checkSupport(support);
  if (!Number.isInteger(folds) || folds < 2) {
    throw new RangeError(`Expected an integer of at least 2 for folds but received ${folds}`);
  }
  const fixed = adapter.fixed(support);
  adapter.check(fixed, support);
  const rarest = Math.min(...classCounts(support.labels, support.classCount));
  if (rarest < 2) return { setting: fixed, accuracy: null };
  const parts = stratifiedFolds(support.labels, Math.min(folds, rarest), seed);
  const candidates = [fixed, ...adapter.grid(support)];
  const correct = new Float64Array(candidates.length);
  for (const held of parts) {
    const kept = parts.filter((part) => part !== held).flat();
    const [train, test] = [supportAt(support, kept), supportAt(support, held)];
    const scorer = adapter.prepare(train, test.embeddings);
    for (const [i, candidate] of candidates.entries()) {
      const right = correctOnes(scorer(candidate), test.labels);
      correct[i]! += right.reduce((sum, one) => sum + one, 0);
    }
  }
  const best = correct.indexOf(Math.max(...correct));
  const accuracy = correct[best]! / support.embeddings.count;
  return { setting: candidates[best] as Setting, accuracy };
}

/**
 * Rows in `folds` parts, each with its share of every class: sizes of a class differ by at most 1.
 * The parts hold ascending rows, and are the same for the same seed.
 */
export function stratifiedFolds(
  labels: ArrayLike<number>,
  folds: number,
  seed: number,
): number[][] {
  const parts: number[][] = Array.from({ length: folds }, () => []);
  const byClass = new Map<number, number[]>();
  for (let row = 0; row < labels.length; row++) {
    const rows = byClass.get(labels[row]!);
    if (rows) rows.push(row);
    else byClass.set(labels[row]!, [row]);
  }
  // Where one class ends the next goes on, so that parts are of equal size over all classes too.
  let next = 0;
  for (const [label, rows] of [...byClass].sort(([a], [b]) => a - b)) {
    createRandom(["folds", seed, label]).shuffle(rows);
    for (const row of rows) parts[next++ % folds]!.push(row);
  }
  return parts.map((part) => part.sort((a, b) => a - b));
}
