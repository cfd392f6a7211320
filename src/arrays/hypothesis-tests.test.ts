/** Against statsmodels and scipy; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { metricsGolden } from "../../test/support/metrics-golden.ts";
import {
  benjaminiHochberg,
  exactPairs,
  holm,
  mcNemar,
  mcNemarOf,
  tInterval,
} from "./hypothesis-tests.ts";

const { statistics } = metricsGolden();
const near = { rtol: 1e-10, atol: 1e-15 };

test("what is no count, no p value, no pair is refused", () => {
  assert.throws(() => mcNemar(-1, 2), /counts of items for McNemar's test but received -1/);
  assert.throws(() => mcNemar(1, 0.5), RangeError);
  assert.throws(() => mcNemarOf([1], [1, 0]), /answers of the same items but received 1 and 2/);
  assert.throws(() => holm([0.1, 1.5]), /p values from 0 to 1 but received 1.5/);
  assert.throws(() => benjaminiHochberg([NaN]), RangeError);
  assert.throws(() => tInterval([1, 2], 1), RangeError);
});

test("McNemar's test is statsmodels', exact and asymptotic", () => {
  for (const [b, c, exact, asymptotic] of statistics.mcnemar) {
    assertClose([mcNemar(b, c, "exact").p], [exact], near, `exact ${b} ${c}`);
    assertClose([mcNemar(b, c, "asymptotic").p], [asymptotic], near, `asymptotic ${b} ${c}`);
    const { method } = mcNemar(b, c);
    assert.equal(method, b + c <= exactPairs ? "exact" : "asymptotic");
  }
});

test("McNemar's test counts the items that one alone has right", () => {
  const { onlyFirst, onlySecond, p } = mcNemarOf([1, 1, 0, 0, 1], [0, 1, 0, 1, 0]);
  assert.deepEqual([onlyFirst, onlySecond], [2, 1]);
  assertClose([p], [1], near);
});

test("Holm's and Benjamini and Hochberg's corrections are statsmodels'", () => {
  for (const one of statistics.corrections) {
    assertClose(holm(one.p), one.holm, near);
    assertClose(benjaminiHochberg(one.p), one.benjaminiHochberg, near);
  }
  assert.deepEqual([holm([]), benjaminiHochberg([])], [[], []]);
});

test("the t interval is scipy's; one value, or one that is not finite, has none", () => {
  for (const { values, level, interval } of statistics.intervals) {
    const found = tInterval(values, level);
    assertClose([found?.low ?? NaN, found?.high ?? NaN], interval, near);
  }
  assert.equal(tInterval([3]), undefined);
  assert.equal(tInterval([]), undefined);
  assert.equal(tInterval([1, NaN]), undefined);
});
