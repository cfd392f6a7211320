import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { checkSuite } from "../check-suite.ts";
import type { OpenedSet } from "../evaluate-suite.ts";
import { dataComp38 } from "./datacomp-38.ts";
import { openSet, setsToMeasure, type OpenSuiteOptions } from "./open-set.ts";
import { readSuite } from "./read-suite.ts";
import type { SetDefinition } from "./suite.ts";

const goldens = new URL("../../../../test/goldens/", import.meta.url).pathname;
const sets = join(goldens, "benchmark-sets");
const root = mkdtempSync(join(tmpdir(), "limn-suites-"));
after(() => rmSync(root, { recursive: true }));

const file = join(root, "mine.json");
const read = (value: unknown): ReturnType<typeof readSuite> => {
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return readSuite(file);
};
const named = (name: string): SetDefinition => dataComp38.sets.find((set) => set.name === name)!;
function opened(set: OpenedSet): Exclude<OpenedSet, { missing: string }> {
  assert.ok("suite" in set, JSON.stringify(set));
  return set;
}

describe("a file of the user's own suite, misused", () => {
  const refuses = (value: unknown, message: RegExp): Promise<void> =>
    assert.rejects(read(value), { name: "DataError", message });
  const photos = {
    name: "a",
    source: { kind: "folder", directory: "." },
    tasks: [{ kind: "retrieval" }],
  };

  it("is refused with the place, the value and what is near", async () => {
    await assert.rejects(
      readSuite("datacomp38"),
      /^DataError: Expected one of datacomp-38, .*, or a JSON file, for the suite but received "datacomp38"; .*Did you mean "datacomp-38"\?$/,
    );
    await refuses("{", /Expected a suite in .*mine\.json but could not read it/);
    await refuses([], /for the suite in .*mine\.json but received \[\]/);
    await refuses({}, /Expected a list of sets for sets in .* but received nothing/);
    await refuses({ sets: [] }, /at least one set for sets/);
    await refuses(
      { set: [photos], sets: [photos] },
      /only known keys for the suite in .* "set"; .*Did you mean "sets"\?$/,
    );
    await refuses(
      { sets: [{ ...photos, tsks: [] }] },
      /known keys for sets\.0 in .* "tsks"; .*Did you mean "tasks"/,
    );
    await refuses(
      { sets: [{ ...photos, samples: 0.5 }] },
      /a whole number for sets\.0\.samples .* received 0\.5/,
    );
    await refuses(
      { sets: [{ ...photos, tasks: [{ kind: "zeroshot" }] }] },
      /tasks\.0\.kind in .* "zeroshot"; .*"zeroShot"\? \(sets\.0 of/,
    );
    await refuses(
      { sets: [{ ...photos, tasks: [{ kind: "zeroShot", clases: "a" }] }] },
      /known keys for tasks\.0 in .* "clases"; .*Did you mean "classes"\? \(sets\.0/,
    );
    await refuses(
      { sets: [{ ...photos, source: { kind: "folder", dir: "x" } }] },
      /"dir".*directory/,
    );
    await assert.rejects(read({ sets: [{ ...photos, hub: "org/x" }] }), {
      failure: "reference",
      message: /write "hf:\/\/datasets\/org\/x"/,
    });
    await refuses({ sets: [photos, photos] }, /one set called "a" in .* rename one/);
    await refuses(
      { sets: [{ name: "a" }] },
      /tasks for the set "a" in .* received none; say what is measured/,
    );
    await refuses(
      { sets: [photos], averages: [{ name: "x", of: ["b"] }] },
      /names of its sets for averages\.0\.of in .* received "b"/,
    );
    await refuses(
      { sets: [photos], averages: [{ name: "x", off: ["a"] }] },
      /"off"; .*Did you mean "of"/,
    );
  });
});

describe("sets", () => {
  it("that are nowhere are missing, with where they were looked for", async () => {
    const set = named("vtab/pets");
    assert.deepEqual(await openSet(set, { root }), {
      missing: `no wds_vtab-pets_test, wds_vtab-pets or vtab-pets in ${root}`,
    });
    assert.deepEqual(await openSet(set, {}), { missing: "no folder of sets was given" });
  });

  it("that are damaged say where", async () => {
    const folder = join(root, "wds_vtab-dtd_test");
    cpSync(join(sets, "wds_classes"), folder, { recursive: true });
    rmSync(join(folder, "test", "1.tar"));
    await assert.rejects(openSet(named("vtab/dtd"), { root }), /1\.tar is missing/);
  });

  it("that are damaged do not keep a file of a suite from being read", async () => {
    const damage: [string, string, (folder: string) => void, RegExp][] = [
      [
        "short",
        "wds_classes",
        (folder) => rmSync(join(folder, "test", "1.tar")),
        /1\.tar is missing/,
      ],
      [
        "placeless",
        "wds_classes",
        (folder) =>
          writeFileSync(join(folder, "zeroshot_classification_templates.txt"), "a photo\n"),
        /"a photo" \(line 1\)/,
      ],
      [
        "typeless",
        "wds_labels",
        (folder) => writeFileSync(join(folder, "dataset_type.txt"), "x"),
        /received "x"/,
      ],
    ];
    for (const [name, from, spoil] of damage) {
      cpSync(join(sets, from), join(root, name), { recursive: true });
      spoil(join(root, name));
    }
    const suite = await read({ sets: damage.map(([name]) => ({ name, source: name })) });
    assert.deepEqual(suite.averages[0]?.of, ["short", "placeless", "typeless"]);
    for (const [i, set] of setsToMeasure(suite, {}).entries()) {
      await assert.rejects(async () => set.open(), damage[i]![3]);
    }
  });

  it("of published suites are found by their folders, with classes, templates, groups and metadata", async () => {
    cpSync(join(sets, "wds_metadata"), join(root, "wds_wilds-fmow_test"), { recursive: true });
    const { suite } = opened(await openSet(named("wilds/fmow"), { root }));
    const folder = join(root, "wds_wilds-fmow_test");
    assert.deepEqual(suite.tasks, [
      {
        kind: "zeroShot",
        name: "zeroShot",
        answer: "label",
        unknownLabels: "fail",
        classes: folder,
        templates: ["satellite imagery of {}."],
        groups: { key: "region" },
      },
    ]);
    assert.deepEqual((suite.source as { npyColumns?: string[] }).npyColumns, [
      "region",
      "year",
      "y",
    ]);
    await checkSuite(suite);
    // With other columns than the set has, no sample is whole.
    const wrong = { ...named("wilds/iwildcam"), folders: ["wds_wilds-fmow_test"] };
    await assert.rejects(
      checkSuite(opened(await openSet(wrong, { root })).suite),
      /it has 3 numbers, and npyColumns 9 names/,
    );
  });

  it("are measured in the languages of a folder that name their classes", async () => {
    const languages = join(root, "languages");
    mkdirSync(languages);
    const write = (name: string, value: unknown): void =>
      writeFileSync(join(languages, name), JSON.stringify(value));
    write("de_classnames.json", { fmow: ["Flughafen", ""] });
    write("it_classnames.json", { pets: ["gatto"] });
    const set = { ...named("wilds/fmow"), classes: 2 };
    const { suite } = opened(await openSet(set, { root, languages }));
    assert.deepEqual(
      suite.tasks.map(({ name, language }) => [name, language]),
      [
        ["zeroShot", undefined],
        ["zeroShot-de", "de"],
      ],
    );
    await checkSuite(suite);
    const three = { ...set, classes: 3 };
    await assert.rejects(openSet(three, { root, languages }), /Expected 3 classes of wilds\/fmow/);
  });

  it("give the split for a temperature that is asked for, where they have it", async () => {
    const folder = join(root, "wds_cars_test");
    cpSync(join(sets, "wds_classes"), folder, { recursive: true });
    const options: OpenSuiteOptions = { root, calibration: true, held: "train" };
    assert.equal(opened(await openSet(named("cars"), options)).held, undefined);
    await assert.rejects(openSet(named("cars"), { ...options, held: "test" }), {
      name: "DataError",
      message: /Expected another split than test of cars to fit temperatures on/,
    });
    cpSync(join(folder, "test"), join(folder, "train"), { recursive: true });
    const { held, suite } = opened(await openSet(named("cars"), options));
    assert.match(JSON.stringify(held), /wds_cars_test\/train\/0\.tar/);
    assert.deepEqual((suite.tasks[0] as { also?: string[] }).also, ["calibration"]);
  });

  it("of a user's file are any source, from the file's folder on", async () => {
    cpSync(join(goldens, "pictures"), join(root, "pictures"), { recursive: true });
    writeFileSync(join(root, "test.csv"), "image,caption,label\nodd.png,a,x\nwide.png,b,y\n");
    writeFileSync(join(root, "names.txt"), "x\ny\n");
    cpSync(join(sets, "wds_labels"), join(root, "wds_labels"), { recursive: true });
    cpSync(join(sets, "wds_captions"), join(root, "captions"), { recursive: true });
    const suite = await read({
      sets: [
        {
          name: "table",
          source: { kind: "table", file: "test.csv", root: "pictures" },
          tasks: [{ kind: "zeroShot", classes: "names.txt" }, { kind: "retrieval" }],
          main: "zeroShot/meanPerClass",
        },
        { name: "path", source: "test.csv", tasks: [{ kind: "retrieval" }] },
        { name: "labels", source: "wds_labels" },
        { name: "captions", source: join(root, "captions", "test") },
        { name: "absent", source: "nowhere" },
      ],
    });
    // An average without the absent one would look whole.
    assert.deepEqual(
      [suite.name, suite.averages[0]?.of],
      ["mine", ["table", "path", "labels", "captions", "absent"]],
    );
    assert.deepEqual(
      suite.sets.map(({ main }) => main),
      [
        "zeroShot/meanPerClass",
        "retrieval/meanRecall@1",
        "multilabel/mAP",
        "retrieval/meanRecall@1",
        undefined,
      ],
    );
    const all: OpenedSet[] = [];
    for (const set of setsToMeasure(suite, {})) all.push(await set.open());
    assert.deepEqual(all.pop(), { missing: `${join(root, "nowhere")} does not exist` });
    for (const [i, set] of all.entries()) {
      const { suite: measured } = opened(set);
      if (i !== 1) await checkSuite(measured);
      assert.equal(measured.name, suite.sets[i]?.name);
    }
    const [table, , labels, captions] = all.map((set) => opened(set).suite);
    assert.deepEqual(table?.source, {
      kind: "table",
      file: join(root, "test.csv"),
      root: join(root, "pictures"),
    });
    const [task] = (table?.tasks ?? []) as readonly { classes?: string }[];
    assert.equal(task?.classes, join(root, "names.txt"));
    assert.deepEqual(
      labels?.tasks.map(({ kind }) => kind),
      ["multilabel"],
    );
    assert.deepEqual(
      captions?.tasks.map(({ kind }) => kind),
      ["retrieval"],
    );
  });
});
