import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  formatInterval,
  formatMetric,
  formatTable,
  metricsJson,
  metricValues,
  type MetricRow,
} from "./metric-table.ts";

const rows: MetricRow[] = [
  {
    key: "val/retrieval/imageToText/recall@1",
    value: 0.4125,
    chance: 0.001,
    interval: { low: 0.38, high: 0.4449 },
    unit: "share",
    count: 1000,
  },
  { key: "val/retrieval/imageToText/medianRank", value: 3, chance: 500, unit: "rank", count: 1000 },
];

describe("formatting", () => {
  it("shows shares in percent and ranks as they are", () => {
    assert.equal(formatMetric(0.4125, "share"), "41.3 %");
    assert.equal(formatMetric(1 / 3000, "share"), "0.03 %");
    assert.equal(formatMetric(0, "share"), "0.0 %");
    assert.equal(formatMetric(1.5, "rank"), "1.5");
    assert.equal(formatMetric(NaN, "share"), "-");
    assert.equal(formatInterval({ low: 0.38, high: 0.4449 }, "share"), "38.0 to 44.5 %");
    assert.equal(formatInterval(undefined, "share"), "");
  });

  it("aligns a table", () => {
    assert.equal(
      formatTable(rows, { title: "Step 100" }),
      [
        "Step 100",
        "",
        "metric                                 value   95 % interval  chance      n",
        "-".repeat(75),
        "val/retrieval/imageToText/recall@1    41.3 %  38.0 to 44.5 %  0.10 %  1,000",
        "val/retrieval/imageToText/medianRank       3                     500  1,000",
      ].join("\n"),
    );
  });
});

describe("rows", () => {
  it("become values by key, and JSON with intervals and chance", () => {
    assert.deepEqual(metricValues(rows), {
      "val/retrieval/imageToText/recall@1": 0.4125,
      "val/retrieval/imageToText/medianRank": 3,
    });
    assert.deepEqual(metricsJson(rows), {
      "val/retrieval/imageToText/recall@1": {
        value: 0.4125,
        low: 0.38,
        high: 0.4449,
        chance: 0.001,
        count: 1000,
      },
      "val/retrieval/imageToText/medianRank": { value: 3, chance: 500, count: 1000 },
    });
  });
});
