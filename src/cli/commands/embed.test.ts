import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { parquetReadObjects } from "hyparquet";

import { readNpy } from "../../files/npy.ts";
import { writeShards } from "../../data/write-shards.ts";
import { embedSource, type EmbedOptions } from "../../embed/embed-source.ts";
import { availablePrecisions } from "../../nn/precision.ts";
import { loadModel, type LoadedModel } from "../../inference/load-model.ts";
import { assertClose } from "../../../test/support/close.ts";
import { runLimn } from "../../../test/support/run-limn.ts";
import { saveTinyModel, tinyPictureFiles } from "../../../test/support/tiny-model.ts";
import { describeEmbedding } from "../print/outcomes.ts";
import { progressLine } from "../print/progress-line.ts";

const root = mkdtempSync(join(tmpdir(), "limn-embed-"));
after(() => rmSync(root, { recursive: true }));
const photos = join(root, "photos");
const shards = join(root, "shards");
let folder: string;
let model: LoadedModel;
let files: string[];
const captions = (i: number): string[] => [`a cat ${i}`, "another caption"];
before(async () => {
  mkdirSync(photos);
  files = await tinyPictureFiles(photos, 11);
  folder = await saveTinyModel(join(root, "model"));
  model = await loadModel(folder);
  const samples = files.map((file, i) => ({
    key: `photo-${i}`,
    image: readFileSync(file),
    extension: "png" as const,
    captions: captions(i),
    label: i % 2 ? "odd" : "even",
    meta: { width: 20, exif: { iso: i / 2 }, tags: ["x", i], ...(i > 3 ? { late: true } : {}) },
  }));
  await writeShards({ samples, directory: shards, samplesPerShard: 4 });
});
after(() => model.dispose());

let runs = 0;
const out = (): string => join(root, `out-${runs++}`);
const rows = async (file: string): Promise<Record<string, unknown>[]> =>
  parquetReadObjects({ file: Uint8Array.from(readFileSync(file)).buffer });
const tolerance = { rtol: 1e-5, atol: 2e-6 };

describe("limn embed, misused", () => {
  const refuses = async (words: string[], code: number, message: RegExp): Promise<void> => {
    const result = await runLimn("embed", ...words);
    assert.match(result.err, message);
    assert.equal(result.code, code);
  };

  it("wants a folder and a source", async () => {
    await refuses([folder, photos], 2, /Expected --out <folder>/);
    await refuses([folder, "absent", "--out", out()], 2, /Expected a folder, a \.csv/);
    const empty = join(root, "empty");
    mkdirSync(empty);
    await refuses(
      [folder, empty, "--out", out()],
      3,
      /at least one usable sample for .*empty but received none/,
    );
    await refuses([folder, photos, "--out", out(), "--texts"], 3, /it has no caption/);
  });

  it("does not mix embeddings of different origin in one folder", async () => {
    const target = out();
    const { code } = await runLimn("embed", folder, photos, "--out", target);
    assert.equal(code, 0);
    const before = readdirSync(target, { recursive: true });
    const other = await saveTinyModel(join(root, "other"), {}, 5);
    await refuses([other, photos, "--out", target], 3, /another model or preprocessing instead of/);
    await refuses([folder, shards, "--out", target], 3, /source .*photos.* instead of .*shards/);
    const single = ["--store", "float32"];
    await refuses(
      [folder, photos, "--out", target, ...single],
      3,
      /store "float16" instead of "float32"/,
    );
    const [lower = "float32"] = availablePrecisions().slice(1);
    if (lower !== "float32") {
      await refuses(
        [folder, photos, "--out", target, "--precision", lower],
        3,
        new RegExp(`precision "float32" instead of "${lower}"`),
      );
    }
    // Before the model's precision could be chosen, `precision` was that of the files.
    const state = join(target, "embed.json");
    const now = JSON.parse(readFileSync(state, "utf8")) as { settings: Record<string, unknown> };
    const { store, ...earlier } = now.settings;
    const old = { ...now, settings: { ...earlier, precision: store } };
    writeFileSync(state, JSON.stringify(old));
    const again = await runLimn("embed", folder, photos, "--out", target);
    assert.match(again.out, /of them were there already/);
    assert.deepEqual(readdirSync(target, { recursive: true }), before);
    rmSync(join(target, "embed.json"));
    await refuses([folder, photos, "--out", target], 3, /has files and no embed\.json/);
    writeFileSync(join(target, "embed.json"), "{");
    await refuses(
      [folder, photos, "--out", target],
      3,
      /state of an embedding run .* cannot be read/,
    );
  });

  it("leaves nothing half-written when a picture is bad", async () => {
    const bad = join(root, "bad");
    mkdirSync(bad);
    for (const [i, file] of files.entries()) copyFileSync(file, join(bad, `${i + 10}.png`));
    writeFileSync(join(bad, "15.png"), "no picture");
    const target = out();
    const words = [folder, bad, "--out", target, "--shard-size", "4", "--batch-size", "2"];
    await refuses(words, 3, /15 in .*15\.png/);
    assert.deepEqual(readdirSync(join(target, "img_emb")), ["img_emb_0.npy"]);
    assert.deepEqual(readdirSync(join(target, "metadata")), ["metadata_0.parquet"]);
    const skipping = [folder, bad, "--out", out(), "--on-error", "skip", "--json"];
    const { code, out: json, err } = await runLimn("embed", ...skipping);
    const { rows: count, skipped } = JSON.parse(json) as { rows: number; skipped: number };
    assert.deepEqual([code, count, skipped], [0, 10, 1]);
    assert.match(err, /left out 15 in .*15\.png/);
  });
});

describe("limn embed", () => {
  it("writes clip-retrieval's layout, rows aligned", async () => {
    const target = out();
    const words = ["--out", target, "--texts", "--shard-size", "4", "--store", "float32"];
    const { code, out: text, err } = await runLimn("embed", folder, shards, ...words);
    assert.equal(code, 0, err);
    assert.match(text, /^11 embeddings of 8 numbers in 3 shards in \S+, [\d.,]+ pictures\/s\n$/);
    assert.match(err, /\d+ pictures, \d of 3 shards done, [\d.,]+ pictures\/s/);
    for (const [name, ending] of [
      ["img_emb", "npy"],
      ["text_emb", "npy"],
      ["metadata", "parquet"],
    ]) {
      const expected = [0, 1, 2].map((n) => `${name}_${n}.${ending}`);
      assert.deepEqual(readdirSync(join(target, name as string)).sort(), expected);
    }
    const images = [0, 1, 2].map((n) => readNpy(join(target, "img_emb", `img_emb_${n}.npy`)));
    const texts = [0, 1, 2].map((n) => readNpy(join(target, "text_emb", `text_emb_${n}.npy`)));
    assert.deepEqual(
      images.map((matrix) => matrix.rows),
      [4, 4, 3],
    );
    const expected = (await model.encodeImages(files)).toFloat32Array();
    assertClose(
      images.flatMap(({ data }) => [...data]),
      expected,
      tolerance,
      "images",
    );
    const first = files.map((_, i) => captions(i)[0] as string);
    const expectedTexts = model.encodeTexts(first).toFloat32Array();
    assertClose(
      texts.flatMap(({ data }) => [...data]),
      expectedTexts,
      tolerance,
      "texts",
    );
    assert.deepEqual(
      await rows(join(target, "metadata", "metadata_1.parquet")),
      [4, 5, 6, 7].map((i) => ({
        image_path: `photo-${i}`,
        caption: `a cat ${i}`,
        label: i % 2 ? "odd" : "even",
        width: 20n,
        "exif.iso": i / 2,
        tags: JSON.stringify(["x", i]),
        late: true,
      })),
    );
  });

  it("halves the numbers by default, and names the files of a folder", async () => {
    const target = out();
    await runLimn("embed", folder, photos, "--out", target);
    const matrix = readNpy(join(target, "img_emb", "img_emb_0.npy"));
    assert.equal(matrix.precision, "float16");
    const expected = (await model.encodeImages(files)).toFloat32Array();
    assertClose(matrix.data, expected, { rtol: 2 ** -11, atol: 2 ** -20 });
    const metadata = await rows(join(target, "metadata", "metadata_0.parquet"));
    assert.deepEqual(
      metadata,
      files.map((file) => ({ image_path: file })),
    );
    const again = await runLimn("embed", folder, photos, "--out", target);
    assert.match(again.out, /^11 embeddings .*\n11 of them were there already\n$/);
  });
});

describe("embedSource, stopped and started again", () => {
  const everything = (target: string): Map<string, Buffer> =>
    new Map(
      readdirSync(target, { recursive: true })
        .map(String)
        .filter((name) => /\.(npy|parquet)$/.test(name))
        .sort()
        .map((name) => [name, readFileSync(join(target, name))]),
    );

  it("gives the same files as one run, whatever the batches", async () => {
    const bad = join(root, "with-bad");
    mkdirSync(bad);
    for (const [i, file] of files.entries()) copyFileSync(file, join(bad, `${i + 10}.png`));
    for (const number of [12, 16, 17]) writeFileSync(join(bad, `${number}x.png`), "no picture");
    const options = (target: string): EmbedOptions => ({
      ...{ model, source: { kind: "folder", directory: bad }, folder: target },
      ...{ onError: "skip", shardSize: 3, store: "float32", workers: 1, batchSize: 1 },
    });
    const whole = out();
    const result = await embedSource(options(whole));
    assert.deepEqual([result.rows, result.skipped, result.shards], [11, 3, 4]);
    for (const batchSize of [2, 5]) {
      const target = out();
      let last;
      // Stopped within the first shard, then a batch later each time.
      for (let most = 1; most < 10 && last?.complete !== true; most++) {
        let batches = 0;
        const shouldStop = (): boolean => ++batches >= most;
        last = await embedSource({ ...options(target), batchSize, shouldStop });
        assert.ok(last.complete || most < 3 || last.rows > 0);
      }
      assert.ok(last);
      assert.deepEqual([last.rows, last.skipped, last.shards], [11, 3, 4]);
      const [a, b] = [everything(whole), everything(target)];
      assert.deepEqual([...b.keys()], [...a.keys()]);
      for (const [name, bytes] of b) {
        if (name.endsWith(".parquet")) assert.deepEqual(bytes, a.get(name));
        else {
          const [left, right] = [whole, target].map((at) => readNpy(join(at, name)));
          assertClose(left!.data, right!.data, tolerance, name);
        }
      }
    }
  });
});

describe("progressLine", () => {
  const parts = { done: 0, all: 1 };
  const progress = { rows: 1500, samples: 4000, parts, skipped: 100, picturesPerSecond: 20 };

  it("rewrites a terminal's line and appends to a file now and then", () => {
    let now = 0;
    const text: Record<string, string> = { tty: "", file: "" };
    const lines = (["tty", "file"] as const).map((name) =>
      progressLine(
        { isTTY: name === "tty", write: (chunk: unknown) => ((text[name] += String(chunk)), true) },
        describeEmbedding,
        () => now,
      ),
    );
    for (now of [0, 50, 200, 5000, 10_500]) for (const line of lines) line.show(progress);
    for (const line of lines) line.end();
    const words = "1,500 of 4,000 pictures, 100 left out, 20.0 pictures/s, 2 min left";
    assert.equal(text["file"], `${words}\n${words}\n`);
    const unlisted = { ...progress, samples: undefined, parts: { done: 3, all: 32 } };
    const shardsDone = "1,500 pictures, 100 left out, 3 of 32 shards done, 20.0 pictures/s";
    assert.equal(describeEmbedding(unlisted), shardsDone);
    assert.equal(text["tty"], `${`\r${words}\u001b[K`.repeat(4)}\n`);
  });
});
