/** Which pictures of a list are nearly the same: by hash and colours, and by embeddings. */
import { rowsAt, rowsOf, type Embeddings } from "../../arrays/embeddings.ts";
import { holding } from "../../arrays/similarities.ts";
import type { PictureEmbedder, Pictures } from "./describe-pictures.ts";
import {
  forEachNearPair,
  hammingDistance,
  THUMBNAIL,
  thumbnailCorrelation,
} from "./perceptual-hash.ts";

export interface Thresholds {
  /** Bits of 64 in which hashes may differ. */
  distance: number;
  /** Correlation of thumbnails at least. */
  correlation: number;
  /** Cosine of embeddings at least. */
  cosine: number;
}

/** Two pictures by number, `second` the later one, and what speaks for a duplicate. */
export interface NearPair {
  first: number;
  second: number;
  /** Bits in which their hashes differ, and the correlation of their thumbnails. */
  distance: number;
  correlation: number;
  /** With a model: only where it was above its threshold. */
  cosine?: number;
}

/** Near pairs per picture, on average, beyond which they say nothing. */
const MOST_PAIRS = 100;

function tooAlike(cosine: number, most: number): RangeError {
  return new RangeError(
    `Expected at most ${most} pairs with a cosine of ${cosine} but received more: the model embeds ` +
      `most pictures alike; raise cosine, or use a model that was trained`,
  );
}

/** Rows per matrix product: 4,096 x 4,096 similarities are 64 MB. */
const CHUNK = 4096;

/**
 * Near pairs of a list. Pictures of one set (`setOf`) with one hash and the same colours stand for
 * one another: each is paired with the first of them only, and only that one with others, so that
 * a picture that occurs a thousand times gives a thousand pairs and not half a million.
 */
export function findNearPairs(
  pictures: Pictures,
  setOf: (picture: number) => number,
  thresholds: Thresholds,
  embedder?: Pick<PictureEmbedder, "similarities">,
): NearPair[] {
  const compare = (first: number, second: number): NearPair => ({
    first,
    second,
    distance: hammingDistance(pictures.hashes, first, second),
    correlation: correlationOf(pictures, first, second),
  });
  const { leaders, pairs } = collapse(pictures, setOf, compare, thresholds);
  const found = new Map<number, NearPair>();
  const most = Math.max(10_000, MOST_PAIRS * leaders.length);
  const keyOf = (first: number, second: number): number => first * pictures.ids.length + second;
  const hashes = new Uint32Array(2 * leaders.length);
  leaders.forEach((leader, i) => {
    hashes.set(pictures.hashes.subarray(2 * leader, 2 * leader + 2), 2 * i);
  });
  forEachNearPair(hashes, thresholds.distance, (i, j) => {
    const pair = compare(leaders[j]!, leaders[i]!);
    if (pair.correlation < thresholds.correlation) return;
    found.set(keyOf(pair.first, pair.second), pair);
  });
  if (pictures.embeddings !== undefined && embedder !== undefined) {
    const rows = rowsAt(pictures.embeddings, leaders);
    forEachCosine(rows, thresholds.cosine, embedder, (i, j, cosine) => {
      const [first, second] = [leaders[j]!, leaders[i]!];
      const key = keyOf(first, second);
      const pair = found.get(key) ?? compare(first, second);
      found.set(key, { ...pair, cosine });
      if (found.size > most) throw tooAlike(thresholds.cosine, most);
    });
  }
  return [...pairs, ...found.values()].sort((a, b) => a.second - b.second || a.first - b.first);
}

function collapse(
  { ids, hashes }: Pictures,
  setOf: (picture: number) => number,
  compare: (first: number, second: number) => NearPair,
  { correlation }: Thresholds,
): { leaders: number[]; pairs: NearPair[] } {
  const leaders: number[] = [];
  const pairs: NearPair[] = [];
  const byHash = new Map<string, number[]>();
  for (let i = 0; i < ids.length; i++) {
    const key = `${setOf(i)} ${hashes[2 * i]} ${hashes[2 * i + 1]}`;
    const known = byHash.get(key) ?? [];
    byHash.set(key, known);
    const pair = known
      .map((leader) => compare(leader, i))
      .find((candidate) => candidate.correlation >= correlation);
    if (pair !== undefined) {
      pairs.push(pair);
      continue;
    }
    known.push(i);
    leaders.push(i);
  }
  return { leaders, pairs };
}

function correlationOf({ thumbnails }: Pictures, first: number, second: number): number {
  const [a, b] = [first, second].map((i) =>
    thumbnails.subarray(i * THUMBNAIL, (i + 1) * THUMBNAIL),
  );
  return thumbnailCorrelation(a!, b!);
}

/** Visits pairs i > j whose cosine is large enough, a block of products at a time. */
function forEachCosine(
  rows: Embeddings,
  least: number,
  { similarities }: Pick<PictureEmbedder, "similarities">,
  visit: (i: number, j: number, cosine: number) => void,
): void {
  const blocks: { start: number; part: Embeddings }[] = [];
  for (let start = 0; start < rows.count; start += CHUNK) {
    blocks.push({ start, part: rowsOf(rows, start, Math.min(start + CHUNK, rows.count)) });
  }
  for (const [number, earlier] of blocks.entries()) {
    holding(similarities, earlier.part, () => {
      for (const later of blocks.slice(number)) {
        const products = similarities(later.part, earlier.part);
        for (let q = 0; q < later.part.count; q++) {
          const i = later.start + q;
          const end = Math.min(earlier.part.count, i - earlier.start);
          for (let c = 0; c < end; c++) {
            const cosine = products[q * earlier.part.count + c]!;
            if (cosine >= least) visit(i, earlier.start + c, cosine);
          }
        }
      }
    });
  }
}
