import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
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
  assert.throws(() => suiteOf("a.csv", { retrieval: true }), /--retrieval means nothing/);
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
  assert.deepEqual(suiteOf("a.csv", { classes: "c.json", templates: "bare" }).tasks[0], {
    kind: "zeroShot",
    name: "zeroShot",
    classes: "c.json",
    answer: "label",
    templates: "bare",
  });
});

test("templates are a set, or the lines of a file or of a folder of CLIP_benchmark", () => {
  const lines = path.join(folder, "zeroshot_classification_templates.txt");
  writeFileSync(lines, "a photo of a {c}.\r\n\nart of the {}.\n");
  const wanted = ["a photo of a {c}.", "art of the {}."];
  assert.deepEqual(templatesOf(lines), wanted);
  assert.deepEqual(templatesOf(folder), wanted);
  assert.equal(templatesOf("simple"), "simple");
  const task = suiteOf("a.csv", { classes: "c.json", templates: lines }).tasks[0];
  assert.deepEqual(task && "templates" in task && task.templates, wanted);
  assert.throws(() => templatesOf("fotos"), {
    name: "UsageError",
    message: /^Expected one of bare, photo, simple or a file for --templates but received "fotos"/,
  });
  const json = path.join(folder, "templates.json");
  for (const value of [wanted, { imagenet1k: wanted }, { templates: wanted, version: 1 }]) {
    writeFileSync(json, JSON.stringify(value));
    assert.deepEqual(templatesOf(json), wanted);
  }
  writeFileSync(json, JSON.stringify({ a: wanted, b: wanted }));
  assert.throws(
    () => templatesOf(json),
    /a list of templates .* received several \(a, b, \.\.\.\)/,
  );
  writeFileSync(json, "[1]");
  assert.throws(() => templatesOf(json), /a list of templates in .* but received none; write/);
  writeFileSync(lines, "a photo\n");
  assert.throws(() => templatesOf(lines), /with {} or {c} in .*\.txt, .* received "a photo"; mark/);
  writeFileSync(lines, "\n");
  assert.throws(() => templatesOf(lines), /but received none; mark/);
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
