/** Which pictures of a list are nearly the same: by hash and colours, and by embeddings. */
import { rowsAt, rowsOf, type Embeddings } from "../../arrays/embeddings.ts";
import { collapse, type Leaders } from "./collapse.ts";
import type { Looks, PictureEmbedder } from "./describe-pictures.ts";
import { forEachNearPair, hammingDistance } from "./hamming-join.ts";
import { PairList, type NearPair } from "./pair-list.ts";

export interface Thresholds {
  /** Bits of 64 in which hashes may differ. */
  distance: number;
  /** Correlation of thumbnails at least. */
  correlation: number;
  /** Cosine of embeddings at least. */
  cosine: number;
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
 * Near pairs of a list, by their second pictures. Pictures of one set (`setOf`) with one hash and the
 * same colours stand for one another: each is paired with the first of them only, and only that one
 * with others, so that a picture that occurs a thousand times gives a thousand pairs and not half a
 * million.
 *
 * cost   see `forEachNearPair`; with an embedder, two products of N x N x D for those that stand for
 *        others
 */
export function findNearPairs(
  looks: Looks,
  setOf: (picture: number) => number,
  thresholds: Thresholds,
  embedder?: Pick<PictureEmbedder, "similarities">,
): Iterable<NearPair> {
  const { hashes, thumbnails } = looks;
  const pairs = new PairList();
  const leaders = collapse(looks, setOf, thresholds.correlation, pairs);
  const compare = (a: number, b: number): NearPair => {
    const [first, second] = a < b ? [a, b] : [b, a];
    const distance = hammingDistance(hashes, first, second);
    return { first, second, distance, correlation: thumbnails.correlation(first, second) };
  };
  forEachCandidate(leaders, setOf, thresholds.distance, (a, b) => {
    const pair = compare(a, b);
    if (pair.correlation >= thresholds.correlation) pairs.push(pair);
  });
  if (looks.embeddings !== undefined && embedder !== undefined) {
    const alone = leaders.members.slice().sort();
    const most = Math.max(10_000, MOST_PAIRS * alone.length);
    let found = 0;
    const rows = rowsAt(looks.embeddings, alone);
    forEachCosine(rows, thresholds.cosine, embedder, (i, j, cosine) => {
      if (++found > most) throw tooAlike(thresholds.cosine, most);
      pairs.push({ ...compare(alone[j]!, alone[i]!), cosine });
    });
  }
  return pairs.sorted(hashes.length / 2);
}

/** Visits pairs of pictures that stand for others and whose hashes are near, each once. */
function forEachCandidate(
  { hashes, starts, members }: Leaders,
  setOf: (picture: number) => number,
  distance: number,
  visit: (a: number, b: number) => void,
): void {
  forEachNearPair(hashes, distance, (i, j) => {
    for (let a = starts[i]!; a < starts[i + 1]!; a++) {
      for (let b = starts[j]!; b < starts[j + 1]!; b++) visit(members[a]!, members[b]!);
    }
  });
  // Of one hash, those of one set are unlike each other: that is why they are apart.
  for (let i = 0; i + 1 < starts.length; i++) {
    const last = starts[i + 1]! - 1;
    if (setOf(members[starts[i]!]!) === setOf(members[last]!)) continue;
    for (let a = starts[i]!; a < last; a++) {
      for (let b = a + 1; b <= last; b++) {
        if (setOf(members[a]!) !== setOf(members[b]!)) visit(members[a]!, members[b]!);
      }
    }
  }
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
  for (const [number, later] of blocks.entries()) {
    for (const earlier of blocks.slice(0, number + 1)) {
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
  }
}
