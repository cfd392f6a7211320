import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { quantile } from "../../arrays/bootstrap.ts";
import { createRandom } from "../../arrays/random.ts";
import { groupReport, type Answers } from "./group-metrics.ts";
import type { Grouping } from "./grouping.ts";
import { drawnGap, measure, shuffledGroups } from "./resample.ts";

const random = createRandom("group metrics");

/** Answers that are right as often as `rates` says for each group. */
function made(
  sizes: readonly number[],
  rates: readonly number[],
  classCount = 8,
): { answers: Answers; grouping: Grouping } {
  const members = Int32Array.from(
    sizes.flatMap((size, group) => new Array<number>(size).fill(group)),
  );
  const truths = Int32Array.from(members, () => random.integer(classCount));
  const right = Array.from(members, (group) => random.next() < rates[group]!);
  const predictions = truths.map((truth, i) => (right[i] ? truth : (truth + 1) % classCount));
  const ranks = Int32Array.from(right, (one) => (one ? 1 : 2 + random.integer(classCount - 1)));
  const confidences = Float64Array.from(members, () => random.next());
  const names = sizes.map((_, group) => `g${group}`);
  return {
    answers: { truths, predictions, ranks, confidences, classCount },
    grouping: { keys: ["g"], names, members, without: 0, worded: true },
  };
}

/** From the definition, one bin at a time. */
function naiveEce({ ranks, confidences }: Answers, items: readonly number[]): number {
  let sum = 0;
  for (let bin = 0; bin < 15; bin++) {
    const inside = items.filter((i) => {
      const confidence = confidences[i]!;
      return (
        confidence <= (bin + 1) / 15 && (confidence > bin / 15 || (bin === 0 && confidence === 0))
      );
    });
    if (inside.length === 0) continue;
    const accuracy = inside.filter((i) => ranks[i] === 1).length / inside.length;
    const confidence = inside.reduce((total, i) => total + confidences[i]!, 0) / inside.length;
    sum += (inside.length / items.length) * Math.abs(accuracy - confidence);
  }
  return sum;
}

describe("groupReport", () => {
  it("refuses answers that are not one per sample, and no least number", () => {
    const { answers, grouping } = made([40, 40], [0.5, 0.5]);
    const short = { ...answers, ranks: answers.ranks.subarray(1) };
    assert.throws(() => groupReport(short, grouping), {
      name: "ShapeError",
      message: /but received 80, 80, 79, 80, 80\./,
    });
    assert.throws(() => groupReport(answers, grouping, { least: 0 }), /for least but received 0/);
  });

  it("suppresses small groups, which take no part in worst and gap", () => {
    const { answers, grouping } = made([100, 29, 60], [0.9, 0, 0.5]);
    const report = groupReport(answers, grouping, { resamples: 50 });
    assert.deepEqual(report.groups[1], { name: "g1", count: 29, suppressed: true });
    assert.equal(report.top1?.worst, "g2");
    assert.equal(report.top1.best, "g0");
    assert.ok(report.groups[2]?.top5?.low !== undefined);
    const share = answers.ranks.filter((rank) => rank === 1).length / 189;
    assert.equal(report.overall.top1?.value, share);
    const alone = groupReport(answers, grouping, { resamples: 0, least: 61 });
    assert.equal(alone.top1, undefined);
    assert.equal(alone.groups.filter(({ suppressed }) => suppressed).length, 2);
  });

  it("has the calibration error of the definition, by group and over all", () => {
    const { answers, grouping } = made([50, 70], [0.4, 0.8]);
    const report = groupReport(answers, grouping, { resamples: 0 });
    for (const [group, row] of report.groups.entries()) {
      const items = [...grouping.members.keys()].filter((i) => grouping.members[i] === group);
      assert.ok(Math.abs(row.ece!.value - naiveEce(answers, items)) < 1e-12);
    }
    const all = [...grouping.members.keys()];
    assert.ok(Math.abs(report.overall.ece!.value - naiveEce(answers, all)) < 1e-12);
  });

  it("holds it against as many samples of all groups, whose error is larger the fewer they are", () => {
    const { answers, grouping } = made([40, 400], [0.6, 0.6]);
    const calibrated = { ...answers, confidences: answers.confidences.map(() => 0.6) };
    const [few, many] = groupReport(calibrated, grouping, { resamples: 100 }).groups;
    assert.ok(few!.eceByChance! > 2 * many!.eceByChance!);
    assert.ok(few!.eceByChance! < 0.3);
  });

  it("leaves top-5 out of five classes, and the ratio where nothing is right", () => {
    const { answers, grouping } = made([40, 40], [0, 0], 5);
    const report = groupReport(answers, grouping, { resamples: 0 });
    assert.equal(report.top5, undefined);
    assert.equal(report.groups[0]?.top5, undefined);
    assert.equal(report.top1?.ratio, undefined);
    assert.equal(report.top1?.gap.value, 0);
  });

  it("tells a gap that is there from one of chance", () => {
    const there = made([200, 200, 200], [0.8, 0.5, 0.8]);
    const report = groupReport(there.answers, there.grouping, { resamples: 400 });
    assert.ok(report.top1!.byChance!.p <= 1 / 401 + 1e-9);
    assert.ok(report.top1!.gap.value > report.top1!.byChance!.below);
    const none = made([60, 60, 60], [0.6, 0.6, 0.6]);
    const { byChance } = groupReport(none.answers, none.grouping, { resamples: 400 }).top1!;
    assert.ok(byChance!.p > 0.05);
  });
});

describe("intervals of clusters", () => {
  it("are those of drawing clusters as a whole", () => {
    const scores = Float64Array.from({ length: 40 }, (_, i) =>
      Math.floor(i / 8) % 2 === 0 ? 1 : 0,
    );
    const clusters = Int32Array.from(scores, (_, i) => Math.floor(i / 8));
    const mean = (weights: ArrayLike<number>): number[] => {
      let [sum, all] = [0, 0];
      for (let i = 0; i < scores.length; i++) {
        sum += weights[i]! * scores[i]!;
        all += weights[i]!;
      }
      return [sum / all];
    };
    const [single] = measure(40, mean, { resamples: 2000 });
    const [whole] = measure(40, mean, { resamples: 2000, clusters });
    // Five clusters of which three are right: shares of a fifth.
    const draws = Array.from({ length: 20000 }, () => {
      const hits = Array.from({ length: 5 }, () => (random.integer(5) % 2 === 0 ? 1 : 0));
      return hits.reduce<number>((sum, hit) => sum + hit, 0) / 5;
    }).sort((a, b) => a - b);
    assert.ok(Math.abs(whole!.low! - quantile(draws, 0.025)) < 0.21);
    assert.ok(Math.abs(whole!.high! - quantile(draws, 0.975)) < 0.21);
    assert.ok(whole!.high! - whole!.low! > 1.8 * (single!.high! - single!.low!));
  });

  it("are absent where a drawn set may have nothing of a group", () => {
    const { answers, grouping } = made([40, 40], [0.5, 0.5]);
    const clusters = Int32Array.from(grouping.members);
    const report = groupReport(answers, grouping, { resamples: 100, clusters });
    assert.equal(report.groups[0]?.top1?.low, undefined);
    assert.ok(report.groups[0]?.top1 !== undefined);
  });
});

describe("differences by chance", () => {
  const scores = Uint8Array.from({ length: 30 }, (_, i) => (i < 15 ? 1 : 0));
  const members = Int32Array.from(scores, (_, i) => (i < 15 ? 0 : 1));
  const gap = (groups: Int32Array): number => {
    const means = [0, 1].map((group) => {
      const own = scores.filter((_, i) => groups[i] === group);
      return own.reduce((sum, one) => sum + one, 0) / own.length;
    });
    return Math.abs(means[0]! - means[1]!);
  };

  it("shuffle clusters as a whole, and are none where a cluster has several groups", () => {
    assert.ok(shuffledGroups(members, gap, { resamples: 500 })!.p < 0.01);
    const six = Int32Array.from(members, (_, i) => Math.floor(i / 5));
    // Of the 20 ways to choose three of six clusters two have the largest gap.
    const { p, below } = shuffledGroups(members, gap, { resamples: 5000, clusters: six })!;
    assert.ok(Math.abs(p - 0.1) < 0.02, String(p));
    assert.equal(below, 1);
    const mixed = Int32Array.from(members, (_, i) => i % 5);
    assert.equal(shuffledGroups(members, gap, { clusters: mixed }), undefined);
    assert.equal(shuffledGroups(members, gap, { resamples: 0 }), undefined);
  });

  it("leave samples without a group as they are", () => {
    const some = members.map((group, i) => (i % 3 === 0 ? -1 : group));
    const seen = new Set<number>();
    shuffledGroups(
      some,
      (groups) => {
        for (const [i, group] of groups.entries()) if (group === -1) seen.add(i);
        assert.equal(groups.filter((group) => group === 0).length, 10);
        return 0;
      },
      { resamples: 20 },
    );
    assert.deepEqual(seen, new Set([...some.keys()].filter((i) => i % 3 === 0)));
  });

  it("are drawn as wide as intervals where clusters are mixed", () => {
    const rate = { value: 0.5, low: 0.4, high: 0.6 };
    const { below, p } = drawnGap(0.2, [rate, rate], { resamples: 4000 })!;
    // The difference of two normal rates of deviation 0.051 is as wide as 0.0722.
    assert.ok(Math.abs(below - 1.96 * 0.0722) < 0.01, String(below));
    assert.ok(Math.abs(p - 0.0056) < 0.004, String(p));
    assert.equal(drawnGap(0.2, [rate, { value: 0.5 }], {}), undefined);
  });
});
