/** A suite of tiny sets with a tiny model: results, averages, cache, what is missing or damaged. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { saveTinyModel, tinyPicture } from "../../test/support/tiny-model.ts";
import { writeShards } from "../data/write-shards.ts";
import { DataError } from "../errors.ts";
import { renderSuitePage } from "../report/suite-page.ts";
import {
  evaluateSuite,
  mainOf,
  type EvaluateSuiteOptions,
  type OpenedSet,
  type SetToMeasure,
} from "./evaluate-suite.ts";
import { suiteCsv } from "./suite-csv.ts";
import { readSuiteResults, type SuiteResults } from "./suite-results.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-evaluate-suite-"));
let model: string;
let shards: string[];
before(async () => {
  model = await saveTinyModel(join(folder, "model"));
  const samples = Array.from({ length: 24 }, async (_, i) => ({
    key: `s${i}`,
    image: await tinyPicture(i),
    extension: "png" as const,
    captions: [`a cat ${i}`],
    classIndex: String(i % 3),
    meta: { film: i % 4, shelf: +(i > 21) },
  }));
  const directory = join(folder, "shards");
  ({ shards } = await writeShards({
    samples: await Promise.all(samples),
    directory,
    samplesPerShard: 10,
  }));
});
after(() => rmSync(folder, { recursive: true }));

const classes = ["cat", "dog", "cow"];

function set(name: string, changes: Partial<SetToMeasure> = {}): SetToMeasure {
  return {
    name,
    title: name.toUpperCase(),
    main: "names/top1",
    open: () => ({
      suite: {
        name,
        source: { kind: "webdataset", shards },
        tasks: [
          { kind: "zeroShot", name: "names", classes, answer: "label", also: ["calibration"] },
          { kind: "retrieval", name: "search" },
        ],
      },
    }),
    ...changes,
  };
}

function options(sets: readonly SetToMeasure[]): EvaluateSuiteOptions {
  const suite = { name: "tiny", title: "Tiny sets" };
  const of = sets.map(({ name }) => name);
  return {
    ...{ model, suite, sets, averages: [{ name: "all", title: "Average", of }] },
    bootstrap: { resamples: 100 },
    cache: join(folder, "cache"),
  };
}

const broken = set("broken", {
  open: () => {
    throw new DataError("Expected 3 shards but received 2", { source: "broken" });
  },
});
const absent = set("absent", { open: () => ({ missing: "none of absent in sets" }) });

describe("evaluateSuite", () => {
  let results: SuiteResults;

  it("goes on past sets that are missing or damaged, and says of how many an average is", async () => {
    const seen: string[] = [];
    results = await evaluateSuite({
      ...options([set("a"), broken, absent, set("b", { chance: 0.25 })]),
      onResult: ({ name, state }, done) => void seen.push(`${done} ${name} ${state}`),
    });
    assert.deepEqual(seen, [
      "1 a measured",
      "2 broken damaged",
      "3 absent missing",
      "4 b measured",
    ]);
    const [a, damaged, missing, b] = results.sets;
    assert.equal(damaged?.reason, "Expected 3 shards but received 2");
    assert.equal(missing?.reason, "none of absent in sets");
    assert.deepEqual(
      a?.tasks.map(({ name, kind }) => [name, kind]),
      [
        ["names", "zeroShot"],
        ["search", "retrieval"],
      ],
    );
    const [average] = results.averages;
    assert.deepEqual([average?.of, average?.measured], [4, 2]);
    assertClose([average?.value ?? NaN], [mainOf(a)!.value!]);
    const { value, chance, lift } = mainOf(b!)!;
    assert.equal(chance, 0.25);
    assertClose([lift ?? NaN], [(value! - 0.25) / 0.75]);
    assert.ok(average!.low! <= average!.value! && average!.value! <= average!.high!);
    // Two independent sets say more than one of them.
    const { low, high } = mainOf(a)!;
    assert.ok(average!.high! - average!.low! < high! - low!);
  });

  it("embeds nothing again, and gives the same numbers", async () => {
    let embedded = 0;
    const again = await evaluateSuite({
      ...options([set("a"), broken, absent, set("b", { chance: 0.25 })]),
      onPictures: () => void embedded++,
    });
    assert.equal(embedded, 0);
    assert.deepEqual(withoutTime(again), withoutTime(results));
    assert.deepEqual(readdirSync(join(folder, "cache")).length, 2);
    const plain = await evaluateSuite({ ...options([set("a")]), cache: null });
    assert.deepEqual(withoutTime(plain).sets[0], withoutTime(results).sets[0]);
  });

  it("tells a main number that no task gives, and tasks of one name, before it embeds", async () => {
    const twice = set("twice");
    const { suite } = (await twice.open()) as Extract<OpenedSet, { suite: unknown }>;
    const two = { suite: { ...suite, tasks: [suite.tasks[0]!, suite.tasks[0]!] } };
    const { sets, averages } = await evaluateSuite({
      ...options([
        set("a", { main: "names/topp1" }),
        set("b", { main: "top1" }),
        set("c", { main: "names/macroF1" }),
        { ...twice, open: () => two },
        set("d"),
      ]),
      cache: null,
      onPictures: ({ name }) => assert.equal(name, "d"),
    });
    const reasons = [
      /<task>\/<metric> for main of a but received "names\/topp1"; Did you mean "names\/top1"/,
      /for main of b but received "top1"; its tasks give names\/top1, .*search\/meanRecall@1/,
      /for main of c but received "names\/macroF1"/,
      /Expected one task called "names" of twice but received two/,
    ];
    for (const [i, reason] of reasons.entries()) {
      assert.equal(sets[i]?.state, "damaged");
      assert.match(sets[i]?.reason ?? "", reason);
    }
    assert.equal(averages[0]?.measured, 1);
  });

  it("leaves draws without a picture of any group out of the average's interval", async () => {
    const rare = set("rare", {
      main: "names/worstGroup/top1",
      open: () => ({
        suite: {
          name: "rare",
          source: { kind: "webdataset", shards },
          tasks: [
            {
              kind: "zeroShot",
              ...{ name: "names", classes, answer: "label" },
              // Two of 24 pictures: a draw holds none of them with a chance of 12 %.
              groups: { key: "shelf", ignore: ["0"] },
            },
          ],
        },
      }),
    });
    const { sets, averages } = await evaluateSuite(options([rare]));
    const { low, high } = mainOf(sets[0]!)!;
    assert.deepEqual([averages[0]?.low, averages[0]?.high], [low, high]);
    assert.ok(Number.isFinite(high));
  });

  it("refuses intervals that cannot be before it loads the model", async () => {
    const wrong = { ...options([set("a")]), model: "nowhere", bootstrap: { level: 95 } };
    await assert.rejects(evaluateSuite(wrong), /between 0 and 1 for level but received 95/);
  });

  it("ends where it is told to", async () => {
    const stop = new AbortController();
    const run = evaluateSuite({
      ...options([set("a"), set("b")]),
      onResult: () => stop.abort(new Error("enough")),
      signal: stop.signal,
    });
    await assert.rejects(run, { message: "enough" });
  });

  it("gives the mean and the worst language, and says what the tokenizer cannot write", async () => {
    const names = { en: classes, de: ["Katze", "Hund", "Kuh"], ja: ["猫", "犬", "牛"] };
    const tasks = Object.entries(names).map(([language, own]) => ({
      kind: "zeroShot" as const,
      ...{ name: `names-${language}`, language, classes: own, answer: "label" },
    }));
    const spoken = set("spoken", {
      main: undefined,
      open: () => ({
        suite: { name: "spoken", source: { kind: "webdataset", shards }, tasks },
      }),
    });
    const { languages = [], sets } = await evaluateSuite(options([spoken]));
    const [found] = languages;
    const values = sets[0]!.tasks.map(({ metrics }) => metrics["top1"]!.value!);
    assert.deepEqual(
      found?.rows.map(({ language }) => language),
      ["en", "de", "ja"],
    );
    assertClose(
      [found.mean, found.worst.value],
      [values.reduce((sum, value) => sum + value, 0) / 3, Math.min(...values)],
    );
    assert.match(sets[0]!.tasks[2]!.notes.join(" "), /class names in ja/);
    // The tiny vocabulary is bytes and "cat".
    const { byteWords } = sets[0]!.tasks[2]!.facts["coverage"] as { byteWords: number };
    assert.equal(byteWords, 1);
    // The same over sets of one language each.
    const apart = tasks.map((task) =>
      set(`x/${task.language}`, {
        main: `${task.name}/meanPerClass`,
        open: () => ({
          suite: {
            name: `x/${task.language}`,
            source: { kind: "webdataset", shards },
            tasks: [task],
          },
        }),
      }),
    );
    const [other] = (await evaluateSuite(options(apart))).languages ?? [];
    assert.equal(other?.set, "x");
    assert.equal(other.rows.length, 3);
  });

  it("reads back what it wrote, and refuses other files", () => {
    const file = join(folder, "results.json");
    writeFileSync(file, JSON.stringify(results));
    assert.deepEqual(readSuiteResults(file), JSON.parse(JSON.stringify(results)));
    writeFileSync(file, JSON.stringify({ ...results, version: 2 }));
    assert.throws(
      () => readSuiteResults(file),
      /it is of version 2, not 1.*give the results\.json/,
    );
    writeFileSync(file, JSON.stringify({ metrics: {} }));
    assert.throws(() => readSuiteResults(file), { name: "DataError", message: /another file/ });
    assert.throws(() => readSuiteResults(join(folder, "none.json")), /could not read them/);
  });

  it("is a row in open_clip's columns, without an average that lacks a set", () => {
    const [head, row] = suiteCsv(results, "Average perf. on 4 datasets").trim().split("\n");
    assert.equal(
      head,
      "name,pretrained,params (M),FLOPs (B),Average perf. on 4 datasets,A,BROKEN,ABSENT,B",
    );
    const cells = row!.split(",");
    assert.equal(cells[4], "");
    assert.equal(cells[6], "");
    assert.equal(cells[5], mainOf(results.sets[0]!)!.value!.toFixed(4));
    const whole = { ...results, sets: results.sets.filter(({ state }) => state === "measured") };
    const average = { ...results.averages[0]!, of: 2 };
    const full = suiteCsv({ ...whole, averages: [average] }, "Average")
      .trim()
      .split("\n")[1]!;
    assert.equal(full.split(",")[4], average.value!.toFixed(4));
  });

  it("is a page that names what is missing and the partial average", () => {
    const page = renderSuitePage(results);
    assert.match(page, /BROKEN is damaged: Expected 3 shards but received 2/);
    assert.match(page, /Average, of 2 of 4 sets only/);
    assert.match(page, /Confidence and accuracy/);
    assert.doesNotMatch(page, /<script|NaN|undefined/);
  });
});

function withoutTime({ finished: _, sets, ...rest }: SuiteResults): SuiteResults {
  const timeless = sets.map(({ seconds: __, ...set }) => set);
  return JSON.parse(JSON.stringify({ ...rest, sets: timeless })) as SuiteResults;
}
