import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { rasterizeSvg } from "../../data/image/svg/rasterize-svg.ts";
import { tarOf } from "../../data/sources/samples.test.helper.ts";
import { writeShards } from "../../data/write-shards.ts";
import { runLimn } from "../../../test/support/run-limn.ts";
import { saveTinyModel, tinyPictureFiles } from "../../../test/support/tiny-model.ts";

const root = mkdtempSync(join(tmpdir(), "limn-cli-classify-"));
after(() => rmSync(root, { recursive: true }));
const photos = join(root, "photos");
let model: string;
let siglip: string;
let files: string[];
before(async () => {
  mkdirSync(photos);
  files = await tinyPictureFiles(photos, 3);
  model = await saveTinyModel(join(root, "clip"));
  siglip = await saveTinyModel(join(root, "siglip"), { logitBiasInit: -3 });
  writeFileSync(join(root, "bad.jpg"), "no picture");
  writeFileSync(join(root, "labels.txt"), "cat\n\n a dog \r\n");
  writeFileSync(join(root, "empty.json"), JSON.stringify(["cat", " "]));
  writeFileSync(join(root, "labels.json"), JSON.stringify(["cat", ["dog", "hound"]]));
});

interface Answer {
  probabilities: string;
  templates: string[];
  templatesFrom: string;
  pictures: {
    picture: string;
    problem?: string;
    predictions?: { label: string; score: number; similarity: number; logit: number }[];
  }[];
}

async function answer(...words: string[]): Promise<Answer> {
  const { code, out, err } = await runLimn("classify", ...words, "--device", "cpu", "--json");
  assert.equal(code, 0, err);
  return JSON.parse(out) as Answer;
}

describe("limn classify, misused", () => {
  const refuses = async (words: string[], code: number, message: RegExp): Promise<void> => {
    const result = await runLimn("classify", ...words);
    assert.match(result.err, message);
    assert.deepEqual([result.code, result.out], [code, ""]);
  };

  it("wants a device that is there", async () => {
    const [file = ""] = files;
    await refuses(
      [model, file, "--labels", "a,b", "--device", "x"],
      2,
      /: Expected one of auto, cpu.* for --device but received "x"; .*\nNext: limn classify --help/,
    );
  });

  it("wants labels from one place, and different ones", async () => {
    const [file = ""] = files;
    await refuses([model, file], 2, /--labels or --classes but received neither/);
    await refuses([model, file, "--labels", "a", "--classes", "b.txt"], 2, /received both/);
    await refuses([model, file, "--labels", " , "], 2, /at least one label/);
    await refuses([model, file, "--labels", "a,b,a"], 2, /received "a" twice/);
    await refuses(
      [model, file, "--classes", join(root, "none.txt")],
      2,
      /cannot read .*none\.txt \(the file does not exist/,
    );
    await refuses([model, file, "--classes", join(root, "none.json")], 3, /JSON array of classes/);
    await refuses(
      [model, file, "--classes", join(root, "empty.json")],
      3,
      /a name, .* for class 1/,
    );
  });

  it("names what is not there and what is no picture", async () => {
    const labels = ["--labels", "cat"];
    await refuses([model, ...labels], 2, /Expected <pictures...> but received nothing/);
    await refuses([model, "absent.jpg", ...labels], 2, /no such file/);
    await refuses([model, "absent", ...labels], 2, /Expected a folder/);
    await refuses([model, join(root, "bad.jpg"), ...labels], 3, /for .*bad\.jpg .* skip/);
  });
});

describe("limn classify", () => {
  it("prints a table for each picture and says what the numbers are", async () => {
    const { code, out } = await runLimn("classify", model, ...files, "--labels", "cat, dog,hat");
    assert.equal(code, 0);
    const blocks = out.trimEnd().split("\n\n");
    assert.equal(
      blocks[0],
      "probability: softmax over 3 labels\n" +
        'templates: photo ("a photo of a {}."), the default, as the model has none of its own',
    );
    assert.equal(blocks.length, 4);
    assert.match(
      blocks[1] ?? "",
      /^\S+picture-000\.png\n( {2}(cat|dog|hat) +\d+\.\d\d % {2}similarity -?0\.\d{4}\n?){3}$/,
    );
  });

  it("draws SVG files where they are allowed, alone, in folders and in shards", async () => {
    const drawing = '<svg viewBox="0 0 8 8"><circle cx="4" cy="3" r="2" fill="red"/></svg>';
    const folder = join(root, "drawings");
    mkdirSync(folder);
    const [file, bare] = [join(folder, "red.svg"), join(root, "without-ending")];
    for (const one of [file, bare]) writeFileSync(one, drawing);
    const shard = join(root, "drawings.tar");
    writeFileSync(shard, tarOf({ "red.svg": drawing }));
    const labels = ["--labels", "cat,dog"];
    const { code, err } = await runLimn("classify", model, file, ...labels);
    assert.equal(code, 3);
    assert.match(err, /an SVG file, which is read only where it is allowed \(svg: .*, --svg 224\)/);
    // Batches of other sizes round otherwise.
    const alone = ["--svg", "64", "--batch-size", "1"];
    const { pictures } = await answer(model, file, folder, shard, bare, ...labels, ...alone);
    assert.equal(pictures.length, 4);
    const png = join(root, "red.png");
    writeFileSync(png, await rasterizeSvg(Buffer.from(drawing), { size: 64 }));
    const [expected] = (await answer(model, png, ...labels, ...alone)).pictures;
    for (const { predictions } of pictures) assert.deepEqual(predictions, expected?.predictions);
  });

  it("gives probabilities of the model's kind", async () => {
    const shared = await answer(model, ...files, "--classes", join(root, "labels.json"));
    assert.equal(shared.probabilities, "softmax");
    for (const { predictions = [] } of shared.pictures) {
      assert.deepEqual(new Set(predictions.map(({ label }) => label)), new Set(["cat", "dog"]));
      assert.ok(Math.abs(predictions.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-6);
    }
    const own = await answer(siglip, files[0] ?? "", "--classes", join(root, "labels.txt"));
    assert.equal(own.probabilities, "sigmoid");
    for (const { score, logit } of own.pictures[0]?.predictions ?? []) {
      assert.ok(Math.abs(score - 1 / (1 + Math.exp(-logit))) < 1e-6);
    }
  });

  it("takes the model's own templates, or those of all flags, and says which", async () => {
    const folder = join(root, "own");
    cpSync(model, folder, { recursive: true });
    writeFileSync(join(folder, "zero_shot_templates.json"), '["an icon of {}"]');
    const words = [files[0] ?? "", "--labels", "cat,dog"];
    const own = await answer(folder, ...words);
    assert.deepEqual([own.templates, own.templatesFrom], [["an icon of {}"], "model"]);
    const given = await answer(model, ...words, "--templates", "an icon of {c}");
    assert.deepEqual([given.templates, given.templatesFrom], [["an icon of {}"], "given"]);
    assert.deepEqual(given.pictures, own.pictures);
    const several = await answer(folder, ...words, "--templates", "bare", "--templates", "a {}");
    assert.deepEqual(several.templates, ["{}", "a {}"]);
    const { out } = await runLimn("classify", folder, ...words);
    assert.match(out, /\ntemplates: "an icon of \{\}", the model's own\n\n/);
    const wrong = await runLimn("classify", folder, ...words, "--templates", "icon");
    assert.deepEqual([wrong.code, wrong.out], [2, ""]);
    assert.match(wrong.err, /a text with \{\}, or a file for --templates but received "icon"/);
  });

  it("takes folders and shards, and leaves out bad pictures when told to", async () => {
    const samples = files.map((file, i) => ({
      key: `p${i}`,
      image: readFileSync(file),
      extension: "png" as const,
      captions: ["a"],
    }));
    const { shards } = await writeShards({
      samples,
      directory: join(root, "tar"),
      samplesPerShard: 9,
    });
    const words = ["--labels", "cat,dog", "--templates", "bare", "--top", "1"];
    const one = await answer(model, ...files, ...words);
    const all = await answer(
      model,
      photos,
      join(root, "bad.jpg"),
      ...shards,
      ...words,
      "--on-error",
      "skip",
    );
    assert.equal(all.pictures.length, 7);
    const scores = (list: Answer["pictures"]): (string | undefined)[] =>
      list.map(({ predictions }) => predictions?.[0]?.score.toFixed(4));
    assert.deepEqual(scores(all.pictures), [
      ...scores(one.pictures),
      undefined,
      ...scores(one.pictures),
    ]);
    assert.deepEqual(
      all.pictures.map(({ predictions }) => predictions?.length ?? 0),
      [1, 1, 1, 0, 1, 1, 1],
    );
    assert.match(all.pictures[3]?.problem ?? "", /^text, "no picture"/);
    assert.match(all.pictures[4]?.picture ?? "", /\.tar: p0$/);
  });
});
