import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startLocalHub } from "../../../test/support/local-hub.ts";
import { suiteOf, suitesOf } from "./suite-arguments.ts";
import { templatesOf } from "./template-argument.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-suites-"));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, "suites.json");

test("what means nothing is refused", async () => {
  await assert.rejects(suitesOf(undefined, {}), /Expected a source or --suites after the model/);
  assert.throws(() => suiteOf("a.csv", { answer: "kind" }), {
    name: "UsageError",
    message: "--answer means nothing without --classes; name the classes' file.",
  });
  assert.throws(() => suiteOf("a.csv", { "unknown-labels": "skip" }), /--unknown-labels means/);
  assert.throws(() => suiteOf("a.csv", { templates: ["bare"] }), /--templates means nothing/);
  const suites = file;
  await assert.rejects(
    suitesOf("a.csv", { suites }),
    /--suites alone .* the source a\.csv as well/,
  );
  await assert.rejects(suitesOf(undefined, { suites, classes: "c.json" }), /received --classes/);
  await assert.rejects(suitesOf(undefined, { suites, root: "x" }), /received --root as well/);
});

test("a source alone is measured by retrieval, with classes by zero-shot, by both when asked", () => {
  const kinds = (flags: Parameters<typeof suiteOf>[1]): string[] =>
    suiteOf("a.csv", flags).tasks.map(({ kind }) => kind);
  assert.deepEqual(kinds({}), ["retrieval"]);
  assert.deepEqual(kinds({ classes: "c.json" }), ["zeroShot"]);
  assert.deepEqual(kinds({ classes: "c.json", retrieval: true }), ["zeroShot", "retrieval"]);
  assert.deepEqual(kinds({ retrieval: true }), ["retrieval"]);
  const flags = { classes: "c.json", templates: ["bare"], "unknown-labels": "skip" } as const;
  assert.deepEqual(suiteOf("a.csv", { ...flags, templates: ["bare"] }).tasks[0], {
    kind: "zeroShot",
    name: "zeroShot",
    classes: "c.json",
    answer: "label",
    unknownLabels: "skip",
    templates: ["{}"],
  });
});

test("templates are those of all flags together, and a usage error where they are none", () => {
  assert.deepEqual(templatesOf(["bare", "an {c}"]), ["{}", "an {}"]);
  assert.equal(templatesOf(undefined), undefined);
  assert.throws(() => templatesOf(["fotos"]), {
    name: "UsageError",
    message: /^Expected one of bare, photo, simple, .* for --templates but received "fotos"/,
  });
});

test("metrics are named by the file or folder that is measured", () => {
  const names: [string, string][] = [
    ["sets/test.csv", "test"],
    ["sets/imagenetv2.csv.gz", "imagenetv2"],
    ["sets/run-7.csv", "run-7"],
    ["sets/test-{000..003}.tar", "test"],
    ["sets/val_*.tar", "val"],
    ["wds_cars/test/*.tar", "test"],
    ["wds_cars/test/{0..7}.tar", "test"],
    ["wds_cars/test/0.tar", "test"],
    ["data/train-00000-of-00013.parquet", "train"],
    ["data/train-{00000..00012}-of-00013.parquet", "train"],
    ['{"kind":"folder","directory":"sets/photos"}', "photos"],
    ['{"kind":"webdataset","shards":["a/x.tar","a/y.tar"]}', "a"],
  ];
  for (const [source, name] of names) assert.equal(suiteOf(source, {}).name, name, source);
  mkdirSync(path.join(folder, "photos"));
  assert.equal(suiteOf(path.join(folder, "photos"), {}).name, "photos");
  assert.equal(suiteOf(".", {}).name, path.basename(process.cwd()));
});

test("the names beside CLIP_benchmark's shards are the classes, unless others or retrieval are asked for", () => {
  const cars = path.join(folder, "wds_cars");
  const split = path.join(cars, "test");
  mkdirSync(split, { recursive: true });
  for (const name of ["0.tar", "nshards.txt"]) writeFileSync(path.join(split, name), "1");
  const tasks = (source: string, flags: Parameters<typeof suiteOf>[1] = {}): unknown[] =>
    suiteOf(source, flags).tasks.map((task) => ("classes" in task ? task.classes : task.kind));
  assert.deepEqual(tasks(split), ["retrieval"]);
  writeFileSync(path.join(cars, "classnames.txt"), "a\nb\n");
  assert.deepEqual(tasks(split), [cars]);
  assert.deepEqual(tasks(path.join(split, "{0..1}.tar")), [cars]);
  assert.deepEqual(tasks(split, { classes: "c.json" }), ["c.json"]);
  assert.deepEqual(tasks(split, { retrieval: true }), ["retrieval"]);
  assert.deepEqual(tasks(path.join(cars, "test.csv")), ["retrieval"]);
});

test("a set of CLIP_benchmark is measured as it says, by its own folder or a split's", () => {
  const sets = new URL("../../../../test/goldens/benchmark-sets/", import.meta.url).pathname;
  const notes: string[] = [];
  const suite = (
    source: string,
    flags: Parameters<typeof suiteOf>[1] = {},
  ): ReturnType<typeof suiteOf> => suiteOf(source, flags, (text) => notes.push(text));
  const found = suite(path.join(sets, "wds_classes"));
  assert.equal(found.name, "wds_classes");
  assert.equal(suite(path.join(sets, "wds_classes", "test")).name, "test");
  assert.deepEqual(found.source, {
    kind: "webdataset",
    shards: [0, 1, 2].map((number) => path.join(sets, "wds_classes", "test", `${number}.tar`)),
  });
  const captions = suite(path.join(sets, "wds_captions"));
  assert.deepEqual(
    captions.tasks.map(({ kind }) => kind),
    ["retrieval"],
  );
  assert.equal((captions.source as { captionPerLine?: boolean }).captionPerLine, true);
  const labels = suite(path.join(sets, "wds_labels"));
  assert.deepEqual(labels.tasks, [
    {
      kind: "multilabel",
      name: "multilabel",
      classes: path.join(sets, "wds_labels"),
      templates: undefined,
      answer: "npy",
    },
  ]);
  assert.deepEqual(notes, []);
  const cut = path.join(folder, "wds_cut");
  cpSync(path.join(sets, "wds_classes"), cut, { recursive: true });
  writeFileSync(path.join(cut, "test", "nshards.txt"), "2");
  suite(cut);
  assert.match(notes.join(), /2\.tar in .* is not read/);
  rmSync(path.join(cut, "test", "0.tar"));
  assert.throws(() => suite(cut), /0\.tar is missing/);
  assert.throws(() => suite(cut, { retrieval: true }), /0\.tar is missing/);
});

test("a set of the hub is a source", async (t) => {
  const bytes = Buffer.from("image,caption\na.jpg,a cat\n");
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const files = { "test.csv": { bytes, lfs: false } };
  const hub = await startLocalHub({
    "datasets/org/cats": { commit, revisions: ["main"], files },
  });
  const before = { ...process.env };
  Object.assign(process.env, {
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_CACHE: path.join(folder, "cache"),
  });
  t.after(async () => {
    process.env = before;
    await hub.close();
  });
  const [suite] = await suitesOf("hf://datasets/org/cats/test.csv", {});
  assert.deepEqual([suite?.name, suite?.title], ["test", "hf://datasets/org/cats/test.csv"]);
  const source = suite?.source as { file?: string } | undefined;
  assert.match(source?.file ?? "", /datasets--org--cats.*test\.csv$/);
  const [whole] = await suitesOf("hf://datasets/org/cats", { offline: true });
  assert.equal(whole?.name, "cats");
  await assert.rejects(suitesOf("hf://datasets/org/dogs", { offline: true }), {
    failure: "offline",
  });
});

test("a file of suites is an array or a recipe, and says what is wrong with it", async () => {
  const suite = {
    name: "a",
    source: { kind: "table", file: "a.csv" },
    tasks: [{ kind: "retrieval" }],
  };
  const read = (value: unknown): ReturnType<typeof suitesOf> => {
    writeFileSync(file, JSON.stringify(value));
    return suitesOf(undefined, { suites: file });
  };
  assert.equal((await read([suite]))[0]?.name, "a");
  assert.equal((await read({ evaluate: { suites: [suite] } }))[0]?.tasks[0]?.name, "retrieval");
  await assert.rejects(read([]), { name: "RecipeError", message: /Expected suites in .* none/ });
  await assert.rejects(read({}), { name: "RecipeError" });
  await assert.rejects(read([{ ...suite, task: [] }]), /Did you mean "tasks"|only known keys/);
});
