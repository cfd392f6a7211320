/**
 * Against fairlearn, DataComp's FairFaceEvaluator, Berg et al.'s own metrics, scipy and numpy on the same
 * numbers; test/goldens/generate/audit.py makes the file.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { fitLine } from "../../arrays/fit-line.ts";
import type { Embeddings } from "../../arrays/embeddings.ts";
import { projectionAway } from "../../arrays/projection.ts";
import { fairFaceTables } from "./fairface.ts";
import { groupReport, type Answers, type GroupReport } from "./group-metrics.ts";
import { groupSamples } from "./grouping.ts";
import { rankingSkew } from "./skew.ts";

interface Frame {
  groups: { values: number[]; value: number }[];
  overall: number;
  worst: number;
  difference: number;
  ratio: number;
}

interface GroupCase {
  region: number[];
  side: number[];
  truths: number[];
  predictions: number[];
  classes: number;
  byRegion: Frame;
  crossed: Frame;
  positive?: Record<"selectionRate" | "truePositiveRate" | "falsePositiveRate", Frame> &
    Record<PositiveMetric, number>;
}

const positiveMetrics = [
  "demographicParityDifference",
  "demographicParityRatio",
  "equalizedOddsDifference",
  "equalizedOddsRatio",
] as const;
type PositiveMetric = (typeof positiveMetrics)[number];

interface Golden {
  groups: GroupCase[];
  faces: { metadata: number[][]; predictions: number[][]; metrics: Record<string, number> };
  skew: {
    scores: number[];
    labels: number[];
    groups: number;
    skew: Record<string, Record<"maxskew_eq_opp" | "maxskew_dem_par", number>>;
    ndkl: Record<"ndkl_eq_opp" | "ndkl_dem_par", number>;
  };
  line: Record<"slope" | "intercept" | "standardError", number> &
    Record<"income" | "right", number[]>;
  projection: Record<
    "spurious" | "candidates" | "texts" | "orthogonal" | "calibrated",
    number[][]
  > & {
    pairs: [number, number][];
    lambda: number;
  };
}

const file = new URL("../../../../test/goldens/audit.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
/** No intervals: the numbers themselves are compared. */
const resamples = 0;

function close(actual: number | undefined, expected: number, name: string, tolerance = 1e-9): void {
  const isClose = actual !== undefined && Math.abs(actual - expected) <= tolerance;
  assert.ok(isClose, `${name}: ${actual}, but ${expected} is right`);
}

function answersOf({ truths, predictions, classes }: GroupCase): Answers {
  const right = truths.map((truth, i) => truth === predictions[i]);
  return {
    truths: Int32Array.from(truths),
    predictions: Int32Array.from(predictions),
    ranks: Int32Array.from(right, (one) => (one ? 1 : 2)),
    confidences: new Float64Array(truths.length).fill(0.5),
    classCount: classes,
  };
}

function reportOf(one: GroupCase, keys: string[], positive?: number): GroupReport {
  const metas = one.region.map((region, i) => ({ region, side: one.side[i] }));
  const grouping = groupSamples({ keys: [], metas }, keys);
  return groupReport(answersOf(one), grouping, { resamples, positive });
}

describe("groups as fairlearn's MetricFrame has them", () => {
  for (const [i, one] of golden.groups.entries()) {
    it(`accuracies, worst, gap and ratio of ${one.classes} classes`, () => {
      for (const [keys, frame] of [
        [["region"], one.byRegion],
        [["region", "side"], one.crossed],
      ] as const) {
        const report = reportOf(one, [...keys]);
        assert.deepEqual(
          report.groups.map(({ name }) => name),
          frame.groups.map(({ values }) =>
            values.map((one, at) => `${keys[at]} ${one}`).join(" × "),
          ),
        );
        for (const [group, { value }] of frame.groups.entries()) {
          close(report.groups[group]?.top1?.value, value, `group ${group} of case ${i}`);
        }
        close(report.overall.top1?.value, frame.overall, "overall");
        close(report.top1?.worstValue.value, frame.worst, "worst");
        close(report.top1?.gap.value, frame.difference, "gap");
        close(report.top1?.ratio?.value, frame.ratio, "ratio");
      }
    });
  }

  it("parity and odds of a positive class", () => {
    const one = golden.groups[0]!;
    const report = reportOf(one, ["region"], 1);
    const { positive } = one;
    assert.ok(positive);
    for (const metric of positiveMetrics) {
      close(report.positive?.[metric]?.value, positive[metric], metric);
    }
    for (const rate of ["selectionRate", "truePositiveRate", "falsePositiveRate"] as const) {
      for (const [group, { value }] of positive[rate].groups.entries()) {
        close(report.groups[group]?.[rate]?.value, value, `${rate} of group ${group}`);
      }
    }
  });
});

it("faces as DataComp's FairFaceEvaluator", () => {
  const { metadata, predictions, metrics } = golden.faces;
  const column = (rows: number[][], at: number): Int32Array =>
    Int32Array.from(rows, (row) => row[at]!);
  const [race, gender, age, toxic] = [0, 1, 2, 3].map((at) => column(predictions, at));
  const [ages, genders, races, binary] = [0, 1, 2, 3].map((at) => column(metadata, at));
  const tables = fairFaceTables(
    { race: race!, gender: gender!, age: age!, toxic: toxic! },
    { age: ages!, gender: genders!, race: races!, raceBinary: binary! },
    { resamples, least: 1 },
  );
  // Float32 means of the reference.
  const near = 1e-6;
  const seen = new Set<string>();
  const check = (key: string, value: number | undefined): void => {
    close(value, metrics[key]!, key, near);
    seen.add(key);
  };
  for (const { key, by, rows, overall, worst, better } of tables) {
    check(`${key}_avg`, overall.value);
    // Of shares of harmful labels DataComp's worst group is the smallest, which is the best.
    if (better === "high") check(`${key}_wg`, worst?.value.value);
    rows.forEach(({ value, count }, i) => {
      const place = by.length === 1 ? `${by[0]}:${i}` : `race:${Math.floor(i / 2)}_gender:${i % 2}`;
      check(`${key}_${place}`, value?.value);
      assert.equal(count, metrics[`count_${place}`], place);
    });
  }
  const unseen = Object.keys(metrics).filter((key) => !seen.has(key) && !key.startsWith("count_"));
  assert.deepEqual(unseen, ["toxicity_crime_wg", "toxicity_nonhuman_wg"]);
});

it("MaxSkew@k and NDKL as Berg et al. compute them, with ties about each k", () => {
  const { scores, labels, groups, skew, ndkl } = golden.skew;
  const ks = Object.keys(skew).map(Number);
  const result = rankingSkew({ scores, members: Int32Array.from(labels), groupCount: groups }, ks);
  assert.deepEqual(ks, [10, 100, 1000]);
  const sorted = scores.toSorted((a, b) => b - a);
  assert.ok(ks.every((k) => sorted[k - 1] === sorted[k]));
  for (const { k, maxSkew } of result.atK) {
    close(maxSkew.equalOpportunity, skew[k]!.maxskew_eq_opp, `eq_opp at ${k}`);
    close(maxSkew.demographicParity, skew[k]!.maxskew_dem_par, `dem_par at ${k}`);
  }
  close(result.ndkl.equalOpportunity, ndkl.ndkl_eq_opp, "NDKL, eq_opp");
  close(result.ndkl.demographicParity, ndkl.ndkl_dem_par, "NDKL, dem_par");
});

it("a line as scipy's linregress", () => {
  const { income, right, slope, intercept, standardError } = golden.line;
  const line = fitLine(income.map(Math.log), right);
  close(line.slope, slope, "slope");
  close(line.intercept, intercept, "intercept");
  close(line.standardError, standardError, "standard error");
});

describe("projections as numpy's inverses give them", () => {
  const rows = (list: number[][]): Embeddings => ({
    data: Float32Array.from(list.flat()),
    count: list.length,
    dim: list[0]!.length,
  });
  const { spurious, candidates, pairs, texts } = golden.projection;
  const directions = { spurious: rows(spurious), candidates: rows(candidates), pairs };
  for (const kind of ["orthogonal", "calibrated"] as const) {
    it(kind, () => {
      const projected = projectionAway(directions, kind, { lambda: golden.projection.lambda });
      const found = projected(rows(texts)).data;
      const wanted = golden.projection[kind].flat();
      // Inputs and outputs are float32.
      wanted.forEach((value, i) => close(found[i], value, `number ${i}`, 1e-6));
    });
  }
});
