import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import type { AuditCard } from "../../evaluate/audit/audit-card.ts";
import { findingsOf, limitsOf } from "../../evaluate/audit/findings.ts";
import { escapeHtml } from "../../files/escape-html.ts";
import { pageMark } from "../html-page.ts";
import { renderAudit, writeAudit } from "./audit-page.ts";

const evil = `<script>alert("x")</script>&'`;

function number(value: number): { value: number; low: number; high: number } {
  return { value, low: value - 0.02, high: value + 0.02 };
}

const chance = { below: 0.05, p: 0.0009 };
const spread = {
  ...{ worst: "b", best: evil, worstValue: number(0.4), gap: number(0.3) },
  ...{ ratio: number(0.57), byChance: chance },
};

/** Everything that a card may have, with text that would run if it were not escaped. */
const numbers: Omit<AuditCard, "findings" | "limits"> = {
  ...{ format: "limn-audit-card", version: 1, model: evil, set: evil, count: 1200, measured: 1190 },
  classes: {
    ...{ names: [evil, "dog"], answer: "label", templates: [evil], probabilities: "softmax" },
    leftOut: { count: 10, withoutLabel: 10, labels: [] },
  },
  ...{ least: 30, level: 0.95, resamples: 1000, positive: evil },
  cluster: { key: evil, count: 77 },
  groups: [
    {
      ...{ keys: [evil], without: 3 },
      groups: [
        { name: evil, count: 700, suppressed: false },
        { name: "tiny", count: 4, suppressed: true },
      ],
    },
  ],
  accuracy: [
    {
      ...{ keys: [evil], without: 3, count: 1190, top1: spread, top5: spread },
      groups: [
        {
          ...{ name: evil, count: 700, suppressed: false, top1: number(0.7), top5: number(0.9) },
          ...{ ece: number(0.05), eceByChance: 0.06, selectionRate: number(0.2) },
        },
        { name: "b", count: 480, suppressed: false, top1: number(0.4), ece: number(0.2) },
        { name: "tiny", count: 4, suppressed: true },
      ],
      overall: { top1: number(0.58), ece: number(0.04) },
      positive: {
        ...{ positive: 1, demographicParityDifference: number(0.1), oddsByChance: chance },
        equalizedOddsDifference: number(0.25),
      },
    },
  ],
  faces: {
    prompts: "datacomp",
    note: "could not be reproduced",
    tables: [
      {
        ...{ title: "Taken for an animal", key: "toxicity_nonhuman", better: "low", by: ["race"] },
        rows: [
          { name: evil, count: 500, suppressed: false, value: number(0.12) },
          { name: "c", count: 500, suppressed: false, value: number(0.04) },
          { name: "d", count: 3, suppressed: true },
        ],
        overall: number(0.08),
        worst: { name: evil, value: number(0.12) },
      },
    ],
  },
  skew: [
    {
      ...{ keys: [evil], groups: [evil, "b"], count: 1180, prompts: 319 },
      atK: [
        {
          k: 100,
          maxSkew: { equalOpportunity: 0.9, demographicParity: 1.1 },
          byChance: { equalOpportunity: 0.2, demographicParity: 0.2 },
        },
      ],
      ndkl: { equalOpportunity: 0.1, demographicParity: 0.2 },
      ndklByChance: { equalOpportunity: 0.01, demographicParity: 0.01 },
      worst: [{ query: evil, maxSkew: 1.3, group: evil, skew: 1.2 }],
    },
  ],
  associations: [
    {
      ...{ test: "WEAT 1, control", x: "flowers", y: "insects", a: "pleasant", b: "unpleasant" },
      ...{ effect: 1.2, p: 0.0001, exact: false, counts: [25, 25] },
    },
    {
      ...{ test: evil, key: evil, x: evil, y: "b", a: evil, b: "unpleasant" },
      ...{ effect: -0.9, p: 0.0004, exact: false, counts: [700, 480] },
    },
  ],
  income: {
    ...{ key: evil, count: 1000, without: 190, distinct: 800, k: 5, slope: number(0.05) },
    ...{ standardError: 0.01, intercept: 0.2 },
    parts: [
      { count: 500, income: 90, accuracy: number(0.4) },
      { count: 500, income: 900, accuracy: number(0.5) },
    ],
  },
  debiasing: [
    {
      ...{ key: evil, groups: [evil, "b"], k: 100 },
      rows: [
        {
          ...{
            projection: "none",
            accuracy: number(0.58),
            gap: number(0.3),
            maxSkew: 1.1,
            ndkl: 0.2,
          },
          worst: { name: evil, value: number(0.4) },
        },
        { projection: "calibrated", accuracy: number(0.5), gap: number(0.1), maxSkew: 0.4 },
      ],
    },
  ],
  asked: [{ use: evil, source: evil, texts: [evil, "a </pre> b"] }],
  skipped: [{ part: evil, reason: evil }],
};
const card: AuditCard = { ...numbers, findings: findingsOf(numbers), limits: limitsOf(numbers) };

describe("renderAudit", () => {
  const html = renderAudit(card);

  it("escapes every text, and refers to nothing outside itself", () => {
    assert.doesNotMatch(html, /<script/);
    assert.ok(html.split("&lt;script&gt;").length > 40);
    const references = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(
      (match) => match[1] ?? "",
    );
    assert.ok(references.length >= 8);
    for (const to of references) assert.match(to, /^#[\w-]+$/);
    assert.doesNotMatch(html, /@import|<link|<iframe|url\(/);
  });

  it("links to sections that exist, each once, and closes its elements", () => {
    for (const [, id = ""] of html.matchAll(/href="#([\w-]+)"/g)) {
      assert.equal(html.split(`id="${id}"`).length, 2, id);
    }
    for (const tag of [
      "section",
      "div",
      "svg",
      "table",
      "tr",
      "td",
      "ul",
      "li",
      "dl",
      "text",
      "details",
      "pre",
    ]) {
      const opened = html.match(new RegExp(`<${tag}[ >]`, "g"))?.length;
      assert.equal(opened, html.match(new RegExp(`</${tag}>`, "g"))?.length, tag);
    }
  });

  it("says the worst first, suppresses small groups and repeats what cannot be concluded", () => {
    const weights = [...html.matchAll(/<li class="(serious|notable|fine)">/g)].map(
      ([, one]) => one,
    );
    assert.equal(weights[0], "serious");
    assert.equal(weights.at(-1), "fine");
    const tiny = html.match(/<tr class="muted"><td>tiny<\/td>.*?<\/tr>/)?.[0] ?? "";
    assert.match(tiny, />4<.*suppressed/);
    assert.doesNotMatch(tiny, /%/);
    for (const limit of card.limits) assert.ok(html.includes(escapeHtml(limit)));
    assert.match(html, /could not be reproduced/);
  });

  it("leaves out what was not measured", () => {
    const { classes: _, faces: __, income: ___, positive: ____, ...rest } = card;
    const few = renderAudit({
      ...{
        ...rest,
        accuracy: [],
        skew: [],
        associations: [],
        debiasing: [],
        findings: [],
        asked: [],
      },
    });
    const ids = [...few.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);
    assert.deepEqual(ids, ["findings", "audited", "limits"]);
    assert.match(few, /Nothing could be measured/);
  });

  it("is written as a file that is known again", () => {
    const folder = mkdtempSync(join(tmpdir(), "limn-audit-page-"));
    writeAudit(join(folder, "a.html"), card);
    assert.ok(readFileSync(join(folder, "a.html"), "utf8").includes(pageMark));
    rmSync(folder, { recursive: true });
  });
});

describe("findings", () => {
  const texts = card.findings.map(({ weight, text }) => `${weight}: ${text}`);

  it("name the group, the numbers and what chance would give", () => {
    const find = (pattern: RegExp): string => texts.find((text) => pattern.test(text)) ?? "";
    assert.match(
      find(/Accuracy by/),
      /^serious: .* is worst for b: 40\.0 %, against 70\.0 % for .*, a gap of 30\.0 points \(28\.0 to 32\.0\)\. Groups that differ in nothing stay below 5\.0 points\.$/,
    );
    assert.match(
      find(/Confidence/),
      /^notable: .* for b .* off by 20\.0 points on average, by 4\.0/,
    );
    assert.match(
      find(/Errors about/),
      /^notable: .* differ by up to 25\.0 points; .* by 10\.0 points/,
    );
    assert.match(find(/animal/), /^serious: .*12\.0 % of faces of .*, 8\.0 % of all\.$/);
    assert.match(
      find(/Neutral/),
      /^serious: .* 3\.0 times its share of the top \(MaxSkew@100 1\.10/,
    );
    assert.match(
      find(/Pictures by/),
      /^notable: .* \(-0\.90\) lie nearer to words of “unpleasant”/,
    );
    assert.match(
      find(/rises/),
      /^notable: .* rises by 3\.5 points \(2\.1 to 4\.9\) with twice the/,
    );
    assert.match(
      find(/Calibrated/),
      /^fine: .*MaxSkew from 1\.10 to 0\.40; the gap from 30\.0 points/,
    );
  });

  it("tell a difference that only the first five guesses show", () => {
    const [report] = numbers.accuracy;
    const same = { ...spread, byChance: { below: 0.4, p: 0.3 } };
    const [first] = findingsOf({ ...numbers, accuracy: [{ ...report!, top1: same }] });
    assert.match(
      first?.text ?? "",
      /^Accuracy of the first five guesses by .* against 90\.0 % for/,
    );
  });

  it("do not stress what can be chance, nor associations where the control failed", () => {
    const [report] = numbers.accuracy;
    const same = { ...spread, byChance: { below: 0.4, p: 0.3 } };
    const calm = findingsOf({
      ...numbers,
      accuracy: [
        {
          ...report!,
          top1: same,
          top5: same,
          positive: { positive: 1, equalizedOddsDifference: number(0.5) },
        },
      ],
      associations: numbers.associations.map((one) =>
        one.key === undefined ? { ...one, effect: 0.1, p: 0.4 } : one,
      ),
    });
    const found = calm.map(({ weight, text }) => `${weight}: ${text}`);
    assert.ok(
      found.some((text) => /^fine: Accuracy by .*: no difference beyond chance/.test(text)),
    );
    assert.ok(!found.some((text) => text.includes("Errors about")));
    assert.ok(found.some((text) => text.startsWith("fine: Pictures by")));
    assert.ok(!found.some((text) => text.startsWith("notable: Pictures by")));
  });
});
