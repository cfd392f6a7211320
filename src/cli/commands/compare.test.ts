import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { runLimn } from "../../../test/support/run-limn.ts";
import { classified, measuredSet, suiteResults } from "../../../test/support/suite-results.ts";
import { saveTinyModel, tinyPicture } from "../../../test/support/tiny-model.ts";
import { writeShards } from "../../data/write-shards.ts";
import type { SuiteComparison } from "../../evaluate/compare/compare-results.ts";
import type { SetResult } from "../../evaluate/suite-results.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-compare-"));
after(() => rmSync(folder, { recursive: true }));

function written(name: string, value: unknown): string {
  const file = path.join(folder, name);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

const set = (name: string, right: number): SetResult =>
  measuredSet(
    name,
    classified(300, (item) => item < right),
  );
const small = written("a.json", suiteResults("small <1>", [set("birds", 100), set("cars", 150)]));
const large = written("b.json", suiteResults("large", [set("birds", 140), set("cars", 151)]));

test("what is no file of results is refused by its name, and nothing is written", async () => {
  const page = path.join(folder, "none.html");
  const other = written("other.json", { metrics: {} });
  const later = written("later.json", { ...suiteResults("x", []), version: 2 });
  const cases: [string[], number, RegExp][] = [
    [[small], 2, /Expected <second.json> but received nothing/],
    [[small, path.join(folder, "no.json")], 3, /results of limn suite run in .*no\.json/],
    [
      [small, other, "--html", page],
      3,
      /other\.json but could not read them \(it is another file\)/,
    ],
    [[small, later, "--html", page], 3, /it is of version 2, not 1/],
    [[small, large, "--html", large], 2, /ends in \.html for --html but received/],
    [[small, large, "--level", "1"], 2, /from 0.5 to 0.999 for --level but received 1/],
    [[small, large, "--resamples", "-1"], 2, /--resamples/],
  ];
  for (const [args, code, message] of cases) {
    const found = await runLimn("compare", ...args);
    assert.equal(found.code, code, found.err);
    assert.match(found.err, message);
    assert.equal(found.out, "");
  }
  assert.throws(() => readFileSync(page), { code: "ENOENT" });
});

test("a table, a verdict, JSON and a page say the same", async () => {
  const page = path.join(folder, "page.html");
  const { code, out, err } = await runLimn("compare", small, large, "--html", page);
  assert.equal(code, 0, err);
  assert.match(err, /Comparing Set birds\n.*page: /s);
  const [birds, cars] = out.split("\n").filter((line) => /^(birds|cars) /.test(line));
  assert.match(
    birds!,
    /^birds {2}zeroShot\/top1 +33\.3 % +46\.7 % +\+13\.3 +\+9\.\d to \+17\.\d +1\.8e-12 +3\.6e-12 {2}large is better$/,
  );
  assert.match(
    cars!,
    /50\.0 % +50\.3 % +\+0\.3 +0\.0 to \+1\.\d +1\.00 +1\.00 {2}no difference shown$/,
  );
  assert.match(out, /large is better on 1 of 2 sets; on 1 no difference can be shown/);

  const json = await runLimn("compare", small, large, "--json");
  const data = JSON.parse(json.out) as SuiteComparison & { format: string; sentences: string[] };
  assert.equal(data.format, "limn-suite-comparison");
  assert.deepEqual(
    data.sets.map(({ winner }) => winner),
    ["second", "open"],
  );
  for (const sentence of data.sentences) assert.ok(out.includes(sentence), sentence);

  const html = readFileSync(page, "utf8");
  // Its own page is written again, another file stays.
  assert.equal((await runLimn("compare", small, large, "--html", page)).code, 0);
  const foreign = path.join(folder, "mine.html");
  writeFileSync(foreign, "<p>mine</p>");
  const refused = await runLimn("compare", small, large, "--html", foreign);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /Expected a new file for --html, or a page of limn's/);
  assert.equal(readFileSync(foreign, "utf8"), "<p>mine</p>");
  assert.match(html, /<title>large against small &lt;1&gt;<\/title>/);
  assert.match(html, /<svg [^>]*class="chart"/);
  assert.match(html, /Set birds, large is better: 13\.3 \[9/);
  assert.match(html, /by large alone: 40\. McNemar&#39;s test \(exact\): p = 1\.8e-12/);
  assert.ok(!/<script|NaN|undefined|Infinity|small <1>/.test(html));
});

test("what limn suite run writes of two models is compared, item by item", async () => {
  const split = path.join(folder, "sets", "cats", "test");
  mkdirSync(split, { recursive: true });
  const samples = Array.from({ length: 24 }, async (_, i) => ({
    key: `s${i}`,
    image: await tinyPicture(i),
    extension: "png" as const,
    captions: [],
    classIndex: String(i % 3),
  }));
  const { shards } = await writeShards({
    samples: await Promise.all(samples),
    directory: split,
    samplesPerShard: 24,
  });
  renameSync(shards[0]!, path.join(split, "0.tar"));
  writeFileSync(path.join(split, "nshards.txt"), "1\n");
  writeFileSync(path.join(split, "..", "classnames.txt"), "cat\ndog\ncow\n");
  const templates = path.join(split, "..", "zeroshot_classification_templates.txt");
  writeFileSync(templates, "a {c}\n");
  const sets = [{ name: "cats", source: "sets/cats", main: "zeroShot/top1" }];
  const suite = written("suite.json", { name: "tiny", title: "Tiny", sets });
  const files: string[] = [];
  for (const seed of [0, 1]) {
    const model = await saveTinyModel(path.join(folder, `model-${seed}`), {}, seed);
    const out = path.join(folder, `results-${seed}`);
    const cache = path.join(folder, "cache");
    const ran = await runLimn(
      "suite",
      "run",
      model,
      "--suite",
      suite,
      "--cache",
      cache,
      "--out",
      out,
    );
    assert.equal(ran.code, 0, ran.err);
    files.push(path.join(out, "results.json"));
  }
  const { code, out, err } = await runLimn("compare", ...files, "--json");
  assert.equal(code, 0, err);
  const { sets: compared, first, second } = JSON.parse(out) as SuiteComparison;
  assert.notEqual(first.fingerprint, second.fingerprint);
  const { metrics, mcNemar, notes } = compared[0]!.tasks[0]!;
  const top1 = metrics.find(({ path: name }) => name === "top1")!;
  const { onlyFirst, onlySecond } = mcNemar!;
  assert.ok(onlyFirst + onlySecond > 0);
  assert.ok(Math.abs(top1.difference - (onlySecond - onlyFirst) / 24) < 1e-12);
  assert.deepEqual(notes, []);
  assert.ok(metrics.some(({ path: name, better }) => name === "nll" && better === "smaller"));
});
