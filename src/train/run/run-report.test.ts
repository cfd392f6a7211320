import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";

import { openSource } from "../../data/sources/open-source.ts";
import { readSamples } from "../../data/sources/read-sample.ts";
import { renderReport } from "../../report/report.ts";
import type { ReportData } from "../../report/types.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../../test/support/tiny-run.ts";
import { loadModel } from "../../inference/load-model.ts";
import { fairChoice, runReport } from "./run-report.ts";
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

/** Inner products of rows [N, D] with one row, in float64. */
function products(rows: Float32Array, row: Float32Array): number[] {
  const dim = row.length;
  return Array.from({ length: rows.length / dim }, (_, i) =>
    row.reduce((sum, value, d) => sum + value * (rows[i * dim + d] ?? 0), 0),
  );
}

describe("the searches of a report", () => {
  const search = () => ({ source: { kind: "webdataset" as const, shards: data.shards } });
  const queries = ["a small red square", "yellow and large"];

  it("need a text and something to show", async () => {
    const none = runReport(all, { searches: [{ ...search(), queries: [] }] });
    await assert.rejects(none, /at least one text for queries but received none/);
    const zero = runReport(all, { searches: [{ ...search(), queries, shown: 0 }] });
    await assert.rejects(zero, /positive whole number for shown but received 0/);
  });
  it("find the pictures that the model puts nearest to the words", async () => {
    const { searches } = await runReport(all, {
      searches: [
        { ...search(), queries, shown: 5, isRight: (q, { label = "" }) => q.includes(label) },
      ],
    });
    const [group] = searches ?? [];
    assert.match(group?.note ?? "", /^The 5 nearest of 24 pictures\.$/);
    const model = await loadModel(join(all.directory, "model"));
    try {
      const pool = await openSource({ kind: "webdataset", shards: data.shards });
      const [keys, pictures]: [string[], Buffer[]] = [[], []];
      for await (const sample of readSamples(pool)) {
        assert.ok("image" in sample);
        keys.push(sample.ref.key);
        pictures.push(Buffer.from(sample.image));
      }
      const images = (await model.encodeImages(pictures)).toFloat32Array();
      for (const [q, { query, note, results }] of (group?.items ?? []).entries()) {
        assert.equal(query, queries[q]);
        const cosines = products(images, model.encodeTexts([query]).toFloat32Array());
        const order = cosines.toSorted((a, b) => b - a);
        results.forEach(({ caption, similarity, correct }, rank) => {
          assert.ok(Math.abs(similarity - (order[rank] ?? 0)) < 1e-5);
          const place = keys.indexOf(caption);
          assert.ok(Math.abs((cosines[place] ?? 0) - similarity) < 1e-5);
          // four colours in turn
          assert.equal(correct, place % 4 === (q === 0 ? 0 : 3));
        });
        const found = results.filter(({ correct }) => correct).length;
        assert.equal(
          note,
          `${found} of 6 pictures of this name ${found === 1 ? "is" : "are"} here`,
        );
      }
    } finally {
      model.dispose();
    }
  });
  it("say what the caller says, and when nothing of that name is there", async () => {
    const { searches } = await runReport(all, {
      searches: [
        {
          ...search(),
          queries,
          title: "Squares",
          caption: ({ label }) => `it is ${label ?? ""}`,
          detail: ({ key }) => key,
          about: (query) => (query.startsWith("a") ? "known" : undefined),
          isRight: () => false,
        },
      ],
    });
    const [group] = searches ?? [];
    assert.equal(group?.title, "Squares");
    const notes = group?.items.map(({ note }) => note);
    assert.deepEqual(notes, ["known; no picture has this name", "no picture has this name"]);
    const [first] = group?.items[0]?.results ?? [];
    assert.match(first?.caption ?? "", /^it is (red|green|blue|yellow)$/);
    assert.match(first?.detail ?? "", /^square-\d+$/);
  });
});

describe("the choice of pictures shown", () => {
  const all = Array.from({ length: 40 }, (_, i) => i);
  const wrong = (list: readonly number[]) => list.filter((i) => i % 4 === 0).length;
  it("has mistakes as often as they are made, in order", () => {
    const chosen = fairChoice(all, 12, (i) => i % 4 !== 0);
    assert.equal(chosen.length, 12);
    assert.equal(wrong(chosen), 3);
    assert.deepEqual(
      chosen,
      chosen.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(chosen).size, 12);
  });
  it("has one at least, and all of one kind where there is no other", () => {
    assert.deepEqual(
      fairChoice(all, 4, (i) => i !== 17).filter((i) => i === 17),
      [17],
    );
    assert.equal(fairChoice(all, 5, () => false).length, 5);
    assert.equal(fairChoice(all, 5, () => true).length, 5);
    assert.deepEqual(
      fairChoice([3, 8], 12, (i) => i === 3),
      [3, 8],
    );
    assert.deepEqual(
      fairChoice([], 12, () => true),
      [],
    );
  });
});

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
