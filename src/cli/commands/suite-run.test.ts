/** `limn suite run` on a tiny suite of sets in CLIP_benchmark's layout. */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { runLimn } from "../../../test/support/run-limn.ts";
import { saveTinyModel, tinyPicture } from "../../../test/support/tiny-model.ts";
import { writeShards } from "../../data/write-shards.ts";
import { mainOf } from "../../evaluate/evaluate-suite.ts";
import { readSuiteResults, type SuiteResults } from "../../evaluate/suite-results.ts";

const root = mkdtempSync(join(tmpdir(), "limn-suite-run-"));
const sets = join(root, "sets");
const suite = join(root, "tiny.json");
let model: string;
before(async () => {
  model = await saveTinyModel(join(root, "model"));
  await writeSet("cats", 24);
  cpSync(join(sets, "cats"), join(sets, "dogs"), { recursive: true });
  writeFileSync(join(sets, "dogs", "test", "nshards.txt"), "3\n");
  const list = [
    { name: "cats", source: "sets/cats", title: "Cats", main: "zeroShot/meanPerClass" },
    { name: "dogs", source: "sets/dogs", main: "zeroShot/top1" },
    { name: "cows", source: "sets/cows", main: "zeroShot/top1" },
  ];
  writeFileSync(suite, JSON.stringify({ name: "tiny", title: "Three sets", sets: list }));
});
after(() => rmSync(root, { recursive: true }));

async function writeSet(name: string, count: number): Promise<void> {
  const samples = Array.from({ length: count }, async (_, i) => ({
    key: `s${i}`,
    image: await tinyPicture(i),
    extension: "png" as const,
    captions: [],
    classIndex: String(i % 3),
  }));
  const split = join(sets, name, "test");
  const { shards } = await writeShards({
    samples: await Promise.all(samples),
    directory: split,
    samplesPerShard: 12,
  });
  for (const [i, shard] of shards.entries()) renameSync(shard, join(split, `${i}.tar`));
  writeFileSync(join(split, "nshards.txt"), String(shards.length));
  writeFileSync(join(sets, name, "classnames.txt"), "cat\n\ndog\n");
  writeFileSync(join(sets, name, "zeroshot_classification_templates.txt"), "a {c}\n{c}\n");
}

const cache = join(root, "cache");
const run = (...words: string[]): ReturnType<typeof runLimn> =>
  runLimn("suite", "run", model, ...words, "--suite", suite, "--cache", cache, "--resamples", "50");

describe("limn suite run", () => {
  const folder = join(root, "out");

  it("measures what is there, names what is not, and ends with 1", async () => {
    const { code, out, err } = await run("--out", folder);
    assert.equal(code, 1);
    assert.match(out, /^Three sets\n.*fingerprint [0-9a-f]{12}\)\n/);
    assert.match(out, /\ncats +meanPerClass +\d/);
    assert.match(out, /\ndamaged: dogs: Expected 3 shards.*2\.tar is missing/);
    assert.match(out, /\nmissing: cows: .*cows does not exist/);
    assert.match(out, /\nAverage, of 1 of 3 sets only: /);
    assert.match(err, /3 of 3 {2}cows: /);
    const results = readSuiteResults(join(folder, "results.json"));
    const [cats] = results.sets;
    assert.equal(cats?.samples, 24);
    assert.equal(mainOf(cats)?.chance, 1 / 3);
    assert.deepEqual(
      cats.tasks[0]?.items?.keys.slice(0, 2).map((key) => key.split("/").at(-1)),
      ["s0", "s1"],
    );
    assert.match(readFileSync(join(folder, "report.html"), "utf8"), /dogs is damaged/);
    assert.match(readFileSync(join(folder, "results.csv"), "utf8"), /^name,.*,Cats,dogs,cows\n/);
  });

  it("ends with 0 where all chosen sets are there, with templates of one's own and JSON", async () => {
    const words = ["--only", "cats", "--templates", "one {}", "--json"];
    const { code, out } = await run(...words);
    assert.equal(code, 0);
    const results = JSON.parse(out) as SuiteResults;
    assert.equal(results.sets.length, 1);
    assert.deepEqual(results.sets[0]?.tasks[0]?.facts["templates"], ["one {}"]);
    assert.deepEqual([results.averages[0]?.of, results.averages[0]?.measured], [3, 1]);
  });

  it("writes over its own results and over nothing else", async () => {
    const words = ["--only", "cats", "--out", folder];
    assert.equal((await run(...words)).code, 0);
    writeFileSync(join(folder, "results.csv"), "mine\n");
    const { code, err } = await run(...words);
    assert.equal(code, 4);
    assert.match(err, /Expected no results\.csv, or one of limn's own/);
    assert.equal(readFileSync(join(folder, "results.csv"), "utf8"), "mine\n");
  });

  it("refuses what it cannot know", async () => {
    const refused = async (message: RegExp, ...words: string[]): Promise<void> => {
      const { code, err } = await runLimn("suite", "run", model, ...words);
      assert.notEqual(code, 0);
      assert.match(err, message);
    };
    await refused(/Expected --suite <suite> but received nothing; see: limn suite list/);
    await refused(
      /datacomp-38, .*or a JSON file.* Did you mean "datacomp-38"/,
      "--suite",
      "datacmp-38",
    );
    await refused(
      /a set of tiny after --only but received "cat".*cats/,
      "--suite",
      suite,
      "--only",
      "cat",
    );
    await refused(/0\.999 for --level but received 95/, "--suite", suite, "--level", "95");
    await refused(/--cache or --no-cache/, "--suite", suite, "--cache", "x", "--no-cache");
    const { code, out } = await run("--calibrate-on", "test", "--only", "cats");
    assert.equal(code, 1);
    assert.match(out, /damaged: cats: Expected another split than test/);
    assert.equal(existsSync(join(root, "x")), false);
  });
});
