/** Scores of test items, as they are compared and as a result file holds them. */
import type { ItemScores } from "./study.ts";

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
