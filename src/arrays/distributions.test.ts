/** Against scipy; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { metricsGolden } from "../../test/support/metrics-golden.ts";
import {
  chiSquaredTail,
  fairBinomialTail,
  incompleteBeta,
  logGamma,
  normalTwoSided,
  studentQuantile,
  studentTail,
} from "./distributions.ts";

const { statistics } = metricsGolden();
/** Relative, so that far tails count too. */
const near = { rtol: 1e-11, atol: 1e-13 };
const tail = { rtol: 1e-10, atol: 0 };

test("a quantile or degrees of freedom that cannot be are refused", () => {
  assert.throws(() => studentQuantile(1, 3), /between 0 and 1 for the quantile but received 1/);
  assert.throws(() => studentQuantile(0.5, 0), /more than 0 degrees of freedom but received 0/);
});

test("logGamma and the incomplete beta function are scipy's", () => {
  for (const [x, value] of statistics.logGamma) assertClose([logGamma(x)], [value], near);
  for (const [x, a, b, value] of statistics.beta) {
    assertClose([incompleteBeta(x, a, b)], [value], near, `I_${x}(${a}, ${b})`);
  }
  assert.deepEqual([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)], [0, 1]);
});

test("Student's t has scipy's quantiles and tails, with any degrees of freedom", () => {
  for (const [q, freedom, value] of statistics.t) {
    const rtol = q < 1e-3 || q > 0.999 ? 1e-9 : 1e-11;
    assertClose([studentQuantile(q, freedom)], [value], { rtol, atol: 0 }, `t ${q} ${freedom}`);
  }
  for (const [t, freedom, value] of statistics.tTail) {
    assertClose([studentTail(t, freedom)], [value], near, `P(T > ${t}), ${freedom}`);
  }
});

test("normal and chi-square tails are scipy's, far out too", () => {
  for (const [z, p] of statistics.normal) {
    assertClose([normalTwoSided(z), normalTwoSided(-z)], [p, p], tail, `P(|Z| > ${z})`);
  }
  assert.equal(normalTwoSided(Infinity), 0);
  for (const [x, p] of statistics.chiSquared) assertClose([chiSquaredTail(x)], [p], tail, `${x}`);
});

test("throws of a fair coin add up as Pascal's triangle says", () => {
  let row = [1];
  for (let n = 1; n <= 40; n++) {
    row = [1, ...row.slice(1).map((value, i) => value + row[i]!), 1];
    let sum = 0;
    for (let k = 0; k <= n; k++) {
      sum += row[k]!;
      assertClose([fairBinomialTail(k, n)], [sum / 2 ** n], tail, `${k} of ${n}`);
    }
  }
  assert.equal(fairBinomialTail(-1, 5), 0);
});
