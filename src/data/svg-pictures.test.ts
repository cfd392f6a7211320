import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { contactSheet } from "./contact-sheet.ts";
import { findDuplicates } from "./dedupe/find-duplicates.ts";
import { duplicateSheet } from "./dedupe/duplicate-sheet.ts";
import { decodeImage } from "./image/index.ts";
import { inspectSource } from "./inspect.ts";
import { createLoader } from "./loader/loader.ts";
import type { LoaderOptions } from "./loader/options.ts";
import { lookThrough } from "./look-through.ts";
import { packDataset } from "./pack.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import { linesOf, tarOf, workspace } from "./sources/samples.test.helper.ts";
import { checkSourceSpec, type SourceSpec } from "./sources/source-spec.ts";

const { top, write } = workspace("svg-pictures");

const svg = (color: string, x: number): string =>
  `<svg viewBox="0 0 8 8"><rect width="${x}" height="8" fill="${color}"/><circle cx="4" cy="${x}" r="2"/></svg>`;
const files = {
  "red.svg": svg("red", 5),
  "red.txt": "a red one",
  "blue.svg": svg("#22f", 3),
  "blue.txt": "a blue one",
  "script.svg": '<svg viewBox="0 0 8 8"><script/></svg>',
  "script.txt": "a bad one",
};
for (const [name, text] of Object.entries(files)) write(`folder/${name}`, text);
write("set.tar", tarOf(files));
write(
  "set/metadata.csv",
  "file_name,text\nred.svg,a red one\nblue.svg,a blue one\nscript.svg,a bad one\n",
);
for (const [name, text] of Object.entries(files)) write(`set/${name}`, text);

const sources: SourceSpec[] = [
  { kind: "folder", directory: join(top, "folder") },
  { kind: "webdataset", shards: join(top, "set.tar") },
  { kind: "table", file: join(top, "set/metadata.csv"), image: "file_name" },
  { kind: "folder", directory: join(top, "set") },
];
const allowed = (source: SourceSpec): SourceSpec => ({ ...source, svg: { size: 32 } });
const transform: LoaderOptions["transform"] = {
  imageSize: 32,
  resizeMode: "shortest",
  interpolation: "bicubic",
  crop: "center",
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

/** As a loader lays them out. */
async function planesOf(text: string): Promise<Uint8Array> {
  const { data } = await decodeImage(Buffer.from(text), { svg: { size: 32 } });
  return Uint8Array.from(data, (_, i) => data[(i % 1024) * 3 + Math.floor(i / 1024)] as number);
}

describe("SVG files in sources", () => {
  for (const [value, message] of [
    [
      { size: 0 },
      /Expected an object such as \{ size: 224 \}, pixels from 1 to 1024 for source\.svg/,
    ],
    [{ size: 2000 }, /for source\.svg but received \{"size":2000\}/],
    [{ size: 64, dpi: 3 }, /for source\.svg/],
    [true, /for source\.svg but received true/],
  ] as const) {
    it(`refuse ${JSON.stringify(value)}`, () => {
      assert.throws(() => checkSourceSpec({ kind: "folder", directory: "a", svg: value }), message);
    });
  }

  for (const [number, source] of sources.entries()) {
    const name = `source ${number}, a ${source.kind}`;
    it(`are drawn for whoever reads samples: ${name}`, async () => {
      const lines = (await linesOf(allowed(source))).map((line) => line.replace(/.*\//, ""));
      assert.equal(lines.length, 3);
      assert.equal(lines.filter((line) => /: a (red|blue) one/.test(line)).length, 2);
      assert.ok(lines.some((line) => line.includes("<script>, which is not plain drawing")));
      for await (const sample of readSamples(await openSource(allowed(source)))) {
        if (!("image" in sample)) continue;
        assert.equal(Buffer.from(sample.image).toString("latin1", 1, 4), "PNG");
      }
    });

    it(`are drawn by the loader's workers: ${name}`, async () => {
      const loader = await createLoader({
        ...{ source: allowed(source), transform, batchSize: 8, workers: 1 },
        mode: "evaluate",
        onError: "skip",
      });
      try {
        const batch = await loader.next();
        assert.equal(batch?.size, 2);
        assert.equal(loader.skipped, 1);
        for (const [i, caption] of batch.captions.entries()) {
          const text = caption === "a red one" ? files["red.svg"] : files["blue.svg"];
          const pixels = batch.pixels.subarray(i * 3072, (i + 1) * 3072);
          assert.deepEqual(Buffer.from(pixels), Buffer.from(await planesOf(text)));
        }
      } finally {
        await loader.close();
      }
    });

    it(`are bad samples where they are not allowed: ${name}`, async () => {
      const report = await inspectSource({ source });
      assert.equal(report.bad, 3);
      for (const { reason } of report.badSamples) {
        assert.match(
          reason,
          /an SVG file, which is read only where it is allowed \(svg: \{ size: 224 \}/,
        );
      }
      await assert.rejects(
        lookThrough(source, { captions: true, onError: "fail" }),
        /an SVG file, which is read only where it is allowed/,
      );
    });
  }

  it("are inspected, shown, packed as PNG and compared", async () => {
    const source = allowed(sources[1]!);
    const report = await inspectSource({ source });
    assert.deepEqual([report.samples, report.bad], [3, 1]);
    assert.equal(await lookThrough(source, { captions: true, onError: "fail" }), true);
    const sheet = (await contactSheet({ source, format: "html" })).toString();
    assert.equal(sheet.match(/data:image\/png/g)?.length, 2);

    const directory = join(top, "packed");
    const packed = await packDataset({ source, directory });
    assert.deepEqual([packed.samples, packed.skipped], [2, 1]);
    for await (const sample of readSamples(
      await openSource({ kind: "webdataset", shards: packed.shards }),
    )) {
      assert.ok("image" in sample);
      const { data } = await decodeImage(sample.image);
      const text = files[`${sample.ref.key}.svg` as "red.svg"];
      const drawn = await decodeImage(Buffer.from(text), { svg: { size: 32 } });
      assert.deepEqual(Buffer.from(data), Buffer.from(drawn.data));
    }

    const table = allowed(sources[2]!);
    const { shards } = await packDataset({ source: table, directory: join(top, "from-table") });
    const lines = await linesOf({ kind: "webdataset", shards });
    assert.deepEqual(lines, ["red: a red one", "blue: a blue one"]);

    write("twice.tar", tarOf({ ...files, "again.svg": files["red.svg"], "again.txt": "again" }));
    const twice = allowed({ kind: "webdataset", shards: join(top, "twice.tar") });
    const duplicates = await findDuplicates({ source: twice });
    assert.deepEqual([duplicates.pictures, duplicates.groups.length], [3, 1]);
    const page = (await duplicateSheet({ report: duplicates, source: twice })).toString();
    assert.equal(page.match(/data:image\/png/g)?.length, 2);
  });
});
