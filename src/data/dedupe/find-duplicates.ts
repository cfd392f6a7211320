/** Near-duplicates within a set of pictures, and between it and evaluation sets. */
import { didYouMean } from "../../errors.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { Problem } from "../sources/source.ts";
import {
  describePictures,
  joinPictures,
  type PictureEmbedder,
  type Pictures,
} from "./describe-pictures.ts";
import { findNearPairs, type NearPair, type Thresholds } from "./near-pictures.ts";
import { MOST_DISTANCE } from "./perceptual-hash.ts";

export interface FindDuplicatesOptions {
  source: SourceSpec;
  /** Sets whose pictures must not be trained on: pictures of `source` near one of theirs go. */
  against?: readonly SourceSpec[];
  /** Bits in which two 64-bit hashes may differ, 0 to 16; 10 by default. */
  distance?: number;
  /** What the correlation of two 8 x 8 colour thumbnails must reach, -1 to 1; 0.9 by default. */
  correlation?: number;
  /** A model: pictures whose embeddings are near are duplicates too. */
  embedder?: PictureEmbedder;
  /** What the cosine of two embeddings must reach, -1 to 1; 0.97 by default. */
  cosine?: number;
  /** Decoding threads. Has no influence on the result. */
  workers?: number;
  /** Called now and then with the source's number (0, then `against`) and its pictures read. */
  onProgress?: (source: number, pictures: number) => void;
}

/** Two pictures that are nearly the same, by their names (`Batch.imageIds`). */
export interface DuplicatePair {
  first: string;
  second: string;
  /** The evaluation set, by its number in `against`, that `second` is in. */
  against?: number;
  distance: number;
  correlation: number;
  cosine?: number;
}

/** What `findDuplicates` found; plain JSON. */
export interface DuplicateReport {
  pictures: number;
  /** Pictures of each evaluation set. */
  againstPictures: number[];
  thresholds: { distance: number; correlation: number; cosine?: number };
  /** Pictures within `source` that are connected by near pairs: the first stays. */
  groups: { keep: string; drop: string[] }[];
  /** Pictures that are near one of an evaluation set: all go. */
  contaminated: { id: string; against: number; evaluation: string }[];
  /** Every name that should go, in the order of the source. */
  exclude: string[];
  pairs: DuplicatePair[];
  bad: number;
  /** The first of the pictures that could not be read, of all sets. */
  badSamples: Problem[];
}

const KEYS: (keyof FindDuplicatesOptions)[] = [
  "source",
  "against",
  "distance",
  "correlation",
  "embedder",
  "cosine",
  "workers",
  "onProgress",
];

/**
 * Reads every picture, at full size, and tells near-duplicates by a perceptual hash whose finds are
 * confirmed by their colours, and with an embedder also by the cosine of embeddings.
 *
 * A picture is dropped if it is near a picture of an evaluation set, or if an earlier one that
 * stays is in its group. Groups are connected: a is dropped for c where a is near b and b near c.
 *
 * throws   DataError if a source cannot be opened or has no usable picture; TypeError and
 *          RangeError for options, RangeError for a model that embeds most pictures alike
 */
export async function findDuplicates(options: FindDuplicatesOptions): Promise<DuplicateReport> {
  const thresholds = checkOptions(options);
  const { source, against = [], embedder, workers, onProgress } = options;
  const sets: Pictures[] = [];
  for (const [number, spec] of [source, ...against].entries()) {
    const progress = (pictures: number): void => onProgress?.(number, pictures);
    sets.push(await describePictures(spec, { embedder, workers, onProgress: progress }));
  }
  return report(sets, thresholds, embedder);
}

function report(
  sets: readonly Pictures[],
  thresholds: Thresholds,
  embedder: PictureEmbedder | undefined,
): DuplicateReport {
  const all = joinPictures(sets);
  const setOf = sets.flatMap(({ ids }, set) => ids.map(() => set));
  const pairs = findNearPairs(all, (picture) => setOf[picture]!, thresholds, embedder).filter(
    ({ first }) => setOf[first] === 0,
  );
  const inside = pairs.filter(({ second }) => setOf[second] === 0);
  const contaminated = nearEvaluation(pairs, inside, setOf);
  const { ids } = all;
  const groups = groupsOf(inside)
    .map((members) => members.filter((member) => !contaminated.has(member)))
    .filter((members) => members.length > 1);
  const dropped = [...contaminated.keys(), ...groups.flatMap((members) => members.slice(1))];
  const { distance, correlation, cosine } = thresholds;
  return {
    pictures: sets[0]!.ids.length,
    againstPictures: sets.slice(1).map((set) => set.ids.length),
    thresholds: { distance, correlation, ...(embedder !== undefined && { cosine }) },
    groups: groups.map(([keep, ...drop]) => ({
      keep: ids[keep!]!,
      drop: drop.map((member) => ids[member]!),
    })),
    contaminated: [...contaminated]
      .sort(([a], [b]) => a - b)
      .map(([id, near]) => ({
        id: ids[id]!,
        against: setOf[near]! - 1,
        evaluation: ids[near]!,
      })),
    exclude: dropped.sort((a, b) => a - b).map((picture) => ids[picture]!),
    pairs: pairs.map(({ first, second, ...measures }) => ({
      first: ids[first]!,
      second: ids[second]!,
      ...(setOf[second] !== 0 && { against: setOf[second]! - 1 }),
      ...measures,
    })),
    bad: all.bad,
    badSamples: all.badSamples.slice(0, 100),
  };
}

/** Each picture of the set that is near one of an evaluation set, with that one. */
function nearEvaluation(
  pairs: readonly NearPair[],
  inside: readonly NearPair[],
  setOf: readonly number[],
): Map<number, number> {
  const near = new Map<number, number>();
  for (const { first, second } of pairs) {
    if (setOf[second] !== 0 && !near.has(first)) near.set(first, second);
  }
  // Pictures of one hash and the same colours are compared with others through the first of them.
  for (const { first, second, distance } of inside) {
    const evaluation = near.get(first);
    if (distance === 0 && evaluation !== undefined && !near.has(second)) {
      near.set(second, evaluation);
    }
  }
  return near;
}

/** Connected groups of two and more, members in order, groups by their first members. */
function groupsOf(pairs: readonly NearPair[]): number[][] {
  const parent = new Map<number, number>();
  const rootOf = (member: number): number => {
    let root = member;
    for (let up = parent.get(root); up !== undefined; up = parent.get(root)) root = up;
    // Shorter ways for the next search.
    for (let at = member; at !== root;) {
      const up = parent.get(at)!;
      parent.set(at, root);
      at = up;
    }
    return root;
  };
  for (const { first, second } of pairs) {
    const [a, b] = [rootOf(first), rootOf(second)];
    if (a !== b) parent.set(Math.max(a, b), Math.min(a, b));
  }
  const groups = new Map<number, number[]>();
  for (const member of parent.keys()) {
    const root = rootOf(member);
    const group = groups.get(root) ?? [root];
    group.push(member);
    groups.set(root, group);
  }
  return [...groups.values()]
    .map((group) => group.sort((a, b) => a - b))
    .sort((a, b) => a[0]! - b[0]!);
}

function checkOptions(options: FindDuplicatesOptions): Thresholds {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown duplicate option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  const { distance = 10, correlation = 0.9, cosine = 0.97, embedder } = options;
  if (!Number.isInteger(distance) || distance < 0 || distance > MOST_DISTANCE) {
    throw new RangeError(
      `Expected an integer from 0 to ${MOST_DISTANCE} for distance but received ${distance}; ` +
        `hashes of unrelated pictures begin to agree beyond`,
    );
  }
  for (const [name, value] of Object.entries({ correlation, cosine })) {
    if (typeof value === "number" && value >= -1 && value <= 1) continue;
    throw new RangeError(
      `Expected a number from -1 to 1 for ${name} but received ${String(value)}`,
    );
  }
  if (options.cosine !== undefined && embedder === undefined) {
    throw new TypeError(
      "Expected an embedder with cosine but received none; pass one, or no cosine",
    );
  }
  return { distance, correlation, cosine };
}
