/** Every kind of task on sets of a few samples, with embeddings by hand and numbers counted by hand. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { normalizeRows, type Embeddings } from "../../arrays/embeddings.ts";
import { plainSimilarities } from "../../arrays/similarities.ts";
import type { EmbeddedDataset, Embedder } from "../../inference/features/embed-dataset.ts";
import { metricsOf, taskKindOf, taskSchema, type SuiteTask } from "./index.ts";
import type { MeasuredTask, SetOutline } from "./task.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-tasks-"));
after(() => rmSync(folder, { recursive: true }));

/** A text is the mean of the directions of the letters a to d that it names in capitals. */
function direction(text: string): number[] {
  const axes = ["A", "B", "C", "D"].map((letter) => (text.includes(letter) ? 1 : 0));
  return axes.some((one) => one > 0) ? axes : [1, 1, 1, 1];
}

function rowsOf(vectors: readonly (readonly number[])[]): Embeddings {
  const dim = vectors[0]?.length ?? 4;
  return normalizeRows({ data: Float32Array.from(vectors.flat()), count: vectors.length, dim });
}

const embedder: Embedder = {
  encodeImages: () => assert.fail("the set is embedded already"),
  encodeTexts: () => assert.fail("the set is embedded already"),
  embedTexts: (texts) => rowsOf(texts.map(direction)),
  similarities: plainSimilarities,
  logits: { scale: 10, bias: -5, kind: "softmax" },
};

interface Made {
  image: readonly number[];
  label?: string;
  captions?: readonly string[];
  meta?: Record<string, unknown>;
}

function set(samples: readonly Made[]): EmbeddedDataset {
  const captions = samples.flatMap(({ captions: own = [] }) => own);
  return {
    keys: samples.map((_, i) => `s${i}`),
    labels: samples.map(({ label }) => label),
    metas: samples.map(({ meta = {} }) => meta),
    imageEmbeddings: rowsOf(samples.map(({ image }) => image)),
    textEmbeddings: rowsOf(captions.length === 0 ? [[1, 1, 1, 1]] : captions.map(direction)),
    captions,
    imageOfText: Int32Array.from(samples.flatMap(({ captions: own = [] }, i) => own.map(() => i))),
    pictures: [],
    imageSize: 4,
  };
}

/** As a file of suites would write it. */
function taskOf(value: unknown): SuiteTask {
  return taskSchema.parse(value);
}

async function measured(
  value: unknown,
  samples: readonly Made[],
  held?: readonly Made[],
  model = embedder,
): Promise<MeasuredTask & { values: Record<string, number>; chance: Record<string, number> }> {
  const task = taskOf(value);
  const kind = taskKindOf(task);
  const dataset = set(samples);
  const outline: SetOutline = { ...dataset, isWhole: true };
  await kind.check(task, outline, "set/task");
  const bootstrap = { resamples: 20 };
  const context = { dataset, embedder: model, prefix: "set/task", bootstrap };
  const result = await kind.measure(task, { ...context, ...(held && { held: set(held) }) });
  const short = (key: string): string => key.slice("set/task/".length);
  const values = Object.fromEntries(
    result.rows.map(({ key, value: found }) => [short(key), found]),
  );
  // The columns alone give the same numbers, after a way through JSON too.
  const stored = JSON.parse(
    JSON.stringify({
      keys: result.columns.keys,
      columns: Object.fromEntries(
        Object.entries(result.columns.columns).map(([name, all]) => [name, Array.from(all)]),
      ),
    }),
  ) as MeasuredTask["columns"];
  const paths = metricsOf(task).map(({ path }) => path);
  const again = kind.statistic(stored, paths)(stored.keys.map(() => 1));
  for (const [i, path] of paths.entries()) {
    const value = values[path] as number;
    if (Number.isNaN(value)) continue;
    assertClose([again[i] as number], [value]);
  }
  return {
    ...result,
    values,
    chance: Object.fromEntries(result.rows.map(({ key, chance }) => [short(key), chance])),
  };
}

const [A, B, C, D] = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
  [0, 0, 0, 1],
] as const;

describe("a key that a sample lacks", () => {
  it("is told before anything is embedded", async () => {
    const samples: Made[] = [
      { image: A, label: "0", captions: ["A"], meta: { npy: [1, 0], pair: 1, film: 1 } },
      { image: B, label: "1", captions: ["B"], meta: { npy: [0, 1], pair: 1 } },
      { image: B, label: "1", captions: ["B"], meta: { npy: [0, 1], pair: 2 } },
      { image: B, label: "1", captions: ["B"], meta: { npy: [0, 1], pair: 2, film: 2 } },
    ];
    const outline: SetOutline = { ...set(samples), isWhole: true };
    const check = async (value: unknown): Promise<void> => {
      const task = taskOf(value);
      await taskKindOf(task).check(task, outline, "set/task");
    };
    const classes = ["an A", "a B"];
    const lacks = (sample: string): { name: string; message: RegExp } => ({
      name: "DataError",
      message: new RegExp(`a value of film for the .* but sample ${sample} has none`),
    });
    for (const task of [
      { kind: "zeroShot", classes },
      { kind: "multilabel", classes },
      { kind: "retrieval" },
      { kind: "captioning" },
    ]) {
      await check({ ...task, cluster: "pair" });
      await assert.rejects(check({ ...task, cluster: "film" }), lacks("s1"));
    }
    const groups = { key: "film" };
    await assert.rejects(check({ kind: "zeroShot", classes, groups }), lacks("s1"));
    outline.metas[1] = { film: NaN, npy: [0, null] };
    await assert.rejects(check({ kind: "retrieval", cluster: "film" }), lacks("s1"));
    await assert.rejects(check({ kind: "zeroShot", classes, groups }), lacks("s1"));
    // A number that is none is no 0 either.
    await assert.rejects(
      check({ kind: "multilabel", classes }),
      /sample s1 .* received \[0,null\]/,
    );
    outline.metas[1] = { pair: 1 };
    // Of an instance's pictures the first says which source it is of.
    const selection = { kind: "selection", instance: "pair" };
    await check({ ...selection, cluster: "pair" });
    await assert.rejects(check({ ...selection, cluster: "film" }), lacks("s2"));
  });
});

describe("zeroShot", () => {
  const classes = ["an A", "a B", "a C"];
  const task = { kind: "zeroShot", name: "z", classes, templates: "bare" };
  const samples: Made[] = [
    { image: A, label: "0", meta: { region: "north", year: 1 } },
    { image: B, label: "0", meta: { region: "north", year: 1 } },
    { image: B, label: "1", meta: { region: "south", year: 2 } },
    { image: C, label: "1", meta: { region: "other", year: 2 } },
    { image: C, label: "2", meta: { region: "south", year: 3 } },
    { image: C, label: "2", meta: { region: "south", year: 3 } },
  ];

  it("gives the worst group without those that are ignored, and macro F1", async () => {
    const { values, chance, facts } = await measured(
      { ...task, groups: { key: "region", ignore: ["other"] }, also: ["macroF1"] },
      samples,
    );
    assert.equal(values["top1"], 4 / 6);
    assert.equal(values["meanPerClass"], (1 / 2 + 1 / 2 + 1) / 3);
    assert.equal(values["worstGroup/top1"], 1 / 2);
    assert.equal(values["worstGroup/top5"], 1);
    // precision 1, 1/2, 2/3 and recall 1/2, 1/2, 1
    assertClose([values["macroF1"] as number], [(2 / 3 + 1 / 2 + 4 / 5) / 3]);
    assert.equal(chance["top1"], 1 / 3);
    const { rows } = facts["groups"] as { rows: unknown[] };
    assert.deepEqual(rows, [
      { name: "north", count: 2, top1: 0.5, top5: 1 },
      { name: "south", count: 3, top1: 1, top5: 1 },
    ]);
  });

  it("resamples pictures of one source together", async () => {
    const { columns, rows } = await measured({ ...task, cluster: "year" }, samples);
    assert.deepEqual([...(columns.clusters as Int32Array)], [0, 0, 1, 1, 2, 2]);
    const alone = await measured(task, samples);
    assert.notDeepEqual(rows[0]?.interval, alone.rows[0]?.interval);
    const lacking = samples.map((one, i) => (i === 3 ? { ...one, meta: { region: "x" } } : one));
    await assert.rejects(measured({ ...task, cluster: "year" }, lacking), {
      name: "DataError",
      message: /Expected a value of year for the cluster of task z but sample s3 has none/,
    });
  });

  it("fits nothing where there is one class, of models of both kinds", async () => {
    const file = join(folder, "one");
    writeFileSync(file, "an A\n");
    const many = Array.from({ length: 30 }, () => ({ image: A, label: "0" }));
    for (const kind of ["softmax", "sigmoid"] as const) {
      const model: Embedder = { ...embedder, logits: { scale: 10, bias: -5, kind } };
      const one = { ...task, classes: file, also: ["calibration"] };
      const { values, notes } = await measured(one, many, undefined, model);
      assert.deepEqual([values["top1"], values["calibrated/nll"]], [1, NaN]);
      assert.match(notes.join(), /too few pictures or classes/);
    }
  });

  it("names a sample without a group, and refuses to ignore them all", async () => {
    const groups = { key: "regoin" };
    await assert.rejects(measured({ ...task, groups }, samples), {
      message: /Expected a value of regoin for the groups but sample s0 has none.*region/,
    });
    const all = { key: "region", ignore: ["north", "south", "other"] };
    await assert.rejects(measured({ ...task, groups: all }, samples), /only north, south, other/);
  });

  it("measures calibration by hand, and with a temperature that other pictures gave", async () => {
    const { values, chance, notes } = await measured({ ...task, also: ["calibration"] }, samples);
    // All are as sure: cosines of 1 and twice 0.
    const sure = Math.exp(10) / (Math.exp(10) + 2);
    const rest = (1 - sure) / 2;
    assertClose([values["ece"] as number], [sure - 4 / 6]);
    assertClose([values["nll"] as number], [(4 * -Math.log(sure) + 2 * -Math.log(rest)) / 6]);
    assertClose(
      [values["brier"] as number],
      [(4 * ((1 - sure) ** 2 + 2 * rest ** 2) + 2 * (sure ** 2 + (1 - rest) ** 2 + rest ** 2)) / 6],
    );
    assertClose([chance["nll"] as number], [Math.log(3)]);
    // Of a mean over classes, each yes or no, a guess among the classes says nothing.
    const asSigmoid = await measured({ ...task, also: ["calibration"] }, samples, undefined, {
      ...embedder,
      logits: { scale: 10, bias: -5, kind: "sigmoid" },
    });
    assert.ok(Number.isNaN(asSigmoid.chance["nll"]));
    assertClose([asSigmoid.chance["brier"] as number], [2 / 3]);
    assert.ok(Number.isNaN(values["calibrated/ece"]));
    assert.match(notes.at(-1) ?? "", /too few pictures/);
    // Ten of which half are wrong: a temperature makes them unsure.
    const held = Array.from({ length: 12 }, (_, i) => ({ image: A, label: i % 2 ? "0" : "1" }));
    const fitted = await measured({ ...task, also: ["calibration"] }, samples, held);
    assert.ok((fitted.values["calibrated/nll"] as number) < (fitted.values["nll"] as number));
    assert.match(fitted.notes.at(-1) ?? "", /fitted on another split/);
  });

  it("needs a scale for calibration", async () => {
    const { logits: _, ...without } = embedder;
    const parsed = taskOf({ ...task, also: ["calibration"] });
    const context = { dataset: set(samples), embedder: without, prefix: "s/z", bootstrap: {} };
    await assert.rejects(async () => taskKindOf(parsed).measure(parsed, context), {
      message: /Expected a model with a logit scale for calibration/,
    });
  });
});

describe("multilabel", () => {
  const task = { kind: "multilabel", classes: ["A", "B"], templates: "bare" };

  it("averages the precision of classes", async () => {
    const samples = [
      { image: [2, 1, 0, 0], meta: { npy: [1, 1] } },
      { image: [1, 2, 0, 0], meta: { npy: [0, 1] } },
      { image: [3, 1, 0, 0], meta: { npy: [0, 0] } },
      { image: C, meta: { npy: [1, 0] } },
    ];
    const { values, chance } = await measured(task, samples);
    // A: order 2, 0, 1, 3 with truth 0 1 0 1; B: order 1, 0, 2, 3 with truth 1 1 0 0.
    assertClose([values["mAP"] as number], [((1 / 2 + 2 / 4) / 2 + 1) / 2]);
    assert.equal(chance["mAP"], 1 / 2);
    const named = samples.map(({ image, meta: { npy } }) => ({
      image,
      meta: { tags: ["A", "B"].filter((_, i) => npy[i] === 1) },
    }));
    assert.deepEqual((await measured({ ...task, answer: "tags" }, named)).values, values);
  });

  it("names a sample without labels or with others", async () => {
    await assert.rejects(measured(task, [{ image: A, meta: { npy: [1, 0, 1] } }]), {
      name: "DataError",
      message: /Expected 2 numbers, one for each class, .* npy of sample s0 .* received \[1,0,1\]/,
    });
    await assert.rejects(measured(task, [{ image: A }]), /sample s0 .*received nothing/);
    const twice = { ...task, answer: "tags" };
    await assert.rejects(
      measured(twice, [{ image: A, meta: { tags: ["A", "A"] } }]),
      /\["A","A"\]/,
    );
  });
});

describe("association", () => {
  const samples = [A, B, C, D].map((image) => ({ image }));
  const instances = [
    { cue: "Apple A", candidates: ["s0", "s1", "s2", "s3"], associations: ["s0"] },
    { cue: "A B", candidates: ["s0", "s1", "s2", "s3"], associations: ["s1", "s2"] },
  ];

  it("chooses as many pictures as are right", async () => {
    const { values, chance, rows } = await measured({ kind: "association", instances }, samples);
    // The cues are in small letters but for the article: both like A. Of the second one s0 and, of equal
    // similarities, s1 are chosen; s1 and s2 would be right.
    assertClose([values["jaccard"] as number], [(1 + 1 / 3) / 2]);
    assert.equal(values["jaccard/5-6"], values["jaccard"]);
    assert.ok(Number.isNaN(values["jaccard/10-12"]));
    // 1 of 4; 2 of 4 at random: both with 1/6, one with 4/6.
    assertClose([chance["jaccard"] as number], [(1 / 4 + (1 / 6 + (4 / 6) * (1 / 3))) / 2]);
    assert.deepEqual(
      rows.map(({ count }) => count),
      [2, 0, 0, 0, 0, 2, 0],
    );
  });

  it("reads instances from JSON and from lines, and names what is wrong", async () => {
    const [json, lines] = [join(folder, "i.json"), join(folder, "i.jsonl")];
    writeFileSync(json, JSON.stringify(instances));
    writeFileSync(lines, instances.map((one) => `${JSON.stringify(one)}\n`).join("\n"));
    const fromJson = await measured({ kind: "association", instances: json }, samples);
    const fromLines = await measured({ kind: "association", instances: lines }, samples);
    assert.deepEqual(fromJson.values, fromLines.values);
    const strange = [{ ...instances[0], associations: ["s7"] }];
    await assert.rejects(measured({ kind: "association", instances: strange }, samples), {
      message: /instance 0 of instances .*"s7" is none of its candidates/,
    });
    const lost = [{ cue: "x", candidates: ["s0", "t1"], associations: ["s0"] }];
    await assert.rejects(measured({ kind: "association", instances: lost }, samples), {
      message: /Expected a picture for candidate "t1" of the cue "x" but found none/,
    });
    await assert.rejects(
      measured({ kind: "association", instances: join(folder, "none.json") }, samples),
      { name: "DataError", message: /none\.json but could not read them/ },
    );
  });
});

describe("selection", () => {
  it("chooses the caption among wrong ones, as in SugarCrepe", async () => {
    const samples = [
      { image: A, captions: ["an A"], meta: { no: "a B" } },
      { image: A, captions: ["an A"], meta: { no: ["a B", "an A"] } },
      { image: A, captions: ["a B"], meta: { no: "an A" } },
    ];
    const { values, chance } = await measured({ kind: "selection", negatives: "no" }, samples);
    // Of equal captions the first is chosen.
    assert.deepEqual(values, { text: 2 / 3, image: 1, group: 2 / 3 });
    assertClose([chance["text"] as number], [(1 / 2 + 1 / 3 + 1 / 2) / 3]);
    await assert.rejects(
      measured({ kind: "selection", negatives: "not" }, samples),
      /Expected not in the record of sample s0 but found none.*no/,
    );
  });

  it("matches pictures and captions of an instance, as in Winoground", async () => {
    const samples = [
      { image: A, captions: ["an A"], meta: { pair: 1 } },
      { image: B, captions: ["a B"], meta: { pair: 1 } },
      { image: [2, 1, 0, 0], captions: ["an A"], meta: { pair: 2 } },
      { image: [3, 1, 0, 0], captions: ["A B"], meta: { pair: 2 } },
    ];
    const { values, chance } = await measured({ kind: "selection", instance: "pair" }, samples);
    // Of pair 2 the second picture is more like "an A", and "A B" more like the first picture.
    assert.deepEqual(values, { text: 1 / 2, image: 1 / 2, group: 1 / 2 });
    assert.deepEqual(chance, { text: 1 / 4, image: 1 / 4, group: 1 / 6 });
    await assert.rejects(
      measured({ kind: "selection", instance: "pair" }, samples.slice(0, 3)),
      /Expected at least two pictures for instance 2 but found one, s2/,
    );
    await assert.rejects(measured({ kind: "selection" }, samples), /received neither/);
  });
});

describe("captioning", () => {
  const samples = [
    { image: A, captions: ["a big A here", "an A"] },
    { image: B, captions: ["a B on the shelf"] },
    { image: D, captions: ["a C without a name"] },
  ];

  it("takes the best of the set's own captions", async () => {
    const { values, facts, chance } = await measured({ kind: "captioning" }, samples);
    assert.equal(values["recall@1"], 2 / 3);
    assertClose([chance["recall@1"] as number], [(2 + 1 + 1) / 4 / 3]);
    assert.ok((values["rougeL"] as number) > 0.6);
    assert.equal((facts["bleu"] as number[]).length, 4);
  });

  it("takes the best of a file's captions", async () => {
    const file = join(folder, "captions.txt");
    writeFileSync(file, "an A\n\na B in the garden\n");
    const { values, notes } = await measured({ kind: "captioning", candidates: file }, samples);
    assert.equal(values["recall@1"], 1 / 3);
    assert.match(notes[0] ?? "", /2 candidate captions/);
    writeFileSync(file, "one\none\n");
    await assert.rejects(
      measured({ kind: "captioning", candidates: file }, samples),
      /at least two captions .* found 1/,
    );
  });
});
