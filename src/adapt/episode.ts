/** Draws the few examples of each class, and the queries that none of them is among. */
import { createRandom } from "../arrays/random.ts";
import { classCounts } from "./adapter.ts";

export interface EpisodeOptions {
  /** [n] integers from 0 to classCount - 1. */
  labels: ArrayLike<number>;
  classCount: number;
  /** The most examples of each class. */
  shots: number;
  seed: number;
  /** At most so many queries of each class; all that are left when absent. */
  queriesPerClass?: number;
}

export interface Episode {
  /** Rows of the support with `shots` examples of each class: fewer shots are a part of more. */
  readonly support: (shots: number) => Int32Array;
  /** Rows of the queries, ascending: the same for every number of shots. */
  readonly queries: Int32Array;
}

/**
 * One draw. Each class is shuffled by a seed of its own, so that its examples do not depend on the
 * other classes; the first `shots` are the support, what follows the queries.
 *
 * throws  RangeError for a class with fewer than shots + 1 examples, and options out of range
 */
export function sampleEpisode(options: EpisodeOptions): Episode {
  const { labels, classCount, shots, seed, queriesPerClass = Infinity } = options;
  checkCount("shots", shots);
  if (queriesPerClass !== Infinity) checkCount("queriesPerClass", queriesPerClass);
  const counts = classCounts(labels, classCount);
  const scarce = counts.findIndex((count) => count <= shots);
  if (scarce >= 0) {
    throw new RangeError(
      `Expected more than ${shots} examples of class ${scarce} but received ${counts[scarce]}; ` +
        "use fewer shots, or leave the class out",
    );
  }
  const order = drawOrder(labels, classCount, seed);
  const queries = order.flatMap((rows) => rows.slice(shots, shots + queriesPerClass));
  return {
    queries: Int32Array.from(queries).sort(),
    support: (wanted) => {
      checkCount("shots", wanted);
      if (wanted > shots) {
        throw new RangeError(
          `Expected at most ${shots} shots of this episode but received ${wanted}; draw it with more`,
        );
      }
      return Int32Array.from(order.flatMap((rows) => rows.slice(0, wanted)));
    },
  };
}

/**
 * `shots` rows of each class, from a set of their own: for a benchmark with a test set. Fewer shots
 * are a part of more.
 *
 * throws  RangeError for a class with fewer than `shots` examples
 */
export function sampleSupport({
  labels,
  classCount,
  shots,
  seed,
}: Omit<EpisodeOptions, "queriesPerClass">): Int32Array {
  checkCount("shots", shots);
  const counts = classCounts(labels, classCount);
  const scarce = counts.findIndex((count) => count < shots);
  if (scarce >= 0) {
    throw new RangeError(
      `Expected at least ${shots} examples of class ${scarce} but received ${counts[scarce]}; ` +
        "use fewer shots, or leave the class out",
    );
  }
  const order = drawOrder(labels, classCount, seed);
  return Int32Array.from(order.flatMap((rows) => rows.slice(0, shots)));
}

/** [C] the rows of each class, shuffled. */
function drawOrder(labels: ArrayLike<number>, classCount: number, seed: number): number[][] {
  const rows: number[][] = Array.from({ length: classCount }, () => []);
  for (let row = 0; row < labels.length; row++) rows[labels[row]!]!.push(row);
  return rows.map((own, label) => createRandom(["episode", seed, label]).shuffle(own));
}

function checkCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RangeError(`Expected a positive integer for ${name} but received ${value}`);
}
