import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { renderReport } from "../../report/report.ts";
import { tinyData, type TinyData } from "../../../test/support/tiny-run.ts";
import { plainRecipe } from "../../../test/support/tiny-towers.ts";
import { runReport } from "../../train/run/run-report.ts";
import { train, type TrainResult } from "../../train/train-pair.ts";
import { describeRun, runJson } from "./run-outcome.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-train-result-"));
let data: TinyData;
let result: TrainResult;

before(async () => {
  data = await tinyData(8);
  // So few steps never switch LIxP's context on.
  const objective = { kind: "lixp", base: "softmax", contextTemperatureInit: 1 } as const;
  const recipe = { ...plainRecipe(data), objective };
  result = await train({ recipe, directory: join(folder, "run"), set: ["train.steps=2"] });
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

const warning = /The context branch of LIxP never switched on/;

test("an objective's warnings are in the text, in the JSON and at the top of the report", async () => {
  assert.match(result.warnings.join(), warning);
  assert.match(describeRun(result), /^Warning: The context branch of LIxP never switched on: /m);
  assert.match(JSON.stringify(runJson(result)), warning);
  const html = renderReport(await runReport(result));
  assert.match(
    html,
    /<main><section id="warnings"><h2>Warnings<\/h2><ul class="card warnings"><li>/,
  );
  assert.match(html, warning);
  assert.match(html, /<a href="#warnings">Warnings<\/a>/);
});

test("a sample that every epoch skips is named once", () => {
  const bad = { file: "a.tar", key: "k", reason: "it has no caption" };
  const file = { file: "p/b.jpg", key: "b.jpg", reason: "the file does not exist" };
  assert.match(
    describeRun({ ...result, skipped: 3, badSamples: [bad, bad, file] }),
    /^Samples that cannot be used were skipped 3 times, such as:\n {2}k in a\.tar: it has no caption\n {2}p\/b\.jpg: the file does not exist$/m,
  );
});

test("without warnings there is no word of them", async () => {
  const fine = { ...result, warnings: [] };
  assert.doesNotMatch(describeRun(fine), /Warning/);
  assert.doesNotMatch(renderReport(await runReport(fine)), /Warning/);
});
