import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { contactSheet } from "../../data/contact-sheet.ts";
import { findDuplicates } from "../../data/dedupe/find-duplicates.ts";
import { inspectSource } from "../../data/inspect.ts";
import { createLoader } from "../../data/loader/loader.ts";
import { packDataset } from "../../data/pack.ts";
import type { Problem } from "../../data/sources/source.ts";
import { embedSource, type EmbedOptions } from "../../embed/embed-source.ts";
import { evaluate } from "../../evaluate/evaluate-model.ts";
import { loadModel, type LoadedModel } from "../../inference/load-model.ts";
import { runLimn } from "../../../test/support/run-limn.ts";
import { saveTinyModel, tinyPicture } from "../../../test/support/tiny-model.ts";

/** 36 bytes that announce a picture. */
function header(first: string, fill: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(36);
  bytes.write(first, "latin1");
  fill(bytes);
  return bytes;
}

const side = 16_384;
const announced: Record<string, Buffer> = {
  "webp.webp": header("RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0\x2f", (bytes) => {
    bytes.writeUInt32LE((side - 1) | ((side - 1) << 14), 21);
  }),
  "extended.webp": header("RIFF\x1c\0\0\0WEBPVP8X\x0a\0\0\0", (bytes) => {
    bytes.writeUInt32LE(side - 1, 24);
    bytes.writeUIntLE(side - 1, 27, 3);
  }),
  "png.png": header("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", (bytes) => {
    bytes.writeUInt32BE(side, 16);
    bytes.writeUInt32BE(side, 20);
    bytes.writeUInt16BE(0x08_02, 24);
  }),
  "gif.gif": header("GIF89a", (bytes) => {
    bytes.writeUInt16LE(side, 6);
    bytes.writeUInt16LE(side, 8);
  }),
  "jpeg.jpg": header("\xff\xd8\xff\xc0\0\x11\x08", (bytes) => {
    bytes.writeUInt16BE(side, 7);
    bytes.writeUInt16BE(side, 9);
    bytes.writeUInt8(3, 11);
    bytes.writeUInt16BE(0xff_da, 21);
  }),
};
/** Formats that limn does not read, whatever they announce. */
const others: Record<string, Buffer> = {
  "tiff.jpg": header("II*\0\x08\0\0\0"),
  "avif.png": header("\0\0\0\x1cftypavif"),
};

const root = mkdtempSync(join(tmpdir(), "limn-large-pictures-"));
after(() => rmSync(root, { recursive: true }));
const directory = join(root, "pictures");
const source = { kind: "folder", directory } as const;
const count = Object.keys({ ...announced, ...others }).length;
let folder: string;
let model: LoadedModel;
before(async () => {
  mkdirSync(directory);
  const good = { "good.png": await tinyPicture(1), "second.png": await tinyPicture(2) };
  for (const [name, bytes] of Object.entries({ ...announced, ...others, ...good })) {
    writeFileSync(join(directory, name), bytes);
    writeFileSync(join(directory, name.replace(/\.\w+$/, ".txt")), "a cat");
  }
  folder = await saveTinyModel(join(root, "model"));
  model = await loadModel(folder);
});
after(() => model.dispose());

/** Each is refused for what its header says, so nothing was decoded. */
function checkReasons(problems: readonly Pick<Problem, "key" | "reason">[], most: number): void {
  const reasons = new Map(problems.map(({ key = "", reason }) => [key, reason]));
  assert.equal(reasons.size, count, [...reasons].join("\n"));
  for (const [key, reason] of reasons) {
    const known = key === "tiff" || key === "avif";
    const what = known ? new RegExp(`an? ${key.toUpperCase()} file`) : refusal(most);
    assert.match(reason, what);
  }
}
const refusal = (most: number): RegExp =>
  new RegExp(`16384 x 16384 pixels, more than ${most} \\(maxPixels\\)`);

const PILLOW = 178_956_970;
const TRAINING = 67_108_864;

describe("pictures whose header announces too many pixels", () => {
  it("are bad samples of training and evaluation", async () => {
    for (const [mode, most] of [
      ["train", TRAINING],
      ["evaluate", PILLOW],
    ] as const) {
      const { transform } = model.encoder;
      const reading = { source, transform, batchSize: 2, mode, epochs: 1, workers: 1 } as const;
      const loader = await createLoader({ ...reading, onError: "skip" });
      for await (const batch of loader) assert.equal(batch.size, 2);
      checkReasons(loader.badSamples, most);
      await loader.close();
    }
  });
  it("are listed by inspectSource as training passes them over, with or without decoding", async () => {
    for (const check of ["header", "decode"] as const) {
      const report = await inspectSource({ source, check, workers: 1 });
      assert.deepEqual([report.samples, report.bad, report.usable], [count + 2, count, 2]);
      checkReasons(report.badSamples, TRAINING);
    }
    const wide = await inspectSource({ source, check: "header", maxPixels: side * side });
    assert.equal(wide.bad, Object.keys(others).length);
  });
  it("are left out of packs, whether they are resized or not", async () => {
    for (const [name, resize] of Object.entries({ kept: {}, resized: { resize: 8 } })) {
      const packed = await packDataset({ source, directory: join(root, name), ...resize });
      assert.equal(packed.samples, 2);
      checkReasons(packed.badSamples, PILLOW);
    }
  });
  it("are unread by findDuplicates", async () => {
    const report = await findDuplicates({ source, workers: 1 });
    assert.deepEqual([report.pictures, report.bad], [2, count]);
    checkReasons(report.badSamples, PILLOW);
  });
  it("are left out of embeddings", async () => {
    const result = await embedSource({ ...embedding("embedded"), onError: "skip" });
    assert.deepEqual([result.rows, result.skipped], [2, count]);
    checkReasons(result.badSamples, PILLOW);
  });
  it("have no class, on this thread and on others", async () => {
    const classifier = await model.zeroShotClassifier(["cat", "dog"], { templates: ["{}"] });
    const names = Object.keys(announced);
    for (const workers of [0, 1]) {
      const files = names.map((name) => join(directory, name));
      const results = await classifier.classify(files, { onError: "skip", workers });
      for (const { problem } of results) assert.match(problem ?? "", refusal(PILLOW));
    }
  });
  it("are refused where the frame of a GIF is larger than its screen", async () => {
    const gif = header("GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02");
    const file = join(root, "frame.gif");
    writeFileSync(file, gif);
    await assert.rejects(model.encodeImages(file), /the frame needs 65535 x 65535 pixels/);
  });
});

function embedding(name: string): EmbedOptions {
  return { model, source, folder: join(root, name), workers: 1 };
}

describe("maxPixels", () => {
  const small = join(root, "small");
  const smallSource = { kind: "folder", directory: small } as const;
  // Pictures of 20 x 20 and of 40 x 40 pixels.
  before(async () => {
    mkdirSync(small);
    for (const [i, pixels] of [20, 40, 20].entries()) {
      const name = `${"abc"[i]}-${pixels}`;
      writeFileSync(join(small, `${name}.png`), await tinyPicture(50 * i, pixels));
      writeFileSync(join(small, `${name}.txt`), `a cat ${i}`);
    }
  });
  const over = /40 x 40 pixels, more than 400 \(maxPixels\)/;

  it("is the largest size that is taken, everywhere", async () => {
    const bound = { source: smallSource, maxPixels: 400 };
    const inspected = await inspectSource(bound);
    const packed = await packDataset({ ...bound, directory: join(root, "few"), resize: 10 });
    const duplicates = await findDuplicates({ ...bound, workers: 1 });
    const embedded = await embedSource({ ...embedding("few-rows"), ...bound, onError: "skip" });
    for (const { badSamples } of [inspected, packed, duplicates, embedded]) {
      assert.equal(badSamples.length, 1);
      assert.match(badSamples[0]!.reason, over);
    }
    assert.deepEqual([inspected.usable, packed.samples, embedded.rows], [2, 2, 2]);
    const sheet = await contactSheet({ ...bound, format: "html" });
    assert.equal(sheet.toString("utf8").match(/<img /g)?.length, 2);
    const { skipped } = await model.encodeImages([await tinyPicture(0, 40)], {
      onError: "skip",
      maxPixels: 1599,
    });
    assert.match(skipped[0]!.reason, /^40 x 40 pixels, more than 1599/);
    const suites = [{ name: "small", source: smallSource, tasks: [{ kind: "retrieval" }] }];
    await assert.rejects(evaluate({ model: folder, suites, maxPixels: 400 } as never), over);
  });
  it("is part of what embeddings are, and was Pillow's bound before it could be set", async () => {
    const given = { ...embedding("kept"), source: smallSource, onError: "skip" as const };
    await embedSource({ ...given, maxPixels: 400 });
    await assert.rejects(embedSource(given), /received maxPixels 400 instead of 178956970; choose/);
    assert.equal((await embedSource({ ...given, maxPixels: 400 })).resumedFrom, 2);
  });
  it("refuses what is no count", async () => {
    for (const maxPixels of [0, 1.5, NaN, Infinity]) {
      const bound = { source: smallSource, maxPixels };
      const message = /Expected a positive integer for maxPixels but received/;
      await assert.rejects(inspectSource(bound), message);
      await assert.rejects(packDataset({ ...bound, directory: join(root, "none") }), message);
      await assert.rejects(contactSheet({ ...bound, format: "png" }), message);
      await assert.rejects(embedSource({ ...embedding("none"), ...bound }), message);
      await assert.rejects(model.encodeImages([await tinyPicture(0)], { maxPixels }), message);
      await assert.rejects(findDuplicates(bound), /integer from 1 for maxPixels/);
    }
    assert.ok(!readdirSync(root).includes("none"));
  });
  it("is a flag of every command that decodes", async () => {
    const flag = ["--max-pixels", "400"];
    const file = join(small, "b-40.png");
    for (const words of [
      ["data", "pack", small, join(root, "by-flag"), "--on-error", "fail", ...flag],
      ["embed", folder, small, "--out", join(root, "rows-by-flag"), ...flag],
      ["classify", folder, file, "--labels", "a,b", ...flag],
      ["eval", folder, small, ...flag],
    ]) {
      const { code, err } = await runLimn(...words);
      assert.equal(code, 3, `${words.join(" ")}: ${err}`);
      assert.match(err, over);
    }
    for (const command of ["inspect", "dedupe"]) {
      const { code, out } = await runLimn("data", command, small, "--json", ...flag);
      assert.equal(code, 0);
      assert.match((JSON.parse(out) as { badSamples: Problem[] }).badSamples[0]!.reason, over);
    }
    assert.equal((await runLimn("data", "inspect", small, "--max-pixels", "0")).code, 2);
  });
});
