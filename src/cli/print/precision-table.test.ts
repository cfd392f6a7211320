import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PrecisionReport } from "../../inference/measure-precisions.ts";
import { precisionTable } from "./precision-table.ts";

describe("precisionTable", () => {
  it("has a row for each precision and a line for each that is missing", () => {
    const rate = [{ batch: 1, perSecond: 12.34 }];
    const report: PrecisionReport = {
      ...{ device: "cpu", threads: 2 },
      pictures: { count: 32, given: false },
      labels: { count: 1, given: true },
      measured: [
        {
          ...{ precision: "float32", pictures: rate, texts: rate, memory: 600e6, sameTop1: 1 },
          imageDistance: { mean: 0, worst: 0 },
          textDistance: { mean: 0, worst: 1.25e-4 },
        },
      ],
      missing: [{ precision: "int8", why: "the processor has none of avx512_vnni" }],
    };
    assert.deepEqual(precisionTable(report).split("\n"), [
      "Measured on cpu with 2 threads, 32 pictures made by limn (--pictures takes yours, which tell " +
        "more), 1 label; apart: 1 - cosine to float32.",
      "",
      "precision  pictures/s, batch 1  texts/s, batch 1  weights  pictures apart: mean, worst  " +
        "texts apart: mean, worst  same top-1",
      "float32    12.3                 12.3              600 MB   0, 0                         " +
        "0, 1.3e-4                 100.0 %",
      "int8: not here, the processor has none of avx512_vnni",
    ]);
  });
});
