/** A straight line by least squares. Knows nothing about what is fitted. */
import { ShapeError } from "../errors.ts";

export interface FittedLine {
  /** y = intercept + slope x */
  readonly slope: number;
  readonly intercept: number;
  /** Of the slope, with equal variances: sqrt(s^2 / sum (x - mean)^2), s^2 of n - 2 degrees; NaN for n <= 2. */
  readonly standardError: number;
}

/**
 * Ordinary least squares of y on x, every point counting `weights` times (once by default).
 *
 *     slope = sum w (x - xm)(y - ym) / sum w (x - xm)^2
 *
 * x, y, weights  [N]; n is the sum of the weights
 * returns        NaN throughout where all x are equal
 * throws         ShapeError for lists of different lengths
 */
export function fitLine(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  weights?: ArrayLike<number>,
): FittedLine {
  if (x.length !== y.length || (weights !== undefined && weights.length !== x.length)) {
    throw new ShapeError(
      `Expected as many y and weights as x, ${x.length}, but received ${y.length} and ${weights?.length}.`,
    );
  }
  const weight = (i: number): number => weights?.[i] ?? 1;
  let [n, xSum, ySum] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    n += weight(i);
    xSum += weight(i) * x[i]!;
    ySum += weight(i) * y[i]!;
  }
  const [xMean, yMean] = [xSum / n, ySum / n];
  let [xx, xy] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    const dx = x[i]! - xMean;
    xx += weight(i) * dx * dx;
    xy += weight(i) * dx * (y[i]! - yMean);
  }
  const slope = xx > 0 ? xy / xx : NaN;
  const intercept = yMean - slope * xMean;
  let residual = 0;
  for (let i = 0; i < x.length; i++) {
    residual += weight(i) * (y[i]! - intercept - slope * x[i]!) ** 2;
  }
  const standardError = n > 2 ? Math.sqrt(residual / (n - 2) / xx) : NaN;
  return { slope, intercept, standardError };
}
