import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { MetricRow, SuiteResult } from "limn";
import { openSource } from "limn/data";
import { loadTokenizer } from "limn/text";

import { buildIcons, type BuildOptions, type BuiltIcons } from "./dataset.ts";
import { drawings, fakeSet, makePackages } from "./fake-packages.ts";
import { installedSets } from "./prepare.ts";
import { iconSearches } from "./searches.ts";
import { quickstartSets } from "./sets.ts";
import {
  iconSource,
  iconTokenizer,
  testSuites,
  validationSuites,
  type IconSource,
} from "./suites.ts";
import { summaryLines, summaryOf } from "./summary.ts";

const root = mkdtempSync(join(tmpdir(), "limn-icons-"));
const options: Omit<BuildOptions, "sets"> = {
  directory: join(root, "data"),
  imageSize: 32,
  unseenShare: 0.25,
  vocabSize: 700,
  samplesPerShard: 50,
};
let built: BuiltIcons;

before(async () => {
  makePackages(root);
  built = await buildIcons({ ...options, sets: installedSets(root) });
});
after(() => rmSync(root, { recursive: true, force: true }));

interface ReadSample {
  key: string;
  label: string;
  meta: Record<string, unknown>;
}

/** Keys and records, without a decoder. */
async function read(spec: IconSource): Promise<ReadSample[]> {
  const samples: ReadSample[] = [];
  for (const part of (await openSource(spec)).parts) {
    for await (const { ref } of part.read()) {
      const { file = "", offset = 0, size = 0 } = ref?.json ?? {};
      const bytes = readFileSync(file).subarray(offset, offset + size);
      const record = JSON.parse(bytes.toString("utf8")) as { label: string };
      samples.push({ key: ref?.key ?? "", label: record.label, meta: record });
    }
  }
  return samples;
}

const json = (name: string): unknown => JSON.parse(readFileSync(join(built.folder, name), "utf8"));

describe("the dataset", () => {
  it("holds every split in the roles of the sets, by author", async () => {
    const sets = new Map(quickstartSets.map(({ prefix, role }) => [prefix, role]));
    const authors = new Map<unknown, string>();
    for (const role of ["train", "validation", "test"] as const) {
      const samples = await read(iconSource(built, role));
      assert.equal(samples.length, built.dataset.splits[role].pictures);
      assert.ok(samples.length > 0);
      for (const { key, meta } of samples) {
        assert.equal(sets.get(key.split("/")[0] ?? ""), role);
        assert.equal(authors.get(meta["author"]) ?? role, role);
        authors.set(meta["author"], role);
      }
    }
  });
  it("trains on nothing unseen, and asks about it apart", async () => {
    const unseen = new Set(json("classes/test-unseen.json") as string[]);
    assert.equal(unseen.size, 3);
    assert.equal(built.dataset.unseenConcepts, 3);
    const training = await read(iconSource(built, "train"));
    assert.ok(training.every(({ label }) => !unseen.has(label)));
    const asked = await read(iconSource(built, "test", { kind: "unseen" }));
    assert.deepEqual(new Set(asked.map(({ label }) => label)), unseen);
    const concepts = json("concepts.json") as Record<string, number>;
    assert.equal(Object.values(concepts).filter((count) => count === 0).length, 3);
    assert.equal(Object.keys(concepts).length, Object.keys(drawings).length);
  });
  it("marks what is drawn as in training: here all that is asked", async () => {
    const asked = await read(iconSource(built, "test", { kind: "known" }));
    assert.ok(asked.length > 0 && asked.every(({ meta }) => meta["nearDuplicate"] === true));
    const unseen = await read(iconSource(built, "test", { kind: "unseen" }));
    assert.ok(unseen.every(({ meta }) => meta["nearDuplicate"] === false));
  });
  it("has a vocabulary that knows the training captions", async () => {
    const { file, contextLength } = iconTokenizer(built);
    const tokenizer = await loadTokenizer(dirname(file), { contextLength });
    const [label = ""] = json("classes/test.json") as string[];
    assert.ok((tokenizer.encodeBatch([label]).lengths[0] ?? 99) <= 2 + label.split(" ").length);
  });
  it("is found again, made anew for other options, and finished where it was not", async () => {
    const sets = installedSets(root);
    const again = await buildIcons({ ...options, sets });
    assert.deepEqual(again, built);
    const other = await buildIcons({ ...options, sets, seed: 1 });
    assert.notEqual(other.folder, built.folder);
    assert.ok(existsSync(join(built.folder, "dataset.json")));
    rmSync(join(other.folder, "dataset.json"));
    writeFileSync(join(other.folder, "left"), "");
    const finished = await buildIcons({ ...options, sets, seed: 1 });
    assert.equal(finished.folder, other.folder);
    assert.ok(!existsSync(join(other.folder, "left")));
  });
  it("is the same to the byte when it is made twice", async () => {
    const sets = installedSets(root);
    const second = await buildIcons({ ...options, directory: join(root, "second"), sets });
    for (const { shards } of second.dataset.splits.train.parts) {
      for (const name of shards) {
        const [a, b] = [built, second].map(({ folder }) => readFileSync(join(folder, name)));
        assert.ok(a !== undefined && b !== undefined && a.equals(b), name);
      }
    }
  });
  it("refuses a set that may not be used freely", async () => {
    const info = { ...fakeSet("x").info, license: { spdx: "GPL-3.0-or-later" } } as never;
    const set = { prefix: "x", role: "train" as const, version: "1" };
    await assert.rejects(
      buildIcons({ ...options, sets: [{ ...set, read: () => fakeSet("x", { info }) }] }),
      /Expected a permissive licence for the icon set x but received GPL-3.0-or-later; leave/,
    );
  });
});

describe("the suites", () => {
  it("read files that are there, and their candidates hold every answer", async () => {
    const suites = [...validationSuites(built), ...testSuites(built)];
    assert.equal(new Set(suites.map(({ name }) => name)).size, suites.length);
    for (const { source, tasks } of suites) {
      const labels = (await read(source)).map(({ label }) => label);
      for (const task of tasks) {
        if (task.kind !== "zeroShot") continue;
        const classes = new Set(JSON.parse(readFileSync(task.classes, "utf8")) as string[]);
        assert.ok(
          labels.every((label) => classes.has(label)),
          task.classes,
        );
      }
      assert.ok(source.shards.every((file) => statSync(file).size > 0));
    }
  });
  it("are left out where there is nothing to ask", async () => {
    const sets = installedSets(root);
    const names = testSuites(built).map(({ name }) => name);
    assert.ok(names.includes("lucide") && names.includes("unseen"));
    assert.ok(!names.includes("lucide-distinct"), "all are drawn as in training");
    const none = await buildIcons({ ...options, sets, unseenShare: 0, testAuthors: 18 });
    assert.deepEqual([...testSuites(none), ...validationSuites(none)], []);
  });
  it("never choose settings on a set that results are told of", () => {
    const test = new Set(testSuites(built).flatMap(({ source }) => source.shards));
    const chosen = validationSuites(built).flatMap(({ source }) => source.shards);
    assert.ok(chosen.length > 0 && !chosen.some((file) => test.has(file)));
  });
});

describe("the searches of the report", () => {
  it("say of each text whether it was trained on", () => {
    const { queries, about, isRight, caption } = iconSearches(built);
    assert.ok(queries.includes("shopping cart"));
    assert.equal(about?.("shopping cart"), "not a name in training");
    const [known = ""] = json("classes/test.json") as string[];
    assert.equal(about?.(known), "trained on drawings by 17 authors");
    const [unseen = ""] = json("classes/test-unseen.json") as string[];
    assert.match(about?.(unseen) ?? "", /^never seen/);
    const picture = (label: string) => ({ key: "lucide/bell-off", label, meta: {} });
    assert.equal(caption?.(picture("bell off")), "bell off");
    assert.equal(isRight?.("off bells", picture("bell off")), true);
    assert.equal(isRight?.("bell", picture("bell off")), false);
  });
});

describe("the summary", () => {
  const row = (key: string, value: number): MetricRow => ({
    ...{ key, value, chance: 1 / 575, unit: "share", count: 617 },
    interval: { low: value - 0.02, high: value + 0.02 },
  });
  const suites = [
    {
      name: "lucide",
      tasks: [{ rows: [row("lucide/name/top1", 0.7512), row("lucide/name/top5", 0.9)] }],
    },
  ] as unknown as SuiteResult[];

  it("is what was trained on where nothing was measured", () => {
    const [line = "", ...others] = summaryLines([], built);
    assert.match(line, /^A model .* learned from .* by 17 authors\.$/);
    assert.deepEqual(others, []);
  });
  it("puts each number beside guessing, and leaves out what was not measured", () => {
    const lines = summaryLines(suites, built);
    assert.equal(lines.filter((line) => line.includes("The lucide")).length, 1);
    assert.match(lines.join("\n"), /The lucide +75\.1 % +90\.0 % +0\.17 % +617/);
    assert.doesNotMatch(lines.join("\n"), /NaN|undefined|never seen {2}/);
    const { facts, text } = summaryOf(suites, built);
    assert.deepEqual(facts, [
      {
        label: "The lucide: named right, first guess",
        value: "75.1 %",
        note: "guessing 0.17 %",
      },
    ]);
    assert.match(text.join(" "), /by 17 authors .* about 3 things that nobody's/s);
  });
});
