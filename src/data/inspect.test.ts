import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import { createRandom } from "../arrays/random.ts";
import { TextCounts } from "./caption-counts.ts";
import { contactSheet } from "./contact-sheet.ts";
import { inspectSource } from "./inspect.ts";
import { packDataset } from "./pack.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import type { SourceSpec } from "./sources/source-spec.ts";
import { writeShards } from "./write-shards.ts";

const top = mkdtempSync(join(tmpdir(), "limn-inspect-"));
after(() => rmSync(top, { recursive: true }));

const table: SourceSpec = { kind: "table", file: join(top, "table.jsonl"), label: "kind" };

function blank(width: number, height: number): ReturnType<typeof sharp> {
  return sharp({ create: { width, height, channels: 3, background: "#336699" } });
}

/** The header of a PNG that says it is 30,000 x 30,000, with no more behind it. */
async function bomb(): Promise<Buffer> {
  const png = await sharp({ create: { width: 30_000, height: 1, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  png.writeUInt32BE(30_000, 20);
  return png;
}

before(async () => {
  const large = await blank(60, 40).jpeg().toBuffer();
  const files: Record<string, Buffer> = {
    "large.jpg": large,
    "other/large.jpg": large,
    "small.v1.png": await blank(10, 20).png().toBuffer(),
    "cut.jpg": large.subarray(0, large.length - 30),
    "bomb.png": await bomb(),
    "silent.jpg": large,
  };
  mkdirSync(join(top, "other"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(top, name), bytes);
  const rows = [
    { image: "large.jpg", caption: ["a blue card", "blue"], kind: "card" },
    { image: "other/large.jpg", caption: "blue <&> 🐈" },
    { image: "small.v1.png", caption: "blue", kind: "card" },
    { image: "cut.jpg", caption: "x".repeat(10_000) },
    { image: "bomb.png", caption: "a bomb" },
    { image: "silent.jpg" },
    { image: "gone.jpg", caption: "gone" },
  ];
  writeFileSync(join(top, "table.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
});

describe("inspectSource", () => {
  it("refuses unknown options and empty sources", async () => {
    await assert.rejects(
      inspectSource({ source: table, limits: 3 } as never),
      /inspect option limits\. Did you mean "limit"/,
    );
    const file = join(top, "empty.jsonl");
    writeFileSync(file, "");
    await assert.rejects(
      inspectSource({ source: { kind: "table", file } }),
      /Expected at least one sample for .*empty\.jsonl/,
    );
  });
  it("counts what there is and names what is bad", async () => {
    const report = await inspectSource({ source: table });
    const { samples, usable, bad, images, captions, labels, parts, partial } = report;
    assert.deepEqual(
      { samples, usable, bad, labels, partial },
      { samples: 7, usable: 3, bad: 4, labels: { card: 2 }, partial: false },
    );
    assert.deepEqual(images.formats, { jpeg: 4, png: 2 });
    assert.equal(images.width.max, 30_000);
    assert.deepEqual(
      [captions.count, captions.missing, captions.characters.max, captions.repeated],
      [6, 1, 10_000, 1],
    );
    assert.deepEqual(captions.commonest, [{ caption: "blue", count: 2 }]);
    assert.deepEqual(
      parts.map((part) => [part.samples, part.bad]),
      [[7, 4]],
    );
    const reasons = report.badSamples.map(({ key, reason }) => `${key}: ${reason}`);
    assert.match(reasons[0]!, /^cut\.jpg: data that cannot be decoded/);
    assert.match(
      reasons[1]!,
      /^bomb\.png: 30000 x 30000 pixels, more than 67108864 \(maxPixels\)$/,
    );
    assert.deepEqual(reasons.slice(2), [
      "silent.jpg: it has no caption",
      "gone.jpg: the file does not exist",
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });
  it("may stop early and look at headers only", async () => {
    const report = await inspectSource({ source: table, limit: 4, check: "header" });
    assert.deepEqual([report.samples, report.bad, report.partial], [4, 0, true]);
  });
});

describe("inspectSource of more pictures than one thread decodes", () => {
  const shards = ["one", "two"].map((name) => join(top, "many", name));
  before(async () => {
    const good = await blank(12, 8).png().toBuffer();
    const cut = readFileSync(join(top, "cut.jpg"));
    for (const [number, directory] of shards.entries()) {
      const samples = Array.from({ length: 70 }, (_, i) => ({
        key: `sample-${String(i + 50 * number)}`,
        image: i % 9 === 4 ? cut : good,
        extension: i % 9 === 4 ? ("jpg" as const) : ("png" as const),
        captions: i % 7 === 0 ? [] : [`caption ${i % 5}`],
        label: `label ${i % 3}`,
      }));
      await writeShards({ samples, directory, samplesPerShard: 35 });
    }
  });
  it("finds the same with any number of threads, in order", async () => {
    const source: SourceSpec = {
      kind: "webdataset",
      shards: shards.map((directory) => join(directory, "*.tar")),
    };
    const seen: number[] = [];
    const alone = await inspectSource({ source, workers: 1, onProgress: (n) => seen.push(n) });
    assert.deepEqual(await inspectSource({ source, workers: 3 }), alone);
    assert.deepEqual(
      seen,
      Array.from({ length: 140 }, (_, i) => i + 1),
    );
    const broken = alone.badSamples.filter(({ reason }) => reason.includes("cannot be decoded"));
    const expected = shards.flatMap((_, number) =>
      Array.from({ length: 70 }, (__, i) => i)
        .filter((i) => i % 9 === 4)
        .map((i) => `sample-${String(i + 50 * number)}`),
    );
    assert.deepEqual(
      broken.map(({ key }) => key),
      expected,
    );
    assert.deepEqual(
      alone.duplicateKeys,
      Array.from({ length: 20 }, (_, i) => `sample-${String(50 + i)}`),
    );
    assert.deepEqual(alone.labels, { "label 0": 48, "label 1": 46, "label 2": 46 });
    assert.deepEqual(
      alone.captions.commonest.map(({ count }) => count),
      [24, 24, 24, 24, 24],
    );
    assert.deepEqual([alone.captions.repeated, alone.captions.missing], [5, 20]);
  });
  it("refuses a number of threads that is none", async () => {
    await assert.rejects(
      inspectSource({ source: table, workers: 0 }),
      /Expected a positive integer for workers but received 0; leave it out/,
    );
  });
});

describe("TextCounts", () => {
  it("knows the commonest of many texts, and how many are repeated", () => {
    const random = createRandom("texts");
    const counts = new TextCounts(4);
    const expected = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      // A few are common, late or early; most are rare.
      const text = `text ${Math.floor(random.next() ** 3 * 700) + (i > 2000 ? 300 : 0)}`;
      expected.set(text, (expected.get(text) ?? 0) + 1);
      assert.equal(counts.add(text), expected.get(text));
    }
    const repeated = [...expected].filter(([, count]) => count > 1);
    assert.equal(counts.repeated, repeated.length);
    const most = repeated.map(([, count]) => count).toSorted((a, b) => b - a);
    assert.deepEqual(
      counts.commonest.map(({ count }) => count),
      most.slice(0, 4),
    );
    for (const { text, count } of counts.commonest) assert.equal(expected.get(text), count);
  });
});

describe("packDataset", () => {
  it("keeps bytes, makes keys fit and leaves bad samples out by name", async () => {
    const directory = join(top, "packed");
    const result = await packDataset({ source: table, directory, samplesPerShard: 2 });
    // The cut file has a sound header; packing does not decode.
    assert.deepEqual(
      [result.samples, result.skipped, result.resized, result.shards.length],
      [4, 3, 0, 2],
    );
    const source = await openSource({ kind: "webdataset", shards: join(directory, "*.tar") });
    const read = [];
    for await (const sample of readSamples(source)) {
      assert.ok("ref" in sample);
      read.push([sample.ref.key, sample.text.captions.length, sample.text.label]);
      if (sample.ref.key === "large")
        assert.deepEqual(Buffer.from(sample.image), readFileSync(join(top, "large.jpg")));
    }
    assert.deepEqual(read.slice(0, 3), [
      ["large", 2, "card"],
      ["other/large", 1, undefined],
      ["small_v1", 1, "card"],
    ]);
  });
  it("shrinks what is larger and leaves the rest", async () => {
    const directory = join(top, "shrunk");
    const result = await packDataset({ source: table, directory, resize: 20, format: "webp" });
    assert.deepEqual([result.samples, result.resized, result.skipped], [3, 2, 4]);
    const { images } = await inspectSource({
      source: { kind: "webdataset", shards: join(directory, "*.tar") },
    });
    assert.deepEqual(images.formats, { webp: 2, png: 1 });
    assert.deepEqual([images.width.min, images.width.max, images.height.max], [10, 30, 20]);
  });
  it("numbers a key that was used before by the first number that is free", async () => {
    const image = await blank(5, 5).png().toBuffer();
    const shards = [];
    for (const [number, key] of ["a", "a-2", "a", "a", "b/a", "a-2", "a-5", "a"].entries()) {
      const directory = join(top, "repeated", String(number));
      const samples = [{ key, image, extension: "png" as const, captions: ["x"] }];
      shards.push(...(await writeShards({ samples, directory, samplesPerShard: 1 })).shards);
    }
    const directory = join(top, "renamed");
    await packDataset({ source: { kind: "webdataset", shards }, directory });
    const keys = [];
    const packed = await openSource({ kind: "webdataset", shards: join(directory, "*.tar") });
    for await (const sample of readSamples(packed)) keys.push("ref" in sample && sample.ref.key);
    assert.deepEqual(keys, ["a", "a-2", "a-3", "a-4", "b/a", "a-2-2", "a-5", "a-6"]);
  });
  it("may end at the first bad sample, and refuses a source of bad ones", async () => {
    const directory = join(top, "strict");
    await assert.rejects(
      packDataset({ source: table, directory, onError: "fail" }),
      /Expected a usable sample for \S+\/bomb\.png .* pixels, more than 178956970 /,
    );
    const file = join(top, "gone.jsonl");
    writeFileSync(file, '{"image":"gone.jpg","caption":"a"}');
    await assert.rejects(
      packDataset({ source: { kind: "table", file }, directory }),
      /only bad ones, such as \S+\/gone\.jpg: the file does not exist/,
    );
    await assert.rejects(
      packDataset({ source: table, directory, resise: 3 } as never),
      /pack option resise\. Did you mean "resize"/,
    );
  });
});

describe("contactSheet", () => {
  it("draws tiles, also for bad samples", async () => {
    const sheet = await contactSheet({ source: table, format: "png", columns: 4, side: 40 });
    const { width, height } = await sharp(sheet).metadata();
    assert.deepEqual([width, height], [8 + 4 * 48, 8 + 2 * (40 + 42 + 16)]);
    const { data, info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
    const at = (20 * info.width + 20) * info.channels;
    assert.ok(Math.abs(data[at]! - 0x33) < 4 && Math.abs(data[at + 2]! - 0x99) < 4);
  });
  it("is one HTML file with escaped captions", async () => {
    const html = (
      await contactSheet({ source: table, format: "html", choose: "first", count: 2 })
    ).toString();
    assert.equal(html.match(/<figure>/g)?.length, 2);
    assert.match(html, /<li>blue &lt;&amp;&gt; 🐈<\/li>/);
  });
  it("chooses the same samples for a seed", async () => {
    const make = (seed: number): Promise<Buffer> =>
      contactSheet({ source: table, format: "html", count: 3, choose: { seed } });
    assert.deepEqual(await make(1), await make(1));
    const all = await Promise.all([1, 2, 3, 4].map(make));
    assert.ok(new Set(all.map(String)).size > 1);
  });
});
