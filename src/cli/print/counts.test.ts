/** One of a thing is said as one, in what commands print at their end. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { counted } from "../../errors.ts";
import { describePack } from "./inspection.ts";
import { describeEmbedded, describeEmbedding, rateText } from "./outcomes.ts";
import { skippedText } from "./run-outcome.ts";

test("numbers have their nouns in the singular for one alone", () => {
  assert.equal(counted(0, "picture"), "0 pictures");
  assert.equal(counted(1, "picture"), "1 picture");
  assert.equal(counted(1234, "class", "classes"), "1,234 classes");
});

test("rates have three digits at least, and no exponent", () => {
  assert.deepEqual([0.5, 9.876, 99.94, 99.96, 12_345.6].map(rateText), [
    "0.500",
    "9.88",
    "99.9",
    "100",
    "12,346",
  ]);
});

test("commands count one as one, and more as more", () => {
  const embedded = (count: number): string =>
    describeEmbedded({
      ...{ rows: count, dim: 8, shards: count, folder: "out", resumedFrom: count, skipped: count },
      ...{ complete: true, picturesPerSecond: 0, badSamples: [], precision: "float32" },
    });
  const one =
    "1 embedding of 8 numbers in 1 shard in out\n1 of them was there already\n1 sample was left out";
  assert.equal(embedded(1), one);
  assert.match(
    embedded(2),
    /^2 embeddings of .* 2 shards .*\n2 of them were .*\n2 samples were left out$/,
  );
  const packed = (count: number): string =>
    describePack(
      {
        ...{ shards: Array.from({ length: count }, String), samples: count, resized: count },
        ...{ skipped: count, badSamples: [], excluded: 0, withoutRecord: count, lostRecords: [] },
      },
      "out",
    );
  assert.equal(
    packed(1),
    "1 sample in 1 shard in out\n1 image was shrunk\n1 sample was left out:\n" +
      "1 sample lost a record that cannot be read:",
  );
  assert.match(
    packed(2),
    /^2 samples in 2 shards .*\n2 images were .*\n2 samples were .*\n2 samples lost/,
  );
  const parts = { done: 0, all: 1 };
  const progress = { rows: 1, samples: 1, parts, skipped: 0, picturesPerSecond: 1 };
  assert.equal(describeEmbedding(progress), "1 of 1 picture, 1.00 pictures/s, 0 s left");
  assert.equal(skippedText(1), "Samples that cannot be used were skipped 1 time");
  assert.equal(skippedText(2), "Samples that cannot be used were skipped 2 times");
});
