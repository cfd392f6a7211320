/** Suites with an embedder made by hand: pictures and names are embedded by their colour. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";

import { evaluationPreset } from "../data/image/index.ts";
import { createTokenizer, type TokenizerDescription } from "../text/index.ts";
import { writeShards } from "../data/write-shards.ts";
import { tinyData } from "../../test/support/tiny-run.ts";
import type { Embedder } from "../inference/features/embed-dataset.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { runSuite, type Suite, type SuiteResult } from "./run-suite.ts";
import { metricValues } from "./metric-table.ts";
import { metricKeys, metricsOf, taskKindOf } from "./tasks/index.ts";

const imageSize = 4;
const colors = ["red", "green", "blue"] as const;
type Color = (typeof colors)[number];

const folder = mkdtempSync(join(tmpdir(), "limn-suite-"));
let tokenizer: TokenizerDescription;
/** Rows of pixels and of tokens that were embedded. */
const embedded = { images: 0, texts: 0 };
let embedder: Embedder;

before(async () => {
  const data = await tinyData(2);
  const file = join(folder, "tokenizer.json");
  copyFileSync(data.tokenizer, file);
  rmSync(data.folder, { recursive: true });
  tokenizer = { kind: "tokenizer.json", file, contextLength: 16 };
  embedder = await colorEmbedder();
});
after(() => rmSync(folder, { recursive: true, force: true }));

function rows(found: readonly number[]): Embeddings {
  const data = new Float32Array(3 * found.length);
  for (const [row, color] of found.entries()) data[3 * row + color] = 1;
  return { data, count: found.length, dim: 3 };
}

/** A picture's embedding is its strongest channel, a text's the colour that it names. */
async function colorEmbedder(): Promise<Embedder> {
  const known = await createTokenizer(tokenizer);
  const ids = (color: string): string => known.encode(color).ids.join();
  const fromTexts = (texts: readonly string[]): Embeddings =>
    rows(texts.map((text) => colors.findIndex((color) => text.includes(color))));
  return {
    encodeImages(pixels) {
      const area = imageSize ** 2;
      const count = pixels.length / (3 * area);
      embedded.images += count;
      const strongest = Array.from({ length: count }, (_, i) => {
        const at = [0, 1, 2].map((channel) => pixels[(3 * i + channel) * area] as number);
        return at.indexOf(Math.max(...at));
      });
      return rows(strongest);
    },
    encodeTexts({ tokens, contextLength }) {
      const count = tokens.length / contextLength;
      embedded.texts += count;
      return rows(
        Array.from({ length: count }, (_, row) => {
          const own = tokens.subarray(row * contextLength, (row + 1) * contextLength).join();
          return colors.findIndex((color) => ids(color) === own);
        }),
      );
    },
    embedTexts: fromTexts,
    similarities: (queries, candidates) => {
      const out = new Float32Array(queries.count * candidates.count);
      for (let q = 0; q < queries.count; q++) {
        for (let c = 0; c < candidates.count; c++) {
          for (let i = 0; i < 3; i++) {
            out[q * candidates.count + c]! +=
              (queries.data[3 * q + i] ?? 0) * (candidates.data[3 * c + i] ?? 0);
          }
        }
      }
      return out;
    },
  };
}

interface Made {
  color: Color;
  captions?: string[];
  label?: string;
  meta?: Record<string, unknown>;
}

async function shards(name: string, samples: readonly Made[]): Promise<string[]> {
  const made = samples.map(async ({ color, captions = [color], label, meta }, i) => {
    const background = { r: 0, g: 0, b: 0, [color[0] as string]: 255 };
    const image = await sharp({ create: { width: 4, height: 4, channels: 3, background } })
      .png()
      .toBuffer();
    const key = `${name}-${i}`;
    const extras = { ...(label === undefined ? {} : { label }), ...(meta ? { meta } : {}) };
    return { key, image, extension: "png" as const, captions, ...extras };
  });
  const directory = join(folder, name);
  const written = await writeShards({
    samples: await Promise.all(made),
    directory,
    samplesPerShard: 100,
  });
  return written.shards;
}

const retrieval = { kind: "retrieval", name: "retrieval" } as const;
const zeroShot = {
  kind: "zeroShot",
  name: "color",
  classes: colors,
  answer: "label",
  templates: "bare",
} as const;

let sets = 0;

async function run(
  samples: readonly Made[],
  suite: Partial<Suite>,
  model: Partial<Embedder> = {},
): Promise<SuiteResult> {
  const name = `set${sets++}`;
  const source = { kind: "webdataset" as const, shards: await shards(name, samples) };
  const loader = {
    transform: evaluationPreset("clip", imageSize),
    tokenizer,
    batchSize: 2,
    workers: 1,
  };
  const whole = { name: "val", source, tasks: [retrieval], ...suite };
  return runSuite(
    whole,
    { ...embedder, ...model },
    { loader, bootstrap: { resamples: 10 }, pictures: 2 },
  );
}

const values = ({ tasks }: SuiteResult): Record<string, number> =>
  metricValues(tasks.flatMap((task) => task.rows));

describe("misuse", () => {
  it("refuses an answer that is no class, naming the sample", async () => {
    await assert.rejects(run([{ color: "red", label: "pink" }], { tasks: [zeroShot] }), {
      name: "DataError",
      message:
        /^Expected one of 3 classes for label of sample set\d+-0 but received "pink": no class has this name; add/,
    });
    const labelled: Made = { color: "red", label: "red", meta: { color: "red" } };
    await assert.rejects(run([labelled], { tasks: [{ ...zeroShot, answer: "colour" }] }), {
      message:
        /for colour of sample \S+ but received nothing: it has no colour; label it, or name another key as answer\. Did you mean "color"\?$/,
    });
  });
  it("refuses samples without a label, and templates without a place, naming the task", async () => {
    const made: Made[] = [{ color: "red" }, { color: "red", label: "red" }];
    await assert.rejects(run(made, { tasks: [zeroShot] }), {
      message:
        /for label of sample set\d+-0 but received nothing: it has no label; label it, .* skip/,
    });
    for (const templates of ["a color", ["{}", "a color"]]) {
      await assert.rejects(run(made.slice(1), { tasks: [{ ...zeroShot, templates }] }), {
        name: "SettingError",
        message: /for the templates of val\/color but received "a color"; mark with \{\}/,
      });
    }
  });
  it("refuses to leave out every picture", async () => {
    const tasks = [{ ...zeroShot, unknownLabels: "skip" as const }];
    const made: Made[] = [{ color: "red", label: "pink" }, { color: "red" }];
    await assert.rejects(run(made, { tasks }), {
      name: "DataError",
      message:
        /received "pink": no class has this name \(of no class: 2 of 2 samples\); add the class/,
    });
    // A name of two classes is a mistake of the list.
    const twins = tasks.map((task) => ({ ...task, classes: ["red", "blue", "blue"] }));
    const known = [
      ...made,
      { color: "red", label: "red" },
      { color: "blue", label: "blue" },
    ] as const;
    await assert.rejects(run(known, { tasks: twins }), {
      message:
        /of sample set\d+-3 but received "blue": several classes have this name; label samples/,
    });
  });
  it("refuses what is no list of classes, and two classes of one answer", async () => {
    const file = join(folder, "classes.json");
    const cases: [string, RegExp][] = [
      ["{", /^Expected a JSON array of classes in .*classes\.json/],
      ["{}", /^Expected a JSON array of classes in .*classes\.json/],
      [
        "[3]",
        /^Expected a name, a list of names or \{ key, names \} for class 0 of .* received 3;/,
      ],
      ['["a", []]', /for class 1 of .*classes\.json but received \[\]/],
      ['["a", {"key": "b", "names": "c"}]', /for class 1 of/],
      ['["a", {"key": "a", "names": ["b"]}]', /^Expected another answer for class 1 .* again;/],
    ];
    for (const [text, message] of cases) {
      writeFileSync(file, text);
      const tasks = [{ ...zeroShot, classes: file }];
      await assert.rejects(run([{ color: "red", label: "a" }], { tasks }), {
        name: "DataError",
        message,
      });
    }
  });
  it("refuses conditions that leave nothing", async () => {
    await assert.rejects(run([{ color: "red", meta: { a: 1 } }], { where: { a: 2 } }), {
      name: "DataError",
      message: /^Expected samples with \{"a":2\} in .* but found none/,
    });
  });
  it("refuses retrieval of an image without a caption, naming it", async () => {
    const samples: Made[] = [{ color: "red" }, { color: "blue", captions: [] }];
    await assert.rejects(run(samples, {}), { name: "DataError", message: /-1.*no caption/ });
  });
});

describe("results", () => {
  it("are those counted by hand, under the keys known before", async () => {
    const samples: Made[] = [
      { color: "red", label: "red", captions: ["red", "red"] },
      { color: "green", label: "green" },
      // drawn in a colour that is not its name
      { color: "green", label: "blue", captions: ["blue"] },
    ];
    const result = await run(samples, { tasks: [zeroShot, retrieval] });
    const found = values(result);
    assert.deepEqual(Object.keys(found), [
      ...metricKeys(zeroShot, "val/color"),
      ...metricKeys(retrieval, "val/retrieval"),
    ]);
    assert.equal(found["val/retrieval/meanRecall@1"], (2 / 3 + 3 / 4) / 2);
    assert.equal(found["val/color/top1"], 2 / 3);
    assert.equal(found["val/retrieval/imageToText/recall@1"], 2 / 3);
    // two red captions and the green one find theirs; blue is like no picture, and ranks last
    assert.equal(found["val/retrieval/textToImage/recall@1"], 3 / 4);
    assert.deepEqual([...result.dataset.imageOfText], [0, 0, 1, 2]);
    for (const { task, rows, columns } of result.tasks) {
      const paths = metricsOf(task).map(({ path }) => path);
      const measure = taskKindOf(task).statistic(columns, paths);
      assert.deepEqual(
        measure([1, 1, 1]),
        rows.map(({ value }) => value),
      );
      // Only the first picture, drawn three times: right in all.
      const alone = measure([3, 0, 0]);
      assert.deepEqual(
        alone,
        alone.map(() => 1),
      );
    }
    assert.deepEqual(result.dataset.captions, ["red", "red", "green", "blue"]);
    assert.equal(result.dataset.pictures.length, 2);
    assert.equal(result.dataset.pictures[0]?.length, 3 * 16);
  });
  it("are the same for labels that are numbers of classes, of one name too", async () => {
    const made = (labels: readonly string[]): Made[] =>
      labels.map((label, i) => ({ color: colors[i % 2]!, label }));
    const file = join(folder, "classnames.txt");
    writeFileSync(file, `${colors.join("\n")}\n`);
    const numbers = { tasks: [{ ...zeroShot, classes: file }] };
    const byNumber = await run(made(["0", "1", "1"]), numbers);
    assert.deepEqual(byNumber.tasks[0]?.notes, [
      `3 classes of ${file}; templates: bare ("{}")`,
      "1 of 3 classes without a picture: blue",
    ]);
    const byName = await run(made([colors[0], colors[1], colors[1]]), numbers);
    assert.equal(values(byNumber)["val/color/top1"], 2 / 3);
    assert.deepEqual(values(byNumber), values(byName));
    writeFileSync(file, `${[...colors, colors[0]].join("\n")}\n`);
    const twins = await run(made(["0", "1", "3"]), numbers);
    // The last picture is of the twins' colour, of which the first is taken.
    assert.equal(values(twins)["val/color/top1"], 2 / 3);
    const [task] = twins.tasks;
    assert.deepEqual(task?.kind === "zeroShot" && task.labels.at(-1), `${colors[0]} (3)`);
    await assert.rejects(run(made(["4"]), numbers), /received "4": .* not below 4; add the class/);
  });
  it("are of the pictures whose labels are known, where others are left out and counted", async () => {
    const samples: Made[] = [
      { color: "red", label: "pink" },
      { color: "red", label: "red" },
      { color: "green" },
      { color: "green", label: "7" },
      // drawn in a colour that is not its name
      { color: "green", label: "blue" },
    ];
    const result = await run(samples, { tasks: [{ ...zeroShot, unknownLabels: "skip" }] });
    const known = samples.filter(({ label }) => label === "red" || label === "blue");
    const alone = await run(known, { tasks: [zeroShot] });
    assert.deepEqual(values(result), values(alone));
    const [task] = result.tasks;
    assert.deepEqual(task?.guesses?.images, Int32Array.of(1, 4));
    assert.deepEqual(task.guesses.truths, Int32Array.of(0, 2));
    assert.deepEqual(task.facts["leftOut"], { count: 3, withoutLabel: 1, labels: ["pink", "7"] });
    assert.deepEqual(task.notes, [
      '3 classes; templates: bare ("{}")',
      '3 of 5 pictures left out: their labels are none of the classes, such as "pink", "7"; ' +
        "1 without a label",
      "1 of 3 classes without a picture: green",
    ]);
  });
  it("are of the task's templates, else the model's, else those beside the classes, else photo", async () => {
    const asked: string[][] = [];
    const embedTexts: Embedder["embedTexts"] = (texts) => {
      asked.push([...texts]);
      return embedder.embedTexts(texts);
    };
    const cars = join(folder, "cars");
    mkdirSync(cars, { recursive: true });
    writeFileSync(join(cars, "classnames.txt"), "red\ngreen\n");
    writeFileSync(join(cars, "zeroshot_classification_templates.txt"), "a {c} car\n");
    const { templates: _, ...plain } = zeroShot;
    const used = async (task: object, templates?: string[]): Promise<unknown> => {
      const tasks = [{ ...plain, classes: cars, ...task }];
      const result = await run(
        [{ color: "red", label: "0" }],
        { tasks },
        { embedTexts, templates },
      );
      return [asked.pop()?.[0], result.tasks[0]?.facts["templatesFrom"]];
    };
    const own = ["an {} icon"];
    assert.deepEqual(await used({ templates: "{}!" }, own), ["red!", "given"]);
    assert.deepEqual(await used({}, own), ["an red icon", "model"]);
    assert.deepEqual(await used({}), ["a red car", "data"]);
    assert.deepEqual(await used({ classes: join(cars, "classnames.txt") }), ["a red car", "data"]);
    assert.deepEqual(await used({ classes: colors }), ["a photo of a red.", "default"]);
    writeFileSync(join(cars, "zeroshot_classification_templates.txt"), "a car\n");
    await assert.rejects(
      used({}),
      /received "a car" \(line 1\); mark where the name of a class goes/,
    );
  });
  it("of one class are well defined", async () => {
    const tasks = [{ ...zeroShot, classes: ["red"] }];
    const result = await run([{ color: "red", label: "red" }], { tasks });
    assert.equal(values(result)["val/color/top1"], 1);
    assert.deepEqual(result.tasks[0]?.notes, ['1 class; templates: bare ("{}")']);
  });
  it("of one sample are well defined", async () => {
    const result = await run([{ color: "blue", label: "blue" }], { tasks: [zeroShot, retrieval] });
    assert.equal(values(result)["val/color/top1"], 1);
    assert.equal(values(result)["val/retrieval/textToImage/medianRank"], 1);
  });
  it("of classification need no captions, and embed none", async () => {
    const samples: Made[] = [
      { color: "red", label: "red", captions: [] },
      { color: "blue", label: "blue", captions: ["blue"] },
    ];
    embedded.texts = 0;
    const result = await run(samples, { tasks: [zeroShot] });
    assert.equal(values(result)["val/color/top1"], 1);
    assert.equal(embedded.texts, 0);
  });
  it("are of the samples that fit the conditions; no other is embedded", async () => {
    const samples = colors.flatMap((color): Made[] => [
      { color, label: color, meta: { part: "a" }, captions: [color, color] },
      { color, label: color, meta: { part: "b" } },
    ]);
    Object.assign(embedded, { images: 0, texts: 0 });
    const result = await run(samples, { tasks: [zeroShot, retrieval], where: { part: "a" } });
    assert.deepEqual(result.dataset.labels, [...colors]);
    assert.deepEqual([...result.dataset.imageOfText], [0, 0, 1, 1, 2, 2]);
    assert.deepEqual(embedded, { images: 3, texts: 6 });
    assert.equal(values(result)["val/retrieval/imageToText/recall@1"], 1);
  });
});
