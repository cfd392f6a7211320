/** Near-duplicates within a set of pictures, and between it and evaluation sets. */
import { DigestTable } from "../../arrays/digest-table.ts";
import { didYouMean } from "../../errors.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { Problem } from "../sources/source.ts";
import { describePictures, type PictureEmbedder } from "./describe-pictures.ts";
import { Groups, NearEvaluation } from "./picture-groups.ts";
import { namedSamples, type NamedSample } from "./named-samples.ts";
import { findNearPairs, type Thresholds } from "./near-pictures.ts";
import type { NearPair } from "./pair-list.ts";
import { MOST_DISTANCE } from "./perceptual-hash.ts";
import type { PictureNames } from "./picture-names.ts";

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
  /** A picture of more pixels cannot be read, told from its header. By default 178,956,970. */
  maxPixels?: number;
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
  /** File, key and caption of every picture that a pair names. */
  samples: NamedSample[];
  /** What to do where the defaults drop more than a tenth of the pictures. */
  advice?: string;
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
  "maxPixels",
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
  const { source, against = [], embedder, workers, maxPixels, onProgress } = options;
  const reading = { embedder, workers, maxPixels, onProgress };
  const described = await describePictures([source, ...against], reading);
  const { names } = described;
  const setOf = (picture: number): number => names.setOf(picture);
  const near = findNearPairs(described, setOf, thresholds, embedder);
  const sets = 1 + against.length;
  const found = report(described, { near, sets }, thresholds, embedder !== undefined);
  const samples = await namedSamples(found, [source, ...against]);
  const byDefault = options.distance === undefined && options.correlation === undefined;
  const advice = byDefault ? adviceFor(found) : undefined;
  return { ...found, samples, ...(advice !== undefined && { advice }) };
}

/** From this share on the defaults are told to be wrong for such pictures. */
const LARGE_SHARE = 0.1;

/** Drawings on one ground look alike to thresholds that were chosen on photographs. */
function adviceFor({ exclude, pictures }: Found): string | undefined {
  const share = exclude.length / pictures;
  if (share <= LARGE_SHARE) return undefined;
  return (
    `the defaults, which suit photographs, leave out ${(100 * share).toFixed(0)} % of the pictures. ` +
    `Of drawings and icons many differ in a detail only: for them use a distance of 2 and a ` +
    `correlation of 0.995 (--distance 2 --correlation 0.995), and look at the report`
  );
}

type Found = Omit<DuplicateReport, "samples" | "advice">;

function report(
  { names, bad, badSamples }: Awaited<ReturnType<typeof describePictures>>,
  { near, sets }: { near: Iterable<NearPair>; sets: number },
  { distance, correlation, cosine }: Thresholds,
  withModel: boolean,
): Found {
  const own = names.sizeOf(0);
  const groups = new Groups(own);
  const evaluation = new NearEvaluation(own);
  const pairs: DuplicatePair[] = [];
  for (const { first, second, ...measures } of near) {
    if (first >= own) continue;
    if (second < own) groups.join(first, second);
    evaluation.add(first, second, measures.distance);
    pairs.push({
      first: names.nameOf(first),
      second: names.nameOf(second),
      ...(second >= own && { against: names.setOf(second) - 1 }),
      ...measures,
    });
  }
  evaluation.finish();
  const found: Found = {
    pictures: own,
    againstPictures: Array.from({ length: sets - 1 }, (_, i) => names.sizeOf(i + 1)),
    thresholds: { distance, correlation, ...(withModel && { cosine }) },
    groups: [],
    contaminated: [],
    exclude: [],
    pairs,
    bad,
    badSamples: badSamples.slice(0, 100),
  };
  listDropped(found, names, groups, evaluation);
  return found;
}

/** The names that should go, for `packDataset`: of any number, where a `Set` ends at 16.7 million. */
export function excludedBy({ exclude }: Pick<DuplicateReport, "exclude">): {
  has: (name: string) => boolean;
} {
  const names = new DigestTable();
  for (const name of exclude) names.set(name, 1);
  return { has: (name) => names.get(name) > 0 };
}

/** Fills in what goes and why: all that are near an evaluation set, of each group all but the first. */
function listDropped(
  { groups: listed, contaminated, exclude, pictures }: Found,
  names: PictureNames,
  groups: Groups,
  evaluation: NearEvaluation,
): void {
  /** By the groups' roots: the first picture that stays + 1, and the group's number + 1 in the list. */
  const keepers = new Uint32Array(pictures);
  const numbers = new Uint32Array(pictures);
  const rootOf = (picture: number): number | undefined => {
    if (evaluation.nearestTo(picture) !== undefined) return undefined;
    const root = groups.rootOf(picture);
    return groups.isJoined(root) ? root : undefined;
  };
  for (let picture = 0; picture < pictures; picture++) {
    const root = rootOf(picture);
    if (root === undefined) continue;
    if (keepers[root] === 0) keepers[root] = picture + 1;
    else numbers[root] = 1;
  }
  for (let root = 0; root < pictures; root++) {
    if (numbers[root] === 0) continue;
    numbers[root] = listed.push({ keep: names.nameOf(keepers[root]! - 1), drop: [] });
  }
  for (let picture = 0; picture < pictures; picture++) {
    const near = evaluation.nearestTo(picture);
    const root = rootOf(picture);
    if (near === undefined && (root === undefined || keepers[root] === picture + 1)) continue;
    const id = names.nameOf(picture);
    exclude.push(id);
    if (near !== undefined) {
      contaminated.push({ id, against: names.setOf(near) - 1, evaluation: names.nameOf(near) });
    } else listed[numbers[root!]! - 1]!.drop.push(id);
  }
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
