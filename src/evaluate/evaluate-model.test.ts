import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, test } from "node:test";

import { saveTinyModel } from "../../test/support/tiny-model.ts";
import { tinyData, type TinyData } from "../../test/support/tiny-run.ts";
import { evaluate } from "./evaluate-model.ts";
import type { Suite } from "./run-suite.ts";

let data: TinyData;
let model: string;
before(async () => {
  data = await tinyData(8);
  model = await saveTinyModel(`${data.folder}/model`);
});
after(() => rmSync(data.folder, { recursive: true }));

function suiteOf(classes: string[], unknownLabels?: "skip"): Suite {
  const source = { kind: "webdataset" as const, shards: data.shards };
  const task = { kind: "zeroShot" as const, name: "color", classes, answer: "label" };
  return { name: "squares", source, tasks: [{ ...task, unknownLabels }] };
}

test("labels that are none of the classes of any suite are found before the model is opened", async () => {
  const suites = [suiteOf(["red", "green", "blue", "yellow"]), suiteOf(["red", "green"])];
  await assert.rejects(evaluate({ model: "no model", suites }), {
    name: "DataError",
    message:
      /received "blue": no class has this name \(of no class: 4 of 8 samples\); .* \(squares\/color\)$/,
  });
  const all = evaluate({ model: "no model", suites: suites.slice(0, 1) });
  await assert.rejects(all, { name: "CheckpointError" });
});

test("a model is measured on the pictures whose labels are classes, and says what it left out", async () => {
  const titles: string[] = [];
  const [result] = await evaluate({
    model,
    suites: [suiteOf(["red", "green"], "skip")],
    bootstrap: { resamples: 0 },
    onSuite: (title) => void titles.push(title),
  });
  const [task] = result?.tasks ?? [];
  assert.deepEqual(titles, ["squares"]);
  assert.deepEqual(
    task?.rows.map(({ key, count }) => [key, count]),
    [
      ["squares/color/top1", 4],
      ["squares/color/top5", 4],
      ["squares/color/meanPerClass", 4],
    ],
  );
  assert.equal(
    task.notes[1],
    '4 of 8 pictures left out: their labels are none of the classes, such as "blue", "yellow"',
  );
});
