#!/usr/bin/env node
/**
 * limn suite run, and limn eval, beside the field's own evaluation code, on the same weights and the same sets: DataComp's 38 tasks,
 * CLIP_benchmark's metrics, pycocoevalcap, and float64 loops for what neither has.
 *
 *   PARITY_PYTHON=<a Python with what reference.py needs> DATACOMP=<checkout of github.com/mlfoundations/datacomp> \
 *     node test/parity/suites/compare.mjs [folder]
 *
 * The references take some minutes. With a folder the sets and what the references found stay there, and are taken from there the next time.
 * Prints a markdown table. Exits with 1 unless every number is the same, to 1e-6: recalls of the references, and
 * accuracies of their groups, are float32.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const MOST_APART = 1e-6;
const root = path.resolve(import.meta.dirname, "..", "..", "..");
const python = process.env["PARITY_PYTHON"] ?? path.join(root, "bench", ".venv", "bin", "python");

/** Flickr and COCO by the keys of DataComp and the folders' names. */
const pairs = {
  flickr30k: "retrieval/flickr_1k_test_image_text_retrieval",
  mscoco_captions: "retrieval/mscoco_2014_5k_test_image_text_retrieval",
};
const recalls = [1, 5, 10].flatMap((k) => [
  [`image_retrieval_recall@${k}`, `retrieval/textToImage/recall@${k}`],
  [`text_retrieval_recall@${k}`, `retrieval/imageToText/recall@${k}`],
]);
const accuracies = [
  ["acc1", "zeroShot/top1"],
  ["acc5", "zeroShot/top5"],
  ["mean_per_class_recall", "zeroShot/meanPerClass"],
];
const jaccards = [
  ["avg_jaccard_score", "association/jaccard"],
  ...["5", "6", "10", "12", "5-6", "10-12"].map((name) => [
    `jaccard_score_${name}`,
    `association/jaccard/${name}`,
  ]),
];
/** What DataComp gives beside main metrics. */
const ofDataComp = [
  ...[...accuracies, ...recalls, ...jaccards, ["mean_recall@1", "retrieval/meanRecall@1"]],
];
const averages = {
  ImageNet: "imagenet",
  "ImageNet dist. shifts": "shifts",
  VTAB: "vtab",
  Retrieval: "retrieval",
  Average: "average",
};
/** What no published suite measures on these sets. */
const ownSuite = {
  sets: [
    {
      name: "camelyon17",
      source: "wds_wilds-camelyon17_test",
      npyColumns: ["hospital", "slide", "y"],
      tasks: [{ kind: "zeroShot", groups: { key: "slide" } }],
    },
    ...Object.keys(pairs).map((name) => ({
      name,
      source: `wds_${name}_test`,
      tasks: [{ kind: "captioning" }],
    })),
  ],
};

/** @typedef {{ metric: string, set: string, reference: string, wanted: number, found: number, shown?: string }} Row */
const [given] = process.argv.slice(2);
const folder = given ?? mkdtempSync(path.join(tmpdir(), "limn-parity-"));
mkdirSync(folder, { recursive: true });
try {
  const file = path.join(folder, "results.json");
  if (!existsSync(file)) {
    spawned(python, [path.join(import.meta.dirname, "reference.py"), folder]);
  }
  const wanted = JSON.parse(readFileSync(file, "utf8"));
  const own = path.join(folder, "root", "own.json");
  writeFileSync(own, JSON.stringify(ownSuite));
  const found = {
    dataComp: suiteRun("--suite", "datacomp-38"),
    selection: suiteRun("--suite", "selection"),
    multilabel: suiteRun("--suite", "clip-benchmark", "--only", "voc2007_multilabel"),
    own: suiteRun("--suite", own),
    // By flags alone, of two of the sets.
    evaluated: { mnist: evaluated("wds_mnist_test"), flickr30k: evaluated("wds_flickr30k_test") },
  };
  const rows = [
    ...dataComp(wanted, found),
    ...clipBenchmark(wanted, found),
    ...loops(wanted, found),
  ];
  print(rows, wanted.versions);
  if (rows.some((row) => !(difference(row) < MOST_APART))) process.exitCode = 1;
} finally {
  if (given === undefined) rmSync(folder, { recursive: true, force: true });
}

/** DataComp's numbers of 38 tasks: the main ones, all others that limn has, and the averages. */
function dataComp(wanted, { dataComp: found, own }) {
  const rows = [];
  for (const [set, metrics] of Object.entries(wanted.datacomp)) {
    const result = setOf(found, set);
    const add = (metric, number, more = {}) =>
      rows.push({
        metric,
        set,
        reference: "DataComp",
        wanted: metrics[metric],
        found: number,
        ...more,
      });
    add("main_metric", numberOf(found, set, result.main), { shown: wanted.mainMetrics[set] });
    for (const [metric, at] of ofDataComp) {
      // acc5 is null with fewer than five classes.
      const isOther = metric !== wanted.mainMetrics[set] && typeof metrics[metric] === "number";
      if (isOther) add(metric, numberOf(found, set, at));
    }
    // Camelyon17's slides are groups in the suite of this file alone.
    const [task] = set === "wilds/camelyon17" ? setOf(own, "camelyon17").tasks : result.tasks;
    if (task.facts.groups === undefined) continue;
    if (set === "wilds/camelyon17") add("acc_wg", task.metrics["worstGroup/top1"].value);
    groupsOf(task.facts.groups, metrics, add);
  }
  for (const [metric, name] of Object.entries(averages)) {
    const average = found.averages.find((one) => one.name === name);
    if (average.measured !== average.of) throw new Error(`Expected all sets of ${name}`);
    const at = { metric: "average", set: metric, reference: "DataComp", shown: "average" };
    rows.push({ ...at, wanted: wanted.averages[metric], found: average.value });
  }
  return rows;
}

/** Every group's own accuracy and count. */
function groupsOf({ key, rows }, metrics, add) {
  const names = Object.keys(metrics).filter((name) => /^acc(_top5)?_.*:\d+$/.test(name));
  for (const name of names.filter((one) => one.includes(`_${key}:`))) {
    const row = rows.find((one) => one.name === name.split(":")[1]);
    add(name, name.startsWith("acc_top5") ? row?.top5 : row?.top1);
    const count = name.replace(/^acc(_top5)?_/, "count_");
    add(count, row?.count);
  }
}

function clipBenchmark(wanted, { dataComp: found, selection, multilabel, evaluated }) {
  const rows = [];
  for (const [set, metrics] of Object.entries(wanted.clipBenchmark)) {
    const add = (metric, number) => {
      if (metrics[metric] === null) return;
      rows.push({
        metric,
        set,
        reference: "CLIP_benchmark",
        wanted: metrics[metric],
        found: number,
      });
    };
    if ("acc" in metrics) {
      add("text_acc", numberOf(selection, set, "selection/text"));
      add("image_acc", numberOf(selection, set, "selection/image"));
      add("acc", numberOf(selection, set, "selection/group"));
    } else if ("mean_average_precision" in metrics) {
      add("mean_average_precision", numberOf(multilabel, set, "multilabel/mAP"));
    } else {
      const names = "acc1" in metrics ? accuracies : recalls;
      const key = pairs[set] ?? set.replace("vtab-", "vtab/");
      for (const [metric, at] of names) {
        add(metric, numberOf(found, key, at));
        if (set in evaluated) add(metric, evaluated[set][`wds_${set}_test/${at}`]?.value);
      }
    }
  }
  return rows;
}

/** Calibration, ranks and the texts of captions. */
function loops(wanted, { dataComp: found, own }) {
  const rows = [];
  const add = (reference, set, values, of) => {
    for (const [metric, one] of Object.entries(values)) {
      rows.push({ metric, set, reference, wanted: one, found: of(metric) });
    }
  };
  for (const [set, values] of Object.entries(wanted.calibration)) {
    add("scipy, float64", set, values, (name) => numberOf(found, set, `zeroShot/${name}`));
  }
  const medians = { image_to_text_median: "imageToText", text_to_image_median: "textToImage" };
  for (const [set, values] of Object.entries(wanted.numpy)) {
    add("numpy, float64", set, values, (name) =>
      numberOf(found, pairs[set], `retrieval/${medians[name]}/medianRank`),
    );
  }
  const paths = { "recall@1": "recall@1", CIDEr: "cider", ROUGE_L: "rougeL" };
  for (const [set, { Bleu, ...values }] of Object.entries(wanted.pycocoevalcap)) {
    const at = (name) => numberOf(own, set, `captioning/${paths[name]}`);
    add("pycocoevalcap", set, values, at);
    const [{ facts }] = setOf(own, set).tasks;
    const bleu = Object.fromEntries(Bleu.map((value, i) => [`Bleu_${i + 1}`, value]));
    add("pycocoevalcap", set, bleu, (name) => facts.bleu[Number(name.at(-1)) - 1]);
  }
  return rows;
}

/** The main numbers one by one, then those of one name together. */
function print(unsorted, versions) {
  const isMain = (row) => row.shown !== undefined;
  const rows = [...unsorted.filter(isMain), ...unsorted.filter((row) => !isMain(row))];
  console.log(
    Object.entries(versions)
      .map((pair) => pair.join(" "))
      .join(", "),
  );
  console.log("\n| metric | set | reference | its value | limn | largest difference |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  const lines = new Map();
  for (const row of rows) {
    // Groups' own numbers are many.
    const metric = row.shown ?? row.metric.replace(/:\d+$/, ":*");
    const name = row.shown ? `${metric} ${row.set}` : `${row.reference} ${metric}`;
    lines.set(name, [...(lines.get(name) ?? []), { ...row, metric }]);
  }
  for (const some of lines.values()) {
    const [{ metric, set, reference }] = some;
    const mean = (key) => some.reduce((sum, row) => sum + row[key], 0) / some.length;
    const most = Math.max(...some.map(difference));
    const of = some.length === 1 ? set : `mean of ${some.length}`;
    const values = [mean("wanted"), mean("found")].map((one) => String(Number(one.toFixed(8))));
    const apart = most === 0 ? "0" : most.toExponential(0);
    console.log(`| ${[metric, of, reference, ...values, apart].join(" | ")} |`);
  }
  const all = rows.filter((row) => difference(row) < MOST_APART).length;
  console.log(`\n${all} of ${rows.length} numbers are equal to ${MOST_APART}.`);
  for (const row of rows.filter((one) => !(difference(one) < MOST_APART))) {
    console.error(`${row.reference} ${row.set} ${row.metric}: ${row.wanted}, limn ${row.found}`);
  }
}

/** @param {Row} row */
function difference({ wanted, found }) {
  return Math.abs(wanted - found);
}

function suiteRun(...words) {
  const where = [path.join(folder, "model"), path.join(folder, "root")];
  return limn("suite", "run", ...where, ...words, "--resamples", "0", "--no-cache");
}

/** What `limn eval` measures on one set, by its own keys. */
function evaluated(set) {
  return limn("eval", path.join(folder, "model"), path.join(folder, "root", set)).metrics;
}

function limn(...words) {
  const command = [path.join(root, "bin", "limn.mjs"), ...words, "--json"];
  return JSON.parse(spawned(process.execPath, command));
}

function setOf(results, name) {
  const set = results.sets.find((one) => one.name === name);
  if (set?.state === "measured") return set;
  throw new Error(`Expected the set ${name} but received ${set?.reason ?? "none of that name"}`);
}

/** Of `<task>/<path>`. */
function numberOf(results, set, at) {
  const [name, ...rest] = at.split("/");
  const task = setOf(results, set).tasks.find((one) => one.name === name);
  return task?.metrics[rest.join("/")]?.value;
}

/** @param {string} command @param {string[]} words */
function spawned(command, words) {
  const { status, stdout } = spawnSync(command, words, {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`Expected ${command} to run ${words.join(" ")} but it failed`);
  return stdout;
}
