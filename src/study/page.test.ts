import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { check } from "prettier";

import { judge, renderClaim } from "./claims.ts";
import { formatDifference, formatEstimate } from "./format.ts";
import { markdownTable, renderTable } from "./tables.ts";
import { renderPage, writePage, type StudyWords } from "./page.ts";
import type { StoredResult } from "./result-file.ts";
import { StudyResults } from "./results.ts";
import type { Claim, StudyMetric } from "./define-study.ts";

const metrics: Record<string, StudyMetric> = {
  acc: { label: "accuracy", unit: "share", better: "higher" },
  step: { label: "step", unit: "seconds", better: "lower" },
};

const arms = ["clip", "siglip", "absent"].flatMap((objective, i) =>
  [32, 64].map((batchSize) => ({
    name: `${objective}-${batchSize}`,
    label: `${objective} | ${batchSize}`,
    factors: { objective, batchSize, i },
  })),
);

function stored(arm: string, seed: number, acc: number, step: number): StoredResult {
  return {
    arm,
    seed,
    hash: "",
    finished: `2026-01-0${seed + 1}T00:00:00Z`,
    seconds: 12.3,
    commit: seed === 0 ? "aaaa" : "bbbb+",
    machine: "2 cores",
    metrics: { acc, step, other: NaN },
    items: {},
  };
}

const runs = [0, 1, 2].flatMap((seed) => [
  stored("clip-32", seed, 0.2 + 0.01 * seed, 0.01),
  stored("clip-64", seed, 0.3 + 0.01 * seed, 0.0112),
  stored("siglip-32", seed, 0.25 + 0.01 * seed, 0.012),
  stored("siglip-64", seed, 0.3 + 0.02 * (seed - 1), 0.013),
]);

const results = new StudyResults(arms, runs, metrics);
const compare = (better: string, worse: string, metric = "acc") => ({ better, worse, metric });

test("an unknown metric is refused, with the nearest one", () => {
  assert.throws(
    () => results.estimate("clip-32", "acd"),
    /study but received "acd"\. Did you mean/,
  );
});

test("numbers are shown in their unit, with interval, sign and one unit for all three", () => {
  const { estimate, difference } = {
    estimate: results.estimate("clip-32", "acc"),
    difference: results.difference("siglip-32", "clip-32", "acc"),
  };
  assert.equal(formatEstimate(estimate, "share"), "21.0 [20.0, 22.0] t ±2.5");
  assert.equal(formatDifference(difference, "share"), "+5.0 [+5.0, +5.0] t ±0.0");
  const slower = results.difference("siglip-32", "clip-32", "step");
  assert.equal(formatDifference(slower, "seconds"), "+2.0 [+2.0, +2.0] ms t ±0 s");
  assert.equal(formatEstimate(undefined, "share"), "-");
});

test("a claim is judged by its paired differences", () => {
  const cases: [Claim["comparisons"], string][] = [
    [[compare("siglip-32", "clip-32")], "appears"],
    [[compare("clip-32", "siglip-32")], "reversed"],
    [[compare("siglip-64", "clip-64")], "indistinct"],
    [[compare("siglip-32", "clip-32"), compare("siglip-64", "clip-64")], "partly"],
    [[compare("siglip-32", "clip-32"), compare("clip-32", "clip-64")], "mixed"],
    // of seconds less is better
    [[compare("clip-32", "siglip-32", "step")], "appears"],
    [[{ ...compare("siglip-64", "clip-64"), expect: "similar" }], "appears"],
    [[{ ...compare("siglip-32", "clip-32"), expect: "similar" }], "reversed"],
    [[compare("absent-32", "clip-32")], "unmeasured"],
  ];
  for (const [comparisons, verdict] of cases) {
    assert.equal(judge({ claim: "", comparisons }, results), verdict, JSON.stringify(comparisons));
  }
});

test("a claim says what was measured and which arm is better", () => {
  const claim: Claim = {
    claim: "SigLIP is better.",
    comparisons: [compare("siglip-32", "clip-32"), compare("siglip-64", "clip-64")],
    why: (verdict) => (verdict === "partly" ? "Only where batches are small." : undefined),
  };
  assert.equal(
    renderClaim(claim, results),
    [
      "**SigLIP is better.** In part: 1 of 2 comparisons go this way, the others cannot be told apart.",
      "",
      "- siglip | 32 against clip | 32, accuracy, %: 26.0 and 21.0, difference +5.0 [+5.0, +5.0] t ±0.0. siglip | 32 is better.",
      "- siglip | 64 against clip | 64, accuracy, %: 30.0 and 31.0, difference -1.0 [-2.0, 0.0] t ±2.5. Not distinguishable.",
      "",
      "Only where batches are small.",
    ].join("\n"),
  );
});

test("a difference of few seeds that the t interval does not show is said to be so", () => {
  const accuracies = [0.01, 0.02, 0.06];
  const few = accuracies.flatMap((more, seed) => [
    stored("clip-32", seed, 0.2, 0.01),
    stored("siglip-32", seed, 0.2 + more, 0.01),
  ]);
  const of = (all: StoredResult[]): string =>
    renderClaim(
      { claim: "C.", comparisons: [compare("siglip-32", "clip-32")] },
      new StudyResults(arms, all, metrics),
    );
  const text = "siglip | 32 is better, but the t interval over seeds holds zero.";
  assert.ok(of(few).includes(`difference +3.0 [+1.0, +6.0] t ±6.6. ${text}`), of(few));
  const many = Array.from({ length: 4 }, (_, copy) =>
    few.map((run) => ({ ...run, seed: run.seed + 3 * copy })),
  ).flat();
  assert.ok(!of(many).includes("t ±") && of(many).includes("siglip | 32 is better."), of(many));
});

test("tables leave out what was not run and say which arm they compare with", () => {
  const table = renderTable(
    {
      kind: "arms",
      title: "T",
      metrics: ["acc"],
      arms: ["clip-32", "absent-32", "siglip-32"],
      baseline: "clip-32",
    },
    results,
  );
  assert.equal(
    table,
    [
      "### T",
      "",
      String.raw`| arm          |              accuracy, % |       against clip \| 32 |`,
      "| ------------ | -----------------------: | -----------------------: |",
      String.raw`| clip \| 32   | 21.0 [20.0, 22.0] t ±2.5 |                          |`,
      String.raw`| siglip \| 32 | 26.0 [25.0, 27.0] t ±2.5 | +5.0 [+5.0, +5.0] t ±0.0 |`,
    ].join("\n"),
  );
  const absent = { kind: "arms", title: "T", metrics: ["acc"], arms: ["absent-32"] } as const;
  assert.equal(renderTable(absent, results), undefined);
  assert.equal(
    markdownTable(
      ["a", "b"],
      [
        ["emoji 😀", "1"],
        ["日本", "10"],
      ],
    ),
    "| a        |   b |\n| -------- | --: |\n| emoji 😀 |   1 |\n| 日本     |  10 |",
  );
});

test("a page is as prettier leaves it, and its figures stand alone", async () => {
  const { markdown, files } = renderPage(
    {
      name: "page",
      title: "A page",
      question: "One paragraph (Fig. 2).\n\nAnother.",
      source: "Nobody",
      tables: () => [
        { kind: "arms", title: "All", metrics: ["acc", "step"], baseline: "clip-32" },
        { kind: "grid", title: "Grid", metric: "acc", rows: "objective", columns: "batchSize" },
        { kind: "text", title: "Text", head: ["a", "b"], rows: [["x", "1"]], note: "A note." },
      ],
      figures: () => [
        {
          kind: "line",
          name: "line",
          title: "Lines & <dots>",
          series: results.series({ metric: "acc", x: "batchSize", by: "objective" }),
          xLabel: "batch size",
          logX: true,
          reference: { value: 0.1, label: "chance" },
        },
        { kind: "dots", name: "dots", title: "Dots", metric: "acc", caption: "What it shows." },
        { kind: "dots", name: "none", title: "None", metric: "acc", arms: ["absent-32"] },
      ],
      conclusions: () => [
        { claim: "SigLIP is better.", comparisons: [compare("siglip-32", "clip-32")] },
      ],
    },
    results,
    { command: "limn study page", settings: ["A setting"] },
  );
  assert.ok(await check(markdown, { parser: "markdown", printWidth: 100, proseWrap: "preserve" }));
  for (const text of [
    "`limn study page`",
    "aaaa, bbbb+",
    "2026-01-01 to 2026-01-03",
    "- 2 cores",
  ]) {
    assert.ok(markdown.includes(text.replace("- 2", "Machine: 2")), text);
  }
  assert.deepEqual([...files.keys()], ["line.svg", "dots.svg", "results.json"]);
  const line = files.get("line.svg") ?? "";
  assert.match(line, /^<svg width="640" height="\d+" class="chart" viewBox/);
  assert.match(line, /prefers-color-scheme:dark/);
  assert.match(line, /aria-label="Lines &amp; &lt;dots&gt;"/);
  assert.ok(!/script|NaN|undefined|Infinity/.test(line));
  assert.match(line, /clip, 32: 21 \[20, 22\]/);
  const numbers = JSON.parse(files.get("results.json") ?? "") as {
    arms: { name: string; metrics: Record<string, unknown>; runs: unknown[] }[];
  };
  assert.deepEqual(numbers.arms[0]?.metrics["acc"], {
    mean: 0.21,
    low: 0.2,
    high: 0.22,
    tLow: 0.1851586,
    tHigh: 0.2348414,
  });
  assert.equal(numbers.arms[0]?.runs.length, 3);
});

test("a page takes the place of an earlier one only, and drops the figures of that", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-page-"));
  after(() => rmSync(folder, { recursive: true }));
  const study: StudyWords = {
    name: "mine",
    title: "Mine",
    question: "Which?",
    source: "none",
    tables: () => [],
    figures: () => [],
    conclusions: () => [],
  };
  const write = (out: string): Promise<string> =>
    writePage(study, results, { out, settings: [], command: "limn study mine" });
  const page = await write(folder);
  writeFileSync(path.join(folder, "mine", "old.svg"), '<svg width="1" height="1" class="chart" />');
  assert.equal(await write(folder), page);
  assert.deepEqual(readdirSync(path.join(folder, "mine")), ["results.json"]);
  const written = readFileSync(page, "utf8");
  for (const edited of [`${written}My remarks.\n`, written.replace("## Numbers", "## Mine")]) {
    writeFileSync(page, edited);
    await assert.rejects(write(folder), /or one that was edited; choose another folder/);
    assert.equal(readFileSync(page, "utf8"), edited);
  }
  writeFileSync(page, written);
  const drawn = path.join(folder, "mine", "drawn.svg");
  writeFileSync(drawn, "<svg></svg>");
  await assert.rejects(write(folder), /Expected no mine\.md, or one of an earlier study, in/);
  assert.equal(readFileSync(drawn, "utf8"), "<svg></svg>");
  rmSync(drawn);
  writeFileSync(path.join(folder, "mine", "notes.txt"), "mine");
  await assert.rejects(write(folder), { name: "StorageError", message: /nothing was changed/ });
  assert.deepEqual(readdirSync(path.join(folder, "mine")), ["notes.txt", "results.json"]);
  const other = path.join(folder, "other");
  mkdirSync(other);
  writeFileSync(path.join(other, "mine.md"), "mine");
  await assert.rejects(write(other), /Expected no mine\.md, or one of an earlier study, in/);
  assert.equal(readFileSync(path.join(other, "mine.md"), "utf8"), "mine");
});
