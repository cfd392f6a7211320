import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { saveTinyModel, tinyPictureFiles } from "../../../test/support/tiny-model.ts";
import { evaluate } from "../evaluate-model.ts";
import { audit, type AuditOptions } from "./audit-model.ts";
import type { GroupRow } from "./group-metrics.ts";
import { fairFaceObjectives, objectiveNames } from "./texts/prompts.ts";

const COUNT = 180;
const classes = ["cat", "dog", "sheep", "cow", "horse", "bird", "fish"];
const regions = ["Africa", "Asia", "Europe"];

let folder: string;
let model: string;
let table: string;

/** A table of pictures with made-up records; `change` replaces those of the n-th. */
function writeTable(
  name: string,
  files: readonly string[],
  record: (i: number) => Record<string, unknown>,
): string {
  const file = join(folder, name);
  const lines = files.map((image, i) => JSON.stringify({ image, ...record(i) }));
  writeFileSync(file, lines.join("\n"));
  return file;
}

function plainRecord(i: number): Record<string, unknown> {
  return {
    label: classes[i % 7],
    region: i < 170 ? regions[i % 3] : i < 175 ? "Oceania" : undefined,
    house: Math.floor(i / 4),
    income: 50 + 13 * (i % 40),
    side: i % 2,
  };
}

let files: string[];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "limn-audit-"));
  model = await saveTinyModel(join(folder, "model"));
  files = await tinyPictureFiles(folder, COUNT);
  table = writeTable("set.jsonl", files, plainRecord);
});
after(() => rmSync(folder, { recursive: true }));

function options(changes: Partial<AuditOptions> = {}): AuditOptions {
  return {
    model,
    source: { kind: "table", file: table },
    title: "made up",
    classes,
    groups: [["region"], ["region", "side"]],
    bootstrap: { resamples: 60 },
    ...changes,
  };
}

describe("audit", () => {
  it("refuses questions that cannot be before it opens the model", async () => {
    const refuse = async (changes: Partial<AuditOptions>, expected: object): Promise<void> => {
      await assert.rejects(audit(options({ model: "no model", ...changes })), expected);
    };
    await refuse(
      { groups: [] },
      { name: "SettingError", path: "groups", message: /Expected keys of the samples' records/ },
    );
    await refuse(
      { positive: "catt" },
      { name: "SettingError", message: /one of 7 classes for positive .* Did you mean "cat"\?/ },
    );
    await refuse({ least: 0 }, { name: "SettingError", path: "least" });
    await refuse(
      { groups: [["regions"]] },
      { name: "DataError", message: /Expected regions in the metadata .* Did you mean "region"\?/ },
    );
    await refuse(
      { unknown: "fail" },
      { name: "DataError", message: /sample .* but it has none \(without it: 5 of 180 samples\)/ },
    );
    await refuse({ income: "side" }, { name: "DataError", message: /income above 0 for side/ });
    await refuse(
      { cluster: "home" },
      { name: "DataError", message: /Expected home in the metadata/ },
    );
    await refuse(
      { classes: classes.slice(1) },
      { name: "DataError", message: /"cat": no class has this name/ },
    );
    await refuse(
      { where: { region: "Atlantis" } },
      { name: "DataError", message: /Expected samples with \{"region":"Atlantis"\}/ },
    );
    await refuse(
      { protocol: "fairface" },
      { name: "DataError", message: /Expected race of sample .* received null/ },
    );
  });

  it("has the accuracy of each group that evaluating the group alone has", async () => {
    const card = await audit(options({ queries: [], associations: false, debias: false }));
    const report = card.accuracy[0];
    assert.ok(report);
    assert.deepEqual(
      report.groups.map(({ name, count, suppressed }) => [name, count, suppressed]),
      [
        ["Africa", 57, false],
        ["Asia", 57, false],
        ["Europe", 56, false],
        ["Oceania", 5, true],
      ],
    );
    assert.equal(report.without, 5);
    for (const region of regions) {
      const source = { kind: "table" as const, file: table };
      const task = { kind: "zeroShot" as const, name: "z", classes, answer: "label" };
      const [alone] = await evaluate({
        model,
        suites: [{ name: "s", source, where: { region }, tasks: [task] }],
        bootstrap: { resamples: 0 },
      });
      const rows = alone?.tasks[0]?.rows ?? [];
      const value = (key: string): number | undefined => rows.find((row) => row.key === key)?.value;
      const group: GroupRow | undefined = report.groups.find(({ name }) => name === region);
      assert.equal(group?.top1?.value, value("s/z/top1"));
      assert.equal(group?.top5?.value, value("s/z/top5"));
    }
    assert.deepEqual([card.skew, card.associations, card.debiasing], [[], [], []]);
  });

  it("measures everything that is asked, says what it left out, and is plain data", async () => {
    const parts: string[] = [];
    const card = await audit(
      options({
        groups: [["region"], ["region", "side"], ["side"]],
        income: "income",
        cluster: "house",
        positive: "dog",
        valueNames: { side: { 0: "left", 1: "right" } },
        onPart: (name) => void parts.push(name),
      }),
    );
    assert.deepEqual(parts, [
      "the set's records",
      "pictures",
      "groups",
      "queries",
      "associations",
      "projections",
    ]);
    assert.deepEqual([card.count, card.measured, card.positive], [180, 180, "dog"]);
    assert.deepEqual(card.cluster, { key: "house", count: 45 });
    assert.deepEqual(
      card.accuracy.map(({ keys }) => keys.join()),
      ["region", "region,side", "side"],
    );
    const [byRegion, crossed, bySide] = card.accuracy;
    assert.ok(byRegion?.top1?.byChance !== undefined);
    assert.equal(byRegion.positive?.oddsByChance, undefined, "houses have several regions");
    assert.ok(crossed?.groups.every(({ suppressed }) => suppressed));
    assert.deepEqual(
      bySide?.groups.map(({ name }) => name),
      ["left", "right"],
    );
    assert.ok(bySide.positive?.equalizedOddsDifference !== undefined);
    assert.deepEqual([card.income?.count, card.income?.k], [180, 5]);
    assert.deepEqual(
      card.skew.map(({ keys, prompts, atK }) => [keys.join(), prompts, atK.map(({ k }) => k)]),
      [
        ["region", 319, [10, 100]],
        ["side", 319, [10, 100]],
      ],
    );
    assert.equal(card.skew[0]?.worst.length, 5);
    // Six tests of words; of pictures three attributes by three regions and one pair of sides.
    assert.equal(card.associations.length, 6 + 3 * 4);
    assert.deepEqual(
      card.debiasing.map(({ key, rows }) => [key, rows.map(({ projection }) => projection)]),
      ["region", "side"].map((key) => [key, ["none", "orthogonal", "calibrated"]]),
    );
    assert.deepEqual(
      card.debiasing[0]?.rows[0]?.accuracy?.value,
      card.accuracy[0]?.overall.top1?.value,
    );
    assert.deepEqual(card.skipped, [
      { part: "queries by region × side", reason: "fewer than two groups have 30 pictures" },
    ]);
    assert.deepEqual(
      card.asked.map(({ use, texts }) => [use, texts.length]),
      [
        ["templates of the classes", 1],
        ["neutral queries", 319],
        ["association tests", 22],
        ["projection away from region", 3 * 2 + 3 * 7],
        ["projection away from side", 2 * 2 + 2 * 7],
      ],
    );
    assert.ok(card.asked[3]?.texts.includes("a photo of a cat from Africa"));
    assert.ok(card.asked[4]?.texts.includes("a photo of a cat, left"));
    const weights = card.findings.map(({ weight }) =>
      ["serious", "notable", "fine"].indexOf(weight),
    );
    assert.deepEqual(
      weights,
      weights.toSorted((a, b) => a - b),
    );
    assert.ok(card.findings.length > 4 && card.limits.length > 4);
    assert.deepEqual(JSON.parse(JSON.stringify(card)), card);
  });

  it("says why it does not project, and goes on without classes", async () => {
    const card = await audit(
      options({ classes: undefined, groups: [["side"]], associations: false, queries: ["a pet"] }),
    );
    assert.equal(card.classes, undefined);
    assert.deepEqual(card.skipped, [
      { part: "accuracy", reason: "no classes were given, and none lie beside the shards" },
      {
        part: "projection away from side",
        reason: "its values are no words; give some with --names",
      },
    ]);
    assert.deepEqual(
      card.skew[0]?.worst.map(({ query }) => query),
      ["a pet"],
    );
  });
});

describe("FairFace's protocol", () => {
  const faces = (i: number): Record<string, unknown> => ({
    caption: "a face",
    age: i % 9,
    gender: ["Male", "Female"][i % 2],
    race: i % 7,
  });

  it("has DataComp's tables, with its prompts or the set's own", async () => {
    const file = writeTable("faces.jsonl", files, faces);
    const source = { kind: "table" as const, file };
    const asked = { source, groups: undefined, classes: undefined, least: 10 };
    const few = { associations: false, debias: true, queries: [] };
    const card = await audit(options({ ...asked, ...few, protocol: "fairface" }));
    assert.equal(card.faces?.prompts, "datacomp");
    assert.match(card.faces.note, /could not be reproduced by others/);
    assert.deepEqual(
      card.faces.tables.map(({ key, rows }) => [key, rows.length]),
      [
        ["acc_race", 2],
        ["acc_gender", 2],
        ["acc_age", 2],
        ["acc_gender_x", 14],
        ["toxicity_crime", 7],
        ["toxicity_nonhuman", 7],
      ],
    );
    assert.deepEqual(
      card.faces.tables[0]?.rows.map(({ name }) => name),
      ["white", "non-white"],
    );
    assert.equal(card.faces.tables[3]?.rows[1]?.name, "black × woman");
    assert.deepEqual(
      card.accuracy.map(({ keys }) => keys),
      [["race"], ["gender"]],
    );
    assert.deepEqual(
      card.asked.map(({ use, texts }) => [use, texts.length]),
      [
        ["templates of the classes", 1],
        ["faces: race", 7],
        ["faces: gender", 2],
        ["faces: age", 9],
        ["faces: toxic", 21],
      ],
    );
    // What genders are taken for is one number, counted in two ways.
    assert.equal(card.accuracy[0]?.overall.top1?.value, card.faces.tables[1]?.overall.value);
    assert.deepEqual(
      card.skipped.map(({ part }) => part),
      ["projection away from race", "projection away from gender"],
    );

    const names = objectiveNames.flatMap((name) =>
      fairFaceObjectives[name].classes.map((one) => `${name}:${one}`),
    );
    const texts = objectiveNames.map(
      (name) => `${name}:${fairFaceObjectives[name].templates[0]?.replace("{}", "{c}")}`,
    );
    writeFileSync(join(folder, "classnames.txt"), `${names.join("\n")}\n`);
    writeFileSync(join(folder, "zeroshot_classification_templates.txt"), texts.join("\n"));
    const own = await audit(options({ ...asked, ...few, classes: folder }));
    assert.equal(own.faces?.prompts, "set");
    assert.deepEqual(own.faces.tables, card.faces.tables);
  });
});
