import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { groupCounts, groupSamples, withoutSmall } from "./grouping.ts";
import { incomeSlope, readIncomes } from "./income-slope.ts";

function records(metas: Record<string, unknown>[]): Parameters<typeof groupSamples>[0] {
  return { keys: metas.map((_, i) => `s${i}`), metas };
}

describe("groupSamples", () => {
  it("names near keys where no sample has one", () => {
    assert.throws(() => groupSamples(records([{ region: "Asia", year: 2 }]), ["regoin"]), {
      name: "DataError",
      message:
        'Expected regoin in the metadata of samples but none of 1 sample has it. Did you mean "region"?',
    });
    assert.throws(
      () => groupSamples(records([{ region: "Asia", year: 2 }]), ["income"]),
      /none of 1 sample has it\. There are: region, year\./,
    );
    assert.throws(() => groupSamples(records([{}, {}]), ["x"]), /No sample carries metadata\./);
  });

  it("refuses one group, more than 500, and values that are no category", () => {
    assert.throws(
      () => groupSamples(records([{ a: 1 }, { a: 1 }, {}]), ["a"]),
      /Expected at least two groups for a but found 1/,
    );
    const many = Array.from({ length: 501 }, (_, i) => ({ a: i }));
    assert.throws(
      () => groupSamples(records(many), ["a"]),
      /Expected at most 500 groups for a but found 501 different values; .* as --income/,
    );
    assert.throws(() => groupSamples(records([{ a: 1 }, { a: ["x", "y"] }]), ["a"]), {
      name: "DataError",
      key: "s1",
      message: /for a of sample s1 but received \["x","y"\]; a group has one value/,
    });
  });

  it("counts samples without a key, or fails at the first", () => {
    const some = records([{ a: "x" }, { a: null }, { a: "y" }, {}, { a: " " }]);
    const { members, without } = groupSamples(some, ["a"]);
    assert.deepEqual([...members], [0, -1, 1, -1, -1]);
    assert.equal(without, 3);
    assert.throws(
      () => groupSamples(some, ["a"], { unknown: "fail" }),
      /a in the metadata of sample s1 but it has none \(without it: 3 of 5 samples\); .*--unknown skip/,
    );
  });

  it("orders numbers by size, and takes marked numbers, big ones and truth values as what they are", () => {
    const grouping = groupSamples(
      records([{ a: 10 }, { a: Object(9) }, { a: 9n }, { a: "10" }, { a: 2.5 }]),
      ["a"],
    );
    assert.deepEqual(grouping.names, ["a 2.5", "a 9", "a 10"]);
    assert.equal(grouping.worded, false);
    assert.deepEqual([...grouping.members], [2, 1, 1, 2, 0]);
    assert.deepEqual(groupSamples(records([{ a: true }, { a: false }]), ["a"]).names, [
      "a false",
      "a true",
    ]);
  });

  it("crosses keys, and calls values by their words", () => {
    const grouping = groupSamples(
      records([{ g: 1, r: "b" }, { g: 0, r: "b" }, { g: 1, r: "a" }, { g: 1, r: "b" }, { g: 1 }]),
      ["g", "r"],
      { valueNames: { g: { 0: "man", 1: "woman" } } },
    );
    assert.deepEqual(grouping.names, ["man × b", "woman × a", "woman × b"]);
    assert.ok(grouping.worded);
    assert.deepEqual([...grouping.members], [2, 0, 1, 2, -1]);
    assert.deepEqual(groupCounts(grouping), [1, 1, 2]);
    const large = withoutSmall(grouping, 2);
    assert.deepEqual([large.names, [...large.members]], [["woman × b"], [0, -1, -1, 0, -1]]);
  });
});

describe("income", () => {
  it("must be above 0, since quartiles from 0 are groups", () => {
    assert.throws(() => readIncomes(["s0"], [{ q: 0 }], "q"), {
      name: "DataError",
      message:
        "Expected an income above 0 for q of sample s0 but received 0; give amounts of money, and compare " +
        "quartiles as groups with --groups q",
    });
    assert.throws(() => readIncomes(["s0"], [{ q: "much" }], "q"), /received much/);
    assert.throws(() => readIncomes(["s0"], [{}], "q", "fail"), /received nothing/);
    assert.deepEqual(readIncomes(["a", "b"], [{ q: "12.5" }, {}], "q"), [12.5, undefined]);
  });

  it("needs three samples and two incomes", () => {
    assert.throws(() => incomeSlope([1, 1, 1], [0, 1, 0], { k: 5 }), /received 3 and 1/);
    assert.throws(() => incomeSlope([1, 2, undefined], [0, 1, 0], { k: 5 }), /received 2 and 2/);
  });

  it("has a slope per logarithm, and resamples whole clusters", () => {
    const incomes = Array.from({ length: 60 }, (_, i) => (i % 5 === 4 ? undefined : 10 ** (i % 3)));
    const correct = incomes.map((income) => (income === 100 ? 1 : 0));
    const found = incomeSlope(incomes, correct, { k: 5, resamples: 200 });
    assert.deepEqual([found.count, found.without, found.distinct], [48, 12, 3]);
    assert.ok(Math.abs(found.slope.value - 0.5 / Math.log(10)) < 0.02);
    assert.ok(found.slope.low! < found.slope.value && found.slope.value < found.slope.high!);
    assert.deepEqual(
      found.parts.map(({ count, income, accuracy }) => [count, Math.round(income), accuracy.value]),
      [
        [16, 1, 0],
        [16, 10, 0],
        [16, 100, 1],
      ],
    );
    const all = incomeSlope(incomes, correct, { k: 5, clusters: new Int32Array(60) });
    assert.equal(all.slope.low, all.slope.high);
  });
});
