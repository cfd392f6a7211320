import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import { contactSheet } from "./contact-sheet.ts";
import { inspectSource } from "./inspect.ts";
import { packDataset } from "./pack.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import type { SourceSpec } from "./sources/source-spec.ts";

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
    assert.match(reasons[0]!, /^cut\.jpg: .*cannot be decoded/);
    assert.match(reasons[1]!, /^bomb\.png: .*at most 178956970 pixels .* received 30000 x 30000/);
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

describe("packDataset", () => {
  it("keeps bytes, makes keys fit and leaves bad samples out by name", async () => {
    const directory = join(top, "packed");
    const result = await packDataset({ source: table, directory, samplesPerShard: 2 });
    // The cut file has a sound header; packing does not decode.
    assert.deepEqual(
      [result.samples, result.skipped, result.resized, result.shards.length],
      [5, 2, 0, 3],
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
  it("may end at the first bad sample, and refuses a source of bad ones", async () => {
    const directory = join(top, "strict");
    await assert.rejects(
      packDataset({ source: table, directory, onError: "fail" }),
      /Expected a usable sample for silent\.jpg/,
    );
    const file = join(top, "gone.jsonl");
    writeFileSync(file, '{"image":"gone.jpg","caption":"a"}');
    await assert.rejects(
      packDataset({ source: { kind: "table", file }, directory }),
      /only bad ones, such as the file does not exist/,
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
