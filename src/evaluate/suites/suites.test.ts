import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { byCodeUnit } from "../../data/paths/directory-entries.ts";
import { parseDatasetReference } from "../../hub/reference.ts";
import { taskKindOf } from "../tasks/index.ts";
import { dataComp38 } from "./datacomp-38.ts";
import { suites } from "./index.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../../test/goldens/datacomp-tasks.json", import.meta.url), "utf8"),
) as {
  tasks: Record<
    string,
    {
      name: string;
      size: number;
      num_classes?: number;
      random_score?: number;
      main_metric?: string;
    }
  >;
  groups: Record<string, string[]>;
  templates: Record<string, number>;
};

/** What limn calls DataComp's metrics. */
const metrics: Record<string, string> = {
  acc1: "zeroShot/top1",
  mean_per_class_recall: "zeroShot/meanPerClass",
  "mean_recall@1": "retrieval/meanRecall@1",
  "jaccard_score_10-12": "association/jaccard/10-12",
  "F1-macro_all": "zeroShot/macroF1",
  acc_worst_region: "zeroShot/worstGroup/top1",
  acc_wg: "zeroShot/worstGroup/top1",
  acc_top5_wg: "zeroShot/worstGroup/top5",
};

describe("the suites", () => {
  it("have sets with folders, numbers that their tasks measure, and averages over them", () => {
    for (const suite of suites) {
      const names = suite.sets.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length, suite.name);
      for (const set of suite.sets) {
        assert.ok(set.folders.length > 0, set.name);
        if (set.hub !== undefined) parseDatasetReference(set.hub);
        const [task = "", ...path] = (set.main ?? "").split("/");
        const found = set.tasks.find(({ kind, name }) => (name ?? kind) === task);
        assert.ok(found, set.name);
        const paths = taskKindOf(found).metrics.map((metric) => metric.path);
        const known = [...paths, "worstGroup/top1", "worstGroup/top5", "macroF1"];
        assert.ok(known.includes(path.join("/")), `${set.name}: ${set.main}`);
      }
      for (const { of, name } of suite.averages) {
        assert.deepEqual(
          of.filter((one) => !names.includes(one)),
          [],
          `${suite.name} ${name}`,
        );
        assert.equal(new Set(of).size, of.length);
      }
    }
    const counts = suites.map(({ name, sets }) => `${name} ${sets.length}`);
    assert.deepEqual(counts, [
      "datacomp-38 38",
      "vtab-13 13",
      "clip-benchmark 41",
      "lixp-21 21",
      "selection 8",
      "retrieval 39",
    ]);
  });

  it("have as many templates as CLIP_benchmark", () => {
    const sets = suites.flatMap((suite) => suite.sets).filter(({ templates }) => templates);
    const names = new Map(
      sets.map(({ name, templates }) => [name.replace(/^vtab\//, ""), templates]),
    );
    const shifts = ["imagenetv2", "imagenet_sketch", "imagenet-a", "imagenet-r", "imagenet-o"];
    // Without templates of their own, these take ImageNet's.
    for (const name of [...shifts, "objectnet"]) {
      assert.equal(names.get(name), golden.templates["imagenet1k"], name);
      names.delete(name);
    }
    const { dummy: _, ...published } = golden.templates;
    assert.deepEqual(Object.fromEntries(names), published);
  });

  it("of DataComp has the tasks, sizes, metrics, chances and groups of its files", () => {
    // Those without a main metric are dropped from its averages.
    const dropped = ["fairness/fairface", "fairness/utkface"];
    const wanted = Object.entries(golden.tasks).filter(([key]) => !dropped.includes(key));
    assert.deepEqual(
      dataComp38.sets.map(({ name, title, classes, chance, main }) => [
        name,
        title,
        classes,
        chance,
        main,
      ]),
      wanted.map(([key, { name, num_classes, random_score, main_metric = "acc1" }]) => [
        ...[key, name, num_classes, random_score, metrics[main_metric]],
      ]),
    );
    for (const { name, samples } of dataComp38.sets) {
      // WinoGAViL's size is of instances.
      if (samples !== undefined) assert.equal(samples, golden.tasks[name]?.size, name);
    }
    const titles = new Map(dataComp38.sets.map(({ name, title }) => [name, title]));
    const groups = dataComp38.averages
      .filter(({ title }) => title in golden.groups)
      .map(({ title, of }) => [title, of.map((name) => titles.get(name) ?? "").sort(byCodeUnit)]);
    assert.deepEqual(Object.fromEntries(groups), golden.groups);
    const all = dataComp38.averages.find(({ name }) => name === "average");
    assert.equal(all?.of.length, 38);
  });
});
