import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parquetWriteFile } from "hyparquet-writer";
import sharp, { type Sharp } from "sharp";
import { decodeImage } from "./image/index.ts";
import { goldenPictures } from "./image/golden-pictures.test.helper.ts";
import { packDataset } from "./pack.ts";
import { openSource } from "./sources/open-source.ts";
import type { SourceSpec } from "./sources/source-spec.ts";
import { readSamples } from "./sources/read-sample.ts";
import { tarOf, workspace } from "./sources/samples.test.helper.ts";

const { top, write } = workspace("pack");
const png = (width = 4): Promise<Buffer> =>
  sharp({ create: { width, height: width, channels: 3, background: "#c86432" } })
    .png()
    .toBuffer();

/** A picture as open_clip sees it, and as transformers does. */
async function looks(bytes: Uint8Array): Promise<Uint8Array[]> {
  const white = await decodeImage(bytes, { transparency: "white" });
  return [new Uint8Array((await decodeImage(bytes)).data), new Uint8Array(white.data)];
}

/** The texts of the members of a tar, by name. */
function texts(file: string): Record<string, string> {
  const archive = readFileSync(file);
  const found: Record<string, string> = {};
  for (let at = 0; archive[at] !== 0;) {
    const name = archive.toString("utf8", at, archive.indexOf(0, at));
    const size = parseInt(archive.toString("latin1", at + 124, at + 135), 8);
    if (/\.(txt|json|cls)$/.test(name))
      found[name] = archive.toString("utf8", at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

describe("packDataset", () => {
  it("keeps the other columns of tables as records", async () => {
    write("others/a.png", await png());
    const json = (record: string): string => `{${record},"captions":["x"]}`;
    const wanted = json('"url":"u","width":"4","note":""');
    const rows = '"hash":6391326009969271747,"score":1.0,"caption_":"y","tags":["t"]';
    const image = join(top, "others", "a.png");
    const parquet = join(top, "paths.parquet");
    parquetWriteFile({
      filename: parquet,
      columnData: [
        { name: "path", data: [image], type: "STRING" },
        { name: "text", data: ["x"], type: "STRING" },
        { name: "image", data: ["another"], type: "STRING" },
        { name: "image_", data: [6391326009969271747n], type: "INT64" },
        { name: "score", data: [1], type: "DOUBLE" },
      ],
    });
    const cases: [SourceSpec, string][] = [
      [
        {
          kind: "table",
          file: write(
            "others.csv",
            `,image,url,caption,width,note,url\n0,"${image}",u,x,4,,v\n1,"${image}",w,z,5,,\n`,
          ),
        },
        wanted.replace('["x"]', '["x","z"]'),
      ],
      [
        {
          kind: "table",
          file: write("others.jsonl", `{"image":${JSON.stringify(image)},"caption":"x",${rows}}\n`),
        },
        json(rows),
      ],
      [
        { kind: "parquet", files: parquet, image: "path", caption: "text" },
        json('"image":"another","image_":6391326009969271747,"score":1.0'),
      ],
    ];
    for (const [i, [source, record]] of cases.entries()) {
      const { shards } = await packDataset({ source, directory: join(top, `others-${i}`) });
      const [found] = Object.entries(texts(shards[0]!)).filter(([name]) => name.endsWith(".json"));
      assert.equal(found?.[1], record);
    }
    const latin = Buffer.from(`image,caption,by\n"${image}",x,Andr\xe9\n`, "latin1");
    const bytes = { kind: "table", file: write("latin.csv", latin) } as const;
    const { list } = (await openSource(bytes)).parts[0]!;
    assert.equal(list?.at(0).problem, undefined);
    const refused = packDataset({ source: bytes, directory: join(top, "others-latin") });
    await assert.rejects(refused, /bytes that are not UTF-8/);
    // Training reads none of them.
    const plain = await openSource(cases[1]![0]);
    for await (const { ref } of plain.parts[0]!.read()) assert.equal(ref?.meta, undefined);
  });

  it("keeps records whole: order, long integers, floats, captions and labels", async () => {
    const record =
      '{"url": "x", "caption": "c", "hash": 6391326009969271747, "score": 1.0, "label": 3, "nsfw": NaN, "e": [1e3, {"f": 0.5}]}';
    const picture = await png();
    const shards = write(
      "in.tar",
      tarOf({ "a.png": picture, "a.json": record, "b.png": picture, "b.txt": "b\r\n" }),
    );
    const source = { kind: "webdataset", shards } as const;
    const packed = await packDataset({ source, directory: join(top, "whole") });
    const expected = {
      "a.txt": "c",
      "a.json":
        '{"url":"x","caption":"c","hash":6391326009969271747,"score":1.0,"label":3,"nsfw":null,"e":[1000.0,{"f":0.5}],"captions":["c"]}',
      "b.txt": "b",
    };
    assert.deepEqual(texts(packed.shards[0]!), expected);
    const again = { kind: "webdataset", shards: packed.shards } as const;
    const repacked = await packDataset({ source: again, directory: join(top, "again") });
    assert.deepEqual(texts(repacked.shards[0]!), expected);
  });

  it("keeps columns of floats in Parquet floats, and those of integers integers", async () => {
    const file = write("columns.parquet", Buffer.alloc(0));
    parquetWriteFile({
      filename: file,
      columnData: [
        { name: "image", data: [await png(), await png(5)], type: "BYTE_ARRAY" },
        { name: "caption", data: ["a", "b"], type: "STRING" },
        { name: "score", data: [1, 2.5], type: "DOUBLE" },
        { name: "small", data: [-0, 3], type: "FLOAT" },
        { name: "n", data: [1, 2], type: "INT32" },
      ],
    });
    const source = { kind: "parquet", files: file } as const;
    const packed = await packDataset({ source, directory: join(top, "columns") });
    const found = Object.values(texts(packed.shards[0]!)).filter((text) => text.startsWith("{"));
    assert.deepEqual(found, [
      '{"score":1.0,"small":-0.0,"n":1,"captions":["a"]}',
      '{"score":2.5,"small":3.0,"n":2,"captions":["b"]}',
    ]);
    const opened = await openSource(source);
    for await (const sample of readSamples(opened)) {
      assert.ok("ref" in sample);
      const values = Object.values(sample.text.meta ?? {});
      assert.ok(values.length === 3 && values.every((value) => typeof value === "number"));
    }
  });

  it("says which records were lost", async () => {
    const files = { "a.png": await png(), "a.json": "{cut", "a.txt": "one" };
    const source = { kind: "webdataset", shards: write("lost.tar", tarOf(files)) } as const;
    const packed = await packDataset({ source, directory: join(top, "lost") });
    assert.deepEqual([packed.samples, packed.withoutRecord], [1, 1]);
    assert.match(packed.lostRecords[0]!.reason, /^its JSON record is not JSON/);
    assert.deepEqual(texts(packed.shards[0]!), { "a.txt": "one" });
  });

  it("says so too of a folder, where JSON may be anything", async () => {
    const large = `{"caption": "one", "exif": "${"x".repeat(1 << 20)}"}`;
    const records = { a: large, b: large, c: "[1]", d: '{"n": 1}' };
    for (const [key, record] of Object.entries(records)) {
      write(`beside/${key}.png`, await png());
      write(`beside/${key}.json`, record);
      if (key !== "b") write(`beside/${key}.txt`, key);
    }
    const source = { kind: "folder", directory: join(top, "beside") } as const;
    const packed = await packDataset({ source, directory: join(top, "beside-packed") });
    assert.deepEqual([packed.samples, packed.withoutRecord, packed.skipped], [3, 2, 1]);
    assert.match(packed.lostRecords[0]!.reason, /^its JSON record cannot be read: its \d+ bytes/);
    assert.match(packed.lostRecords[1]!.reason, /^its JSON record is not an object/);
    assert.match(packed.badSamples[0]!.reason, /^it has no caption, and its JSON record cannot be/);
    const found = texts(packed.shards[0]!);
    assert.deepEqual(Object.keys(found), ["a.txt", "c.txt", "d.txt", "d.json"]);
  });

  it("keeps half of a surrogate pair, which a caption's file cannot hold", async () => {
    write("lone/a.png", await png());
    const file = write("lone/table.jsonl", '{"image":"a.png","caption":"a \\ud800"}\n');
    const packed = await packDataset({
      source: { kind: "table", file },
      directory: join(top, "lone-packed"),
    });
    assert.equal(texts(packed.shards[0]!)["a.json"], '{"captions":["a \\ud800"]}');
    const again = await openSource({ kind: "webdataset", shards: packed.shards });
    for await (const sample of readSamples(again)) {
      assert.deepEqual("text" in sample && sample.text.captions, ["a \ud800"]);
    }
  });

  it("keeps the labels of sets for classification where they stand", async () => {
    const picture = await png();
    const files = {
      "a.png": picture,
      "a.cls": "7\n",
      "b.png": picture,
      "b.cls": "8",
      "b.txt": "b",
      "b.json": '{"label":9}',
    };
    const shards = write("classes.tar", tarOf(files));
    const source = { kind: "webdataset", shards } as const;
    const packed = await packDataset({
      source,
      directory: join(top, "classes"),
      requireCaption: false,
    });
    assert.deepEqual(texts(packed.shards[0]!), {
      "a.cls": "7",
      "b.txt": "b",
      "b.cls": "8",
      "b.json": '{"label":9,"captions":["b"]}',
    });
  });

  it("shrinks what the rest of limn decodes: no profile, no EXIF, no alpha, 16 bits as 8", async () => {
    const side = 40;
    const pixels = Buffer.from(
      Array.from({ length: side * side }, (_, i) => [
        200,
        6 * (i % side),
        3 * Math.floor(i / side),
      ]).flat(),
    );
    const raw = (): Sharp => sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
    const encoded: Record<string, Buffer> = {
      "profile.png": await raw().withIccProfile("p3", { attach: true }).png().toBuffer(),
      "profile.jpg": await raw()
        .jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
        .withIccProfile("p3")
        .toBuffer(),
      "turned.jpg": await raw().jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer(),
      "cmyk.jpg": await raw().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer(),
      "alpha.png": await raw().ensureAlpha(0.5).png().toBuffer(),
      "deep.png": await raw().toColourspace("rgb16").png().toBuffer(),
      "palette.png": await raw().png({ palette: true, colours: 64 }).toBuffer(),
      "grey.png": await raw().toColourspace("b-w").png().toBuffer(),
      "lossless.webp": await raw().webp({ lossless: true }).toBuffer(),
      "moves.gif": await raw().gif().toBuffer(),
    };
    for (const [name, bytes] of Object.entries(encoded)) write(`pictures/${name}`, bytes);
    const packed = await packDataset({
      source: { kind: "folder", directory: join(top, "pictures") },
      directory: join(top, "small"),
      resize: 20,
      requireCaption: false,
      format: "png",
    });
    assert.deepEqual([packed.resized, packed.skipped], [10, 0]);
    let index = 0;
    for await (const sample of readSamples(
      await openSource({ kind: "webdataset", shards: packed.shards }),
    )) {
      assert.ok("image" in sample);
      const name = Object.keys(encoded).sort()[index++]!;
      const { data, width, height } = await decodeImage(encoded[name]!);
      const small = await decodeImage(sample.image);
      assert.deepEqual([small.width, small.height], [20, 20], name);
      const expected = await sharp(data, { raw: { width, height, channels: 3 } })
        .resize(20, 20, { kernel: "cubic" })
        .raw()
        .toBuffer();
      const worst = small.data.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
        0,
      );
      assert.equal(worst, 0, name);
    }
    assert.equal(index, 10);
  });

  it("makes PNG of GIF, with the same colours and alpha, shrunk or not", async () => {
    const gifs = goldenPictures().filter(({ name }) => name.startsWith("gif"));
    assert.ok(gifs.length > 5);
    for (const { name, bytes } of gifs) {
      write(`gifs/${name}.gif`, Buffer.from(bytes, "base64"));
      write(`gifs/${name}.txt`, name);
    }
    const directory = join(top, "from-gifs");
    const source = { kind: "folder", directory: join(top, "gifs") } as const;
    const { samples, resized, skipped } = await packDataset({ source, directory, resize: 4096 });
    assert.deepEqual([samples, resized, skipped], [gifs.length, 0, 0]);
    const read = readSamples(
      await openSource({ kind: "webdataset", shards: `${directory}/*.tar` }),
    );
    for await (const sample of read) {
      assert.ok(!("problem" in sample));
      assert.match(Buffer.from(sample.image).toString("latin1"), /^\x89PNG/);
      const gif = gifs.find(({ name }) => name === sample.text.captions[0])!;
      assert.deepEqual(await looks(sample.image), await looks(Buffer.from(gif.bytes, "base64")));
    }
  });
  it("gives keys that readers of shards do not pass over", async () => {
    const picture = await png();
    const names = ["__meta__/a", "__x__", "set/@eaDir/b", "a.b/c.d", "../up", ".cache/e", "plain"];
    const rows = names.map((name) => {
      write(`named/${name}.png`, picture);
      return JSON.stringify({ image: `${name}.png`, caption: name });
    });
    const file = write("named/rows.jsonl", rows.join("\n"));
    const directory = join(top, "keys");
    await packDataset({ source: { kind: "table", file }, directory });
    const found: Record<string, string | undefined> = {};
    const read = readSamples(
      await openSource({ kind: "webdataset", shards: `${directory}/*.tar` }),
    );
    for await (const sample of read) {
      assert.ok(!("problem" in sample));
      found[sample.ref.key] = sample.text.captions[0];
    }
    assert.deepEqual(found, {
      "key-__meta___a": "__meta__/a",
      __x__: "__x__",
      "key-set_@eaDir_b": "set/@eaDir/b",
      "a.b/c_d": "a.b/c.d",
      up: "../up",
      ".cache/e": ".cache/e",
      plain: "plain",
    });
  });
});
