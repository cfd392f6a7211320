import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MetricRow, SuiteResult } from "limn";

import type { BuiltDataset } from "./dataset.ts";
import { summaryLines, summaryOf } from "./summary.ts";

const built = { dataset: { emoji: 1900, unseenEmoji: 200 } } as BuiltDataset;

function suite(name: string, values: Record<string, number>): SuiteResult {
  const rows = Object.entries(values).map(([key, value]): MetricRow => ({
    key: `${name}/${key}`,
    value,
    chance: 1 / 1700,
    unit: "share",
    count: 1000,
    interval: { low: value - 0.01, high: value + 0.01 },
  }));
  return { name, title: name, tasks: [{ rows }] } as unknown as SuiteResult;
}

const suites = [
  suite("unseen", { "category/top1": 0.5 }),
  suite("vendor", { "name/top1": 0.412, "english/imageToText/recall@5": 0.6, "other/top1": 1 }),
];

describe("the summary in the terminal", () => {
  it("says that a stopped run goes on", () => {
    assert.deepEqual(summaryLines([], built), ["Stopped before the end; run it again to go on."]);
  });
  it("gives each number with its interval beside guessing, under what it was asked about", () => {
    const text = summaryLines(suites, built).join("\n");
    assert.match(text, /learned 1700 emoji/);
    assert.match(
      text,
      / 41\.2 % {2}names it right, first guess {2}\(40\.2 % to 42\.2 %\), guessing: 0\.06 %/,
    );
    const [vendor, unseen] = ["a vendor draws them", "Emoji it never saw"].map((words) =>
      text.indexOf(words),
    ) as [number, number];
    assert.ok(vendor > 0 && vendor < unseen, "the known ones come first");
    assert.ok(text.indexOf(" 60.0 %") < unseen && text.indexOf(" 50.0 %") > unseen);
  });
  it("leaves out what was not measured", () => {
    const text = summaryLines(suites, built).join("\n");
    assert.doesNotMatch(text, /line drawings|NaN|undefined|100/);
  });
});

describe("the summary in the report", () => {
  it("tells how many emoji were held out, and shows numbers beside guessing", () => {
    const { text, facts } = summaryOf(suites, built);
    assert.match(text.join(" "), /shown 1700 emoji .* 200 emoji kept out of training/);
    assert.deepEqual(facts?.[0], {
      label: "names it right, first guess (unseen vendor)",
      value: "41.2 %",
      note: "guessing 0.06 %",
    });
  });
});
