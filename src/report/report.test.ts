import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { curvesFromLog } from "./curves.ts";
import { imageDataUri, imageElement } from "./html.ts";
import { metricDescription, metricLabel } from "./metric-words.ts";
import { renderReport } from "./report.ts";
import type { ReportData } from "./types.ts";

const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const image = imageDataUri(png);
/** Breaks out of text, of attributes and of comments, should anything not be escaped. */
const evil = `<img src=x onerror=alert(1)>"'--><script>alert(1)</script>&amp;`;

const full: ReportData = {
  title: evil,
  subtitle: evil,
  warnings: [evil],
  summary: { text: [evil], facts: [{ label: evil, value: evil, note: evil }] },
  curves: [
    {
      key: evil,
      points: [
        { step: 1, value: 2 },
        { step: 2, value: 1 },
      ],
      description: evil,
      reference: { value: 2, label: evil },
    },
  ],
  evaluations: [
    {
      title: evil,
      note: evil,
      rows: [
        {
          key: evil,
          value: 0.4,
          chance: 0.01,
          interval: { low: 0.35, high: 0.45 },
          unit: "share",
          count: 1500,
        },
        { key: "val/medianRank", value: 3, chance: 50, unit: "rank", count: 1500 },
      ],
      confusions: [{ label: evil, prediction: evil, count: 2 }],
    },
  ],
  searches: [
    {
      title: evil,
      note: evil,
      items: [
        {
          query: evil,
          note: evil,
          results: [{ image, caption: evil, detail: evil, similarity: 0.3, correct: true }],
        },
      ],
    },
  ],
  predictions: [
    {
      title: evil,
      note: evil,
      items: [{ image, truth: evil, candidates: [{ text: evil, score: 0.7, correct: true }] }],
    },
  ],
  retrievals: [
    {
      title: evil,
      items: [
        { query: evil, results: [{ image, caption: evil, similarity: 0.3, correct: false }] },
      ],
    },
  ],
  recipe: { name: evil },
  environment: { [evil]: evil },
};

describe("html", () => {
  it("refuses pictures of unknown kinds and anything that is not a data URI", () => {
    assert.throws(() => imageDataUri(Buffer.from("<svg></svg>")), {
      name: "TypeError",
      message: /Expected the bytes of a PNG, JPEG, GIF or WebP file but received 11 bytes/,
    });
    for (const uri of [
      "picture.png",
      "https://example.com/a.png",
      'data:image/png;base64,AA" onload="x',
      "data:text/html;base64,AAAA",
      "",
    ]) {
      assert.throws(() => imageElement(uri, "x"), /Expected a base64 data URI of a picture/);
    }
    assert.match(image, /^data:image\/png;base64,/);
    assert.match(imageDataUri(Uint8Array.of(0xff, 0xd8, 0xff, 0)), /^data:image\/jpeg/);
  });
});

describe("renderReport", () => {
  it("refuses a picture that would have to be fetched", () => {
    const results = [{ image: "a.png", caption: "", similarity: 0, correct: true }];
    const data = { ...full, retrievals: [{ title: "x", items: [{ query: "q", results }] }] };
    assert.throws(() => renderReport(data), TypeError);
  });

  it("escapes every text that it is given", () => {
    const html = renderReport(full);
    assert.doesNotMatch(html, /<script/);
    assert.doesNotMatch(html, /<img src=x/);
    assert.doesNotMatch(html, /-->/);
    assert.ok(html.split("&lt;script&gt;").length > 15);
  });

  it("refers to nothing outside itself", () => {
    const html = renderReport(full);
    const references = [...html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)/g)];
    // What the evil text contains is escaped text, not a reference.
    const outside = references.map((match) => match[1] ?? "").filter((to) => to !== "x");
    assert.ok(outside.length > 5);
    for (const to of outside) assert.match(to, /^(?:#[\w-]+|data:image\/png;base64,)/);
    assert.doesNotMatch(html, /@import|<link|<iframe|<object/);
  });

  it("links to sections that exist, each once, and closes its elements", () => {
    const html = renderReport(full);
    const targets = [...html.matchAll(/href="#([\w-]+)"/g)].map((match) => match[1]);
    assert.deepEqual(targets, [
      "warnings",
      "search-1",
      "summary",
      "predictions-1",
      "retrieval-1",
      "evaluation",
      "training",
      "recipe",
      "environment",
    ]);
    for (const id of targets) assert.equal(html.split(`id="${id}"`).length, 2);
    for (const tag of [
      "section",
      "div",
      "svg",
      "table",
      "tr",
      "td",
      "figure",
      "ol",
      "ul",
      "text",
    ]) {
      const opened = html.match(new RegExp(`<${tag}[ >]`, "g"))?.length;
      const closed = html.match(new RegExp(`</${tag}>`, "g"))?.length;
      assert.equal(opened, closed, tag);
    }
  });

  it("shows numbers with interval, chance and their ratio", () => {
    const html = renderReport(full);
    assert.match(html, /<strong>40\.0 %<\/strong>/);
    assert.match(html, /35\.0 to 45\.0 %/);
    assert.match(html, /1\.0 %<div class="key">40 × chance/);
    assert.match(html, /1,500/);
    assert.match(html, /class="interval" style="left:35%;width:10%"/);
  });

  it("leaves out sections without data", () => {
    const html = renderReport({ title: "Run", summary: { text: ["Short."] }, curves: [] });
    assert.equal(html.split("<section").length, 2);
    assert.match(html, /<title>Run<\/title>/);
  });
});

describe("curvesFromLog", () => {
  it("makes a curve of every key with two values, the loss first and beside guessing", () => {
    const entries = [
      { step: 1, values: { "train/gradNorm": 5, "val/loss": 1, "train/loss": 4 } },
      { step: 2, values: { "train/gradNorm": 4, "train/loss": 3, other: 1 } },
      { step: 3, values: { other: 2 } },
    ];
    const curves = curvesFromLog(entries, { batchSize: 8 });
    assert.deepEqual(
      curves.map(({ key }) => key),
      ["train/loss", "train/gradNorm", "other"],
    );
    assert.deepEqual(curves[0]?.points, [
      { step: 1, value: 4 },
      { step: 2, value: 3 },
    ]);
    assert.equal(curves[0]?.reference?.value, Math.log(8));
    assert.equal(curvesFromLog(entries, { minPoints: 1 }).length, 4);
  });
});

describe("metric words", () => {
  it("names and explains known keys, and makes the best of others", () => {
    assert.equal(metricLabel("train/loss"), "Loss");
    assert.equal(metricLabel("val/zeroShot/top1"), "zero-shot: top-1 accuracy");
    assert.equal(metricLabel("val/retrieval/imageToText/recall@5"), "image to text: recall@5");
    assert.equal(metricLabel("x/someThing"), "x: some thing");
    assert.match(metricDescription("a/recall@5") ?? "", /among the first 5/);
    assert.equal(metricDescription("x/y"), undefined);
  });
});
