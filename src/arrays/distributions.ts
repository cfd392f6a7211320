/**
 * Tails and quantiles of the distributions that tests and intervals need, in float64. Equations by their
 * numbers in the NIST Digital Library of Mathematical Functions (DLMF), https://dlmf.nist.gov.
 */

/** Lanczos' approximation with g = 7 and nine terms: relative error below 1e-14 for x > 0. */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
] as const;

/** log Gamma(x) for x > 0. */
export function logGamma(x: number): number {
  // Reflection: the sum below is exact from 1/2 on.
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  let sum: number = lanczos[0];
  for (let i = 1; i < lanczos.length; i++) sum += lanczos[i]! / (y + i);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

const mostTerms = 10_000;
const tiny = 1e-300;
const precision = 1e-16;

/**
 * The regularised incomplete beta function I_x(a, b), by the continued fraction (DLMF 8.17.22).
 *
 * x in [0, 1]; a, b > 0
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean; above it the other tail is taken (DLMF 8.17.4).
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  );
  const fraction = continuedFraction((term) => {
    const m = Math.floor(term / 2);
    if (term === 0) return 1;
    return term % 2 === 0
      ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
      : -((a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
  });
  return (front / a) * fraction;
}

/** 1 / (1 + d1 / (1 + d2 / (1 + ...))) by Lentz's method; d(0) is 1. */
function continuedFraction(d: (term: number) => number): number {
  let numerator = 1;
  let denominator = 0;
  let value = 1;
  for (let term = 1; term < mostTerms; term++) {
    const next = d(term);
    numerator = nonZero(1 + next / numerator);
    denominator = 1 / nonZero(1 + next * denominator);
    const factor = numerator * denominator;
    value *= factor;
    if (Math.abs(factor - 1) < precision) break;
  }
  return 1 / value;
}

const nonZero = (value: number): number => (Math.abs(value) < tiny ? tiny : value);

/** P(T > t) of Student's t with `freedom` degrees of freedom, not necessarily whole. */
export function studentTail(t: number, freedom: number): number {
  const half = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
  return t >= 0 ? half : 1 - half;
}

/**
 * The quantile of Student's t: the t with P(T <= t) = q.
 *
 * throws  RangeError for q outside (0, 1) or degrees of freedom that are not above 0
 */
export function studentQuantile(q: number, freedom: number): number {
  if (!(q > 0 && q < 1)) {
    throw new RangeError(`Expected a number between 0 and 1 for the quantile but received ${q}.`);
  }
  if (!(freedom > 0)) {
    throw new RangeError(`Expected more than 0 degrees of freedom but received ${freedom}.`);
  }
  if (q < 0.5) return -studentQuantile(1 - q, freedom);
  let [low, high] = [0, 1];
  while (studentTail(high, freedom) > 1 - q && high < 1e300) high *= 2;
  // Bisection to the last bit: a quantile is asked for once, and needs no care near the tails.
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTail(middle, freedom) > 1 - q) low = middle;
    else high = middle;
  }
}

/** P(|Z| > z) of the normal distribution, precise in the far tail too. */
export function normalTwoSided(z: number): number {
  return upperGammaHalf((z * z) / 2);
}

/** P(X > x) of the chi-square distribution with one degree of freedom. */
export function chiSquaredTail(x: number): number {
  return upperGammaHalf(x / 2);
}

/** The regularised upper incomplete gamma function Q(1/2, x) = erfc(sqrt x). */
function upperGammaHalf(x: number): number {
  if (!(x > 0)) return 1;
  // Smaller than any double.
  if (x > 750) return 0;
  const front = Math.exp(-x) * Math.sqrt(x / Math.PI);
  if (x < 1.5) {
    // P(1/2, x) by its series, DLMF 8.11.4.
    let term = 2;
    let sum = term;
    for (let n = 1; term > sum * precision; n++) {
      term *= x / (n + 0.5);
      sum += term;
    }
    return 1 - front * sum;
  }
  // DLMF 8.9.2, in the form of Lentz: 1/(x + 1/2 - (1/2)(1)/(x + 5/2 - ...)).
  let b = x + 0.5;
  let c = 1 / tiny;
  let d = 1 / b;
  let value = d;
  for (let n = 1; n < mostTerms; n++) {
    const a = -n * (n - 0.5);
    b += 2;
    d = 1 / nonZero(a * d + b);
    c = nonZero(b + a / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < precision) break;
  }
  return front * value;
}

/** P(X <= k) of k successes in n fair coin throws, exact to rounding for any n. */
export function fairBinomialTail(k: number, n: number): number {
  if (k < 0) return 0;
  return k >= n ? 1 : incompleteBeta(0.5, n - k, k + 1);
}
