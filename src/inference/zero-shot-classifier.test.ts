import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { evaluationPreset } from "../data/image/evaluation-transform.ts";
import type { Tokenizer } from "../text/index.ts";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { saveTinyModel, tinyPictureFiles } from "../../test/support/tiny-model.ts";
import { pairAt } from "../../test/support/model-at.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { pairEncoder } from "./encoder.ts";
import { embedTexts } from "./encode-texts.ts";
import { ZeroShotClassifier, type Prediction } from "./zero-shot-classifier.ts";

const root = mkdtempSync(join(tmpdir(), "limn-classify-"));
let clip: LoadedModel;
let siglip: LoadedModel;
let files: string[];
before(async () => {
  clip = await loadModel(await saveTinyModel(join(root, "clip")));
  siglip = await loadModel(await saveTinyModel(join(root, "siglip"), { logitBiasInit: -4 }, 1));
  files = await tinyPictureFiles(root, 5);
});
after(() => {
  clip.dispose();
  siglip.dispose();
  rmSync(root, { recursive: true });
});

const labels = ["cat", ["dog", "hound"], "a"];
const templates = ["a {}", "{} and {}"];
const close = { rtol: 1e-4, atol: 1e-6 };

/** Prompt ensembling and cosines in plain loops, from single embeddings. */
async function byHand(model: LoadedModel): Promise<number[][]> {
  const row = (values: Float32Array | number[]): number[] => {
    const length = Math.hypot(...values);
    return Array.from(values, (value) => value / length);
  };
  const weights = labels.map((entry) => {
    const names = typeof entry === "string" ? [entry] : entry;
    const rows = names.flatMap((name) =>
      templates.map((template) =>
        row(model.encodeTexts(template.replaceAll("{}", name)).toFloat32Array()),
      ),
    );
    return row(rows[0]!.map((_, d) => rows.reduce((sum, one) => sum + one[d]!, 0)));
  });
  const cosines: number[][] = [];
  for (const file of files) {
    const image = (await model.encodeImages(file)).toFloat32Array();
    cosines.push(weights.map((weight) => weight.reduce((sum, w, d) => sum + w * image[d]!, 0)));
  }
  return cosines;
}

const byIndex = (predictions: readonly Prediction[]): Prediction[] =>
  [...predictions].sort((a, b) => a.index - b.index);

describe("zeroShotClassifier, misused", () => {
  it("refuses labels, templates and kinds that mean nothing", async () => {
    await assert.rejects(clip.zeroShotClassifier([]), /at least one class/);
    await assert.rejects(clip.zeroShotClassifier(["cat", "cat"]), /different first names/);
    const none = { templates: ["a cat"] };
    await assert.rejects(clip.zeroShotClassifier(["cat"], none), /"\{\}" in every template/);
    const unknown = { templates: "photos" as "photo" };
    await assert.rejects(clip.zeroShotClassifier(["cat"], unknown), /Did you mean "photo"/);
    const kind = { probabilities: "logistic" as "sigmoid" };
    await assert.rejects(clip.zeroShotClassifier(["cat"], kind), /"softmax" or "sigmoid"/);
  });

  it("refuses a bad picture by name, and topK below 1", async () => {
    const classifier = await clip.zeroShotClassifier(["cat"]);
    await assert.rejects(
      classifier.classify([files[0]!, "absent.png"]),
      /picture 1 \(absent\.png\)/,
    );
    await assert.rejects(classifier.classify("absent.png"), /picture 0 \(absent\.png\)/);
    await assert.rejects(classifier.classify(files, { topK: 0 }), /for topK/);
  });
});

describe("zeroShotClassifier", () => {
  it("gives softmax over the labels for CLIP", async () => {
    const classifier = await clip.zeroShotClassifier(labels, { templates });
    assert.equal(classifier.probabilities, "softmax");
    assert.deepEqual(classifier.labels, ["cat", "dog", "a"]);
    const cosines = await byHand(clip);
    const scale = Math.exp(2.5);
    for (const [i, predictions] of (await classifier.classify(files)).entries()) {
      const rows = byIndex(predictions);
      const powers = cosines[i]!.map((cosine) => Math.exp(scale * cosine));
      const total = powers.reduce((a, b) => a + b);
      assertClose(
        rows.map((row) => row.similarity),
        cosines[i]!,
        close,
        "similarity",
      );
      assertClose(
        rows.map((row) => row.logit),
        cosines[i]!.map((c) => scale * c),
        close,
        "logit",
      );
      assertClose(
        rows.map((row) => row.score),
        powers.map((p) => p / total),
        close,
        "score",
      );
      assert.deepEqual(
        predictions,
        [...predictions].sort((a, b) => b.score - a.score),
      );
    }
  });

  it("gives each label its own sigmoid for SigLIP", async () => {
    const classifier = await siglip.zeroShotClassifier(labels, { templates });
    assert.equal(classifier.probabilities, "sigmoid");
    const cosines = await byHand(siglip);
    const logits = cosines[0]!.map((cosine) => Math.exp(2.5) * cosine - 4);
    const rows = byIndex(await classifier.classify(files[0]!));
    assertClose(
      rows.map((row) => row.logit),
      logits,
      close,
      "logit",
    );
    assertClose(
      rows.map((row) => row.score),
      logits.map((x) => 1 / (1 + Math.exp(-x))),
      close,
    );
    const shared = await siglip.zeroShotClassifier(labels, { templates, probabilities: "softmax" });
    const total = (await shared.classify(files[0]!)).reduce((sum, { score }) => sum + score, 0);
    assertClose([total], [1], close);
  });

  it("answers one with one, a list with a list, a stream with a stream", async () => {
    const classifier = await clip.zeroShotClassifier(labels, { templates });
    const all = await classifier.classify(files, { topK: 2 });
    assert.deepEqual(
      all.map((predictions) => predictions.length),
      [2, 2, 2, 2, 2],
    );
    const one = await classifier.classify(files[3]!, { topK: 2 });
    assert.deepEqual(
      one.map(({ index }) => index),
      all[3]!.map(({ index }) => index),
    );
    async function* stream(): AsyncGenerator<string> {
      yield* [files[0]!, "absent.png", files[1]!];
    }
    const options = { onError: "skip" as const, workers: 0, topK: 2, batchSize: 2 };
    const seen = [];
    for await (const result of classifier.classify(stream(), options)) seen.push(result);
    assert.deepEqual(
      seen.map(({ index }) => index),
      [0, 1, 2],
    );
    assert.match(seen[1]!.problem ?? "", /does not exist/);
    assert.equal(seen[2]!.predictions?.[0]?.label, all[1]![0]!.label);
    const listed = await classifier.classify(["absent.png", files[0]!], { onError: "skip" });
    assert.deepEqual(
      listed.map(({ problem }) => problem === undefined),
      [false, true],
    );
  });

  it("embeds its labels once", async () => {
    let calls = 0;
    const onProgress = (): void => void calls++;
    const classifier = await clip.zeroShotClassifier(["cat"], { onProgress });
    await classifier.classify(files);
    await classifier.classify(files);
    assert.equal(calls, 1);
  });

  it("goes to JSON and back, for the same model only", async () => {
    const classifier = await siglip.zeroShotClassifier(labels);
    const saved: unknown = JSON.parse(JSON.stringify(classifier));
    const restored = siglip.restoreZeroShotClassifier(saved);
    assert.deepEqual(await restored.classify(files), await classifier.classify(files));
    const refused = (value: unknown, reason: RegExp): void =>
      assert.throws(
        () => siglip.restoreZeroShotClassifier(value),
        (error) => error instanceof CheckpointError && reason.test(error.message),
      );
    assert.throws(() => clip.restoreZeroShotClassifier(saved), /another model made it/);
    refused(null, /not a classifier of version 1/);
    refused({ ...(saved as object), version: 2 }, /not a classifier of version 1/);
    refused({ ...(saved as object), labels: ["cat"] }, /1 x 8 numbers but received 24/);
    refused({ ...(saved as object), weights: "" }, /received 0/);
    refused({ ...(saved as object), labels: undefined }, /parts are missing/);
  });
});

describe("similarity", () => {
  it("gives every pair's cosine, logit and probability", async () => {
    const texts = ["a cat", "hound", "a dog and a cat"];
    const result = await clip.similarity(files, texts);
    assert.deepEqual([result.rows, result.columns, result.kind], [5, 3, "softmax"]);
    const t = clip.encodeTexts(texts).toFloat32Array();
    const v = (await clip.encodeImages(files)).toFloat32Array();
    const cosines = Array.from({ length: 15 }, (_, at) => {
      const [row, column] = [Math.floor(at / 3), at % 3];
      return Array.from({ length: 8 }, (_x, d) => v[row * 8 + d]! * t[column * 8 + d]!).reduce(
        (a, b) => a + b,
      );
    });
    assertClose(result.similarities, cosines, close);
    assertClose(
      result.logits,
      cosines.map((cosine) => Math.exp(2.5) * cosine),
      close,
    );
    const first = [...result.probabilities.subarray(0, 3)].reduce((a, b) => a + b);
    assertClose([first], [1], close);
    const each = await siglip.similarity(files[0]!, "cat");
    assert.equal(each.kind, "sigmoid");
    assertClose(each.probabilities, [1 / (1 + Math.exp(-each.logits[0]!))], close);
  });
});

describe("templates", () => {
  it("are the model's own unless others are asked for, photo where it has none, and are saved", async () => {
    const folder = join(root, "own");
    cpSync(join(root, "clip"), folder, { recursive: true });
    writeFileSync(join(folder, "zero_shot_templates.json"), JSON.stringify(templates));
    const own = await loadModel(folder);
    const made = await own.zeroShotClassifier(labels);
    const given = await clip.zeroShotClassifier(labels, { templates });
    assert.deepEqual([made.templates, given.templates], [templates, templates]);
    assert.deepEqual(made.weights, given.weights);
    const other = await own.zeroShotClassifier(labels, { templates: "bare" });
    assert.deepEqual(other.templates, ["{}"]);
    assert.notDeepEqual(other.weights, made.weights);
    const one = await clip.zeroShotClassifier(labels, { templates: "a photo of a {}." });
    assert.deepEqual((await clip.zeroShotClassifier(labels)).weights, one.weights);
    const saved = JSON.parse(JSON.stringify(made)) as Record<string, unknown>;
    assert.deepEqual(own.restoreZeroShotClassifier(saved).templates, templates);
    // As it was saved before.
    const { templates: _, ...older } = saved;
    assert.equal(own.restoreZeroShotClassifier(older).templates, undefined);
    assert.throws(
      () => own.restoreZeroShotClassifier({ ...saved, templates: ["a"] }),
      CheckpointError,
    );
    own.dispose();
  });
});

describe("transformers' CLIPModel", () => {
  it("has the same text embeddings and logits", () => {
    const folder = fileURLToPath(new URL("../../../test/goldens/clip-tiny", import.meta.url));
    const golden = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
      tokens: number[][];
      [name: string]: unknown;
    };
    const floats = (name: string): Float32Array =>
      new Float32Array(Uint8Array.from(Buffer.from(golden[name] as string, "base64")).buffer);
    const model = pairAt(folder);
    const { tokens } = golden;
    const tokenizer = {
      contextLength: 12,
      encodeBatch: (texts: readonly string[]) => ({
        tokens: Int32Array.from(texts.flatMap((text) => tokens[Number(text)]!)),
        lengths: Int32Array.from(texts, (text) => tokens[Number(text)]!.indexOf(95) + 1),
      }),
    } as Partial<Tokenizer> as Tokenizer;
    const encoder = pairEncoder(model, evaluationPreset("clip", 32));
    const given = { pair: model, tokenizer, encoder };
    const names = tokens.map((_, i) => String(i));
    const weights = embedTexts(given, names);
    const tolerance = { rtol: 1e-5, atol: 1e-6 };
    assertClose(weights.data, floats("textEmbeddings"), tolerance, "text embeddings");
    const probabilities = "softmax";
    const classifier = new ZeroShotClassifier(given, { labels: names, weights, probabilities });
    const data = floats("imageEmbeddings");
    const ranked = classifier.rank({ data, count: data.length / 24, dim: 24 });
    const logits = ranked.flatMap((row) => byIndex(row).map(({ logit }) => logit));
    assertClose(logits, floats("logits"), { rtol: 1e-5, atol: 1e-5 }, "logits");
    model.dispose();
  });
});
