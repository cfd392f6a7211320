/** The templates that a model carries: read in every layout, and kept by whatever writes a model. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

import { endToEnd, endToEndPairs, endToEndPath } from "../../test/support/end-to-end-goldens.ts";
import { saveTinyModel } from "../../test/support/tiny-model.ts";
import { loadModel } from "../inference/load-model.ts";
import { describeModel } from "./describe-model.ts";
import { templatesFile } from "./folder-templates.ts";
import { interpolateWeights } from "./interpolate-weights.ts";
import { saveLayouts } from "./layouts/writers.ts";

const root = mkdtempSync(join(tmpdir(), "limn-carried-"));
after(() => rmSync(root, { recursive: true }));

const templates = ["an icon of {}", "{}"];
let plain: string;
let model: string;
before(async () => {
  plain = await saveTinyModel(join(root, "plain"));
  model = join(root, "model");
  cpSync(plain, model, { recursive: true });
  // Other places of the name are read as well.
  writeFileSync(join(model, templatesFile), '["an icon of {c}", "{}"]');
});

test("a file that is no list of templates is refused, naming it", async () => {
  const folder = join(root, "damaged");
  cpSync(plain, folder, { recursive: true });
  const cases: [string, RegExp][] = [
    [
      "[]",
      /^Expected a JSON list of templates with \{\} in .*zero_shot_templates\.json but it holds \[\]/,
    ],
    ['{"a": 1}', /but it holds \{"a":1\}; correct the file, or remove it$/],
    ['["{}", 3]', /but it holds 3;/],
    ['["{}", "a photo"]', /but it holds "a photo";/],
    ["[", /zero_shot_templates\.json but .*JSON/],
    [`["{}${" ".repeat(1 << 20)}"]`, /are more than the 1048576 allowed here/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(join(folder, templatesFile), text);
    const between = (path: string): Promise<unknown> =>
      interpolateWeights(plain, path, { alpha: 0.5, out: join(root, "never") });
    for (const open of [loadModel, describeModel, between]) {
      await assert.rejects(open(folder), { name: "CheckpointError", message });
    }
  }
});

test("a folder with the file has them in every layout, one without has none", async () => {
  for (const pair of endToEndPairs) {
    const path = endToEndPath(pair);
    const { given } = endToEnd(pair);
    assert.equal((await describeModel(path, given)).templates, null, pair.name);
    // A file alone is a model without a folder.
    if ("file" in pair) continue;
    const folder = join(root, "layouts", pair.name);
    cpSync(path, folder, { recursive: true });
    writeFileSync(join(folder, templatesFile), JSON.stringify(templates));
    assert.deepEqual((await describeModel(folder, given)).templates, templates, pair.name);
  }
});

test("they are saved with the model in every layout, and those of the fine-tuned one between two", async () => {
  const clip = join(root, "layouts", "clip");
  const loaded = await loadModel(clip);
  assert.deepEqual(loaded.templates, templates);
  for (const layout of saveLayouts) {
    const folder = join(root, "saved", layout);
    await loaded.save(folder, { layout });
    assert.deepEqual(JSON.parse(readFileSync(join(folder, templatesFile), "utf8")), templates);
    const again = await loadModel(folder);
    assert.deepEqual(again.templates, templates);
    again.dispose();
  }
  loaded.dispose();
  const out = join(root, "between");
  await interpolateWeights(plain, model, { alpha: 0.5, out });
  assert.deepEqual((await describeModel(out)).templates, templates);
  await interpolateWeights(model, plain, { alpha: 0.5, out });
  assert.equal(existsSync(join(out, templatesFile)), false);
});

test("a file beside a model that is a file alone is not its own", async () => {
  const pair = endToEndPairs.find((one) => "file" in one)!;
  const path = endToEndPath(pair);
  const folder = join(root, "alone");
  cpSync(dirname(path), folder, { recursive: true });
  writeFileSync(join(folder, templatesFile), JSON.stringify(templates));
  const { given } = endToEnd(pair);
  const copy = path.replace(dirname(path), folder);
  assert.equal((await describeModel(copy, given)).templates, null);
});
