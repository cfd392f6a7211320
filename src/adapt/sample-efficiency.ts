/** How many times fewer examples one curve needs for another's accuracy. Knows numbers only. */
import { ShapeError } from "../errors.ts";

/** Accuracy at ascending numbers of shots, such as a FewShotCurve. */
export interface AccuracyCurve {
  readonly shots: readonly number[];
  readonly accuracy: readonly number[];
}

export interface SampleEfficiency {
  /** Shots of the baseline, and what it reaches with them. */
  readonly shots: number;
  readonly accuracy: number;
  /** Shots of the baseline over those of the curve; above 1 where the curve needs fewer. */
  readonly ratio: number;
  /** `atLeast`: the curve's fewest shots reach more. `atMost`: its most shots reach less. */
  readonly bound: "exact" | "atLeast" | "atMost";
}

/**
 * For every point of `baseline`: its shots over those at which `curve` first has that accuracy,
 * accuracy being linear in log(shots) between the curve's points.
 *
 * throws  ShapeError for arrays of different length; RangeError for no point, shots that do not
 *         ascend from above 0, or a number that is not finite
 */
export function sampleEfficiency(
  curve: AccuracyCurve,
  baseline: AccuracyCurve,
): SampleEfficiency[] {
  check("curve", curve);
  check("baseline", baseline);
  return baseline.shots.map((shots, i) => {
    const accuracy = baseline.accuracy[i]!;
    const { needed, bound } = shotsFor(curve, accuracy);
    return { shots, accuracy, ratio: shots / needed, bound };
  });
}

function shotsFor(
  { shots, accuracy }: AccuracyCurve,
  wanted: number,
): { needed: number; bound: SampleEfficiency["bound"] } {
  const reached = accuracy.findIndex((value) => value >= wanted);
  if (reached < 0) return { needed: shots.at(-1)!, bound: "atMost" };
  const [after, high] = [shots[reached]!, accuracy[reached]!];
  if (high === wanted) return { needed: after, bound: "exact" };
  if (reached === 0) return { needed: after, bound: "atLeast" };
  const [before, low] = [shots[reached - 1]!, accuracy[reached - 1]!];
  const share = (wanted - low) / (high - low);
  return { needed: before * (after / before) ** share, bound: "exact" };
}

function check(name: string, { shots, accuracy }: AccuracyCurve): void {
  if (shots.length !== accuracy.length) {
    throw new ShapeError(
      `Expected one accuracy for each of ${shots.length} shots of the ${name} but received ` +
        `${accuracy.length}`,
    );
  }
  const ascending = shots.every((value, i) => value > (i === 0 ? 0 : shots[i - 1]!));
  if (shots.length > 0 && ascending && [...shots, ...accuracy].every(Number.isFinite)) return;
  throw new RangeError(
    `Expected ascending shots above 0 with finite accuracies for the ${name} but received ` +
      `[${shots.join(", ")}] and [${accuracy.join(", ")}]`,
  );
}
