import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { readTemplates } from "./read-templates.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-templates-"));
after(() => rmSync(folder, { recursive: true }));
const benchmark = path.join(folder, "zeroshot_classification_templates.txt");
const json = path.join(folder, "templates.json");
const wanted = ["a photo of a {}.", "art of the {}."];

function refuses(choice: string | readonly string[], message: RegExp): void {
  assert.throws(() => readTemplates(choice, "--templates"), {
    name: "SettingError",
    path: "--templates",
    message,
  });
}

test("what is neither a set, a text with a place nor a file is refused", () => {
  refuses(
    "phot",
    /^Expected one of bare, photo, simple, a text with \{\}, or a file for --templates but received "phot"; .* Did you mean "photo"\?$/,
  );
  refuses("a photo", /received "a photo"; mark with \{\} where/);
  refuses("", /received ""; mark/);
  refuses([], /at least one template for --templates but received none/);
  refuses(["bare", "a photo"], /received "a photo"/);
  refuses(path.join(folder, "none.txt"), /or a file for --templates but received/);
});

test("a file that holds no templates is refused, with what it holds", () => {
  writeFileSync(json, JSON.stringify({ a: wanted, b: wanted }));
  refuses(json, /a list of templates .* received several \(a, b, \.\.\.\)/);
  // As CuPL has prompts, for each class its own.
  writeFileSync(json, JSON.stringify({ imagenet1k: { tench: ["a tench"] } }));
  refuses(json, /a list of templates in .* but received none; write/);
  for (const [text, message] of [
    ["[1]", /a list of templates in .* but received none; write/],
    ["[]", /templates with \{\} or \{c\} in .* but received none; mark/],
    ['["a photo"]', /received "a photo" \(number 1\); mark/],
    ["{", /cannot read .*templates\.json/],
    ["", /cannot read .*templates\.json \(the file is empty\)/],
  ] as const) {
    writeFileSync(json, text);
    refuses(json, message);
  }
  const lines = path.join(folder, "lines.txt");
  writeFileSync(lines, "a {}\na photo\n");
  refuses(lines, /with \{\} or \{c\} in .*lines\.txt, .* received "a photo" \(line 2\); mark/);
  writeFileSync(lines, "\n");
  refuses(lines, /but received none; mark/);
  writeFileSync(lines, Buffer.alloc((16 << 20) + 1, "{}\n"));
  refuses(lines, /cannot read .*lines\.txt \(.* more than the 16777216 allowed here/);
  const empty = path.join(folder, "empty");
  mkdirSync(empty);
  refuses(empty, /cannot read .*zeroshot_classification_templates\.txt/);
});

test("sets, texts and files give their templates, several together", () => {
  writeFileSync(benchmark, "a photo of a {c}.\r\n\nart of the {}.\n");
  assert.deepEqual(readTemplates("bare"), ["{}"]);
  assert.deepEqual(readTemplates("an icon of {label}"), ["an icon of {}"]);
  assert.deepEqual(readTemplates(benchmark), wanted);
  assert.deepEqual(readTemplates(folder), wanted);
  assert.deepEqual(readTemplates([folder, "bare", "an {c}"]), [...wanted, "{}", "an {}"]);
  for (const value of [wanted, { imagenet1k: wanted }, { templates: wanted, version: 1 }]) {
    writeFileSync(json, JSON.stringify(value));
    assert.deepEqual(readTemplates(json), wanted);
  }
});
