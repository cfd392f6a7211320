import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { retrieval } from "./retrieval.ts";
import {
  formatInterval,
  formatMetric,
  formatTable,
  metricsJson,
  metricValues,
  type MetricRow,
} from "./metric-table.ts";
import { retrievalRows } from "./tasks/retrieval-task.ts";
import { zeroShotRows } from "./tasks/zero-shot-task.ts";
import { zeroShotClassification } from "./zero-shot.ts";

const axes = { data: Float32Array.of(1, 0, 0, 1), count: 2, dim: 2 };

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
  it("names zero-shot metrics by path", () => {
    const result = zeroShotClassification({
      imageEmbeddings: axes,
      labels: [0, 1],
      classWeights: axes,
    });
    assert.deepEqual(metricValues(zeroShotRows(result, "val/categories")), {
      "val/categories/top1": 1,
      "val/categories/top5": 1,
      "val/categories/meanPerClass": 1,
    });
  });

  it("names retrieval metrics by path, and keeps intervals and chance in JSON", () => {
    const result = retrieval({ imageEmbeddings: axes, textEmbeddings: axes });
    const json = metricsJson(retrievalRows(result, "val/retrieval"));
    assert.deepEqual(Object.keys(json), [
      "val/retrieval/imageToText/recall@1",
      "val/retrieval/imageToText/recall@5",
      "val/retrieval/imageToText/recall@10",
      "val/retrieval/imageToText/medianRank",
      "val/retrieval/textToImage/recall@1",
      "val/retrieval/textToImage/recall@5",
      "val/retrieval/textToImage/recall@10",
      "val/retrieval/textToImage/medianRank",
    ]);
    assert.deepEqual(json["val/retrieval/imageToText/recall@1"], {
      value: 1,
      low: 1,
      high: 1,
      chance: 0.5,
      count: 2,
    });
    assert.deepEqual(metricsJson(rows)["val/retrieval/imageToText/medianRank"], {
      value: 3,
      chance: 500,
      count: 1000,
    });
  });
});
