import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";

import { renderReport } from "../../report/report.ts";
import type { ReportData } from "../../report/types.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../../test/support/tiny-run.ts";
import { runReport } from "./run-report.ts";
import { train, type TrainResult } from "../train-pair.ts";

let data: TinyData;
let few: TrainResult;
let all: TrainResult;
const folder = mkdtempSync(join(tmpdir(), "limn-report-"));

before(async () => {
  data = await tinyData();
  const run = (pictures: number): Promise<TrainResult> =>
    train({ recipe: tinyRecipe(data), directory: join(folder, "run"), pictures });
  few = await run(3);
  // finished: only evaluated again
  all = await run(100);
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

async function averageColor(uri: string): Promise<number[]> {
  const png = Buffer.from(uri.replace("data:image/png;base64,", ""), "base64");
  const { channels } = await sharp(png).stats();
  return channels.map(({ mean }) => Math.round(mean));
}

function checkRetrieval({ retrievals = [] }: ReportData, count: number, note: RegExp): void {
  assert.equal(retrievals.length, 1);
  const [{ items, note: said } = { items: [], note: "" }] = retrievals;
  assert.match(said ?? "", note);
  assert.equal(items.length, 6);
  for (const { query, results } of items) {
    assert.match(query, /square|number/);
    assert.equal(results.length, Math.min(5, count));
    const order = results.map(({ similarity }) => similarity);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => b - a),
    );
    assert.ok(results.filter(({ correct }) => correct).length <= 1);
    for (const { correct, caption } of results) {
      if (correct) assert.match(caption, /^a (small|large) \w+ square$/);
    }
  }
}

describe("the report of a run", () => {
  it("has curves, tables, recipe and environment of the run", async () => {
    const report = await runReport(all, { title: "tiny" });
    assert.equal(report.title, "tiny");
    assert.match(report.subtitle ?? "", /^4 steps of 8 pairs, \d+ s$/);
    const loss = report.curves.find(({ key }) => key === "train/loss");
    assert.deepEqual(
      loss?.points.map(({ step }) => step),
      [1, 2, 3, 4],
    );
    assert.deepEqual(
      report.evaluations?.map(({ title }) => title),
      ["colors: zeroShot", "colors: retrieval"],
    );
    assert.deepEqual(report.recipe, all.recipe);
    assert.equal(report.environment?.["seed"], 0);
    assert.deepEqual(report.summary.facts?.[0], { label: "pairs seen", value: "32" });
  });
  it("shows pictures as the model saw them, with shares that add to one", async () => {
    const { predictions = [] } = await runReport(all, { shown: 4 });
    const [group] = predictions;
    assert.equal(group?.items.length, 4);
    assert.match(group.note ?? "", /best of 4 candidates/);
    for (const { image, truth, candidates } of group.items) {
      const total = candidates.reduce((sum, { score }) => sum + score, 0);
      assert.ok(Math.abs(total - 1) < 1e-6);
      assert.deepEqual(
        candidates.filter(({ correct }) => correct).map(({ text }) => text),
        [truth],
      );
      assert.match(image, /^data:image\/png;base64,/);
    }
    // the first square is small and red on a light ground: less of green and of blue than of red
    assert.equal(group.items[0]?.truth, "red");
    const [, green = 255, blue = 255] = await averageColor(group.items[0]?.image ?? "");
    assert.ok(green < 250 && blue < 250, `${green} ${blue}`);
  });
  it("looks for texts among the pictures that were kept, and says so", async () => {
    checkRetrieval(await runReport(all), 24, /^The five nearest pictures of each text\.$/);
    checkRetrieval(await runReport(few), 3, /of each text, among the first 3\.$/);
  });
  it("leaves out pictures of suites that are not asked for", async () => {
    const report = await runReport(all, { pictured: [] });
    assert.deepEqual([report.predictions, report.retrievals], [[], []]);
    assert.equal(report.evaluations?.length, 2);
  });
  it("becomes one page that loads nothing from elsewhere", async () => {
    const html = renderReport(await runReport(all));
    assert.match(html, /^<!doctype html>/i);
    assert.doesNotMatch(html, /(src|href)="https?:/);
  });
});
