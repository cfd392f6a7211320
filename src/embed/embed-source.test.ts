import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteFile } from "hyparquet-writer";

import { writeShards } from "../data/write-shards.ts";
import { loadModel, type LoadedModel } from "../inference/load-model.ts";
import { saveTinyModel, tinyPicture } from "../../test/support/tiny-model.ts";
import { embedSource, type EmbedOptions, type EmbedResult } from "./embed-source.ts";

const root = mkdtempSync(join(tmpdir(), "limn-embed-source-"));
after(() => rmSync(root, { recursive: true }));
let model: LoadedModel;
before(async () => {
  model = await loadModel(await saveTinyModel(join(root, "model")));
});
after(() => model.dispose());

/** Two samples a shard: integers, then a float, then a new key, then text. */
const records: Record<string, unknown>[] = [
  { score: 1, id: 2 ** 53 - 1, none: null, size: { w: 20 } },
  { score: 2, id: 3, none: null, size: { w: 21 } },
  { score: 0.5, id: 4, none: null, size: { w: 22 } },
  { score: 4, id: 5, none: null, size: { w: 23 } },
  { id: 6, late: true, none: "some", size: { w: null } },
  { score: 5, id: 7, late: false, size: { w: "wide" } },
];

let made = 0;
async function options(given: Record<string, unknown>[] = records): Promise<EmbedOptions> {
  const directory = join(root, `shards-${made}`);
  const samples = await Promise.all(
    given.map(async (meta, i) => ({
      key: `photo-${i}`,
      image: await tinyPicture(i),
      extension: "png" as const,
      captions: [`a cat ${i}`],
      meta,
    })),
  );
  await writeShards({ samples, directory, samplesPerShard: 100 });
  const source = { kind: "webdataset", shards: join(directory, "*.tar") } as const;
  const settings = { shardSize: 2, store: "float32", workers: 1, batchSize: 1 } as const;
  return { ...settings, model, source, folder: join(root, `out-${made++}`) };
}

const tables = (folder: string): string[] =>
  readdirSync(join(folder, "metadata"))
    .filter((name) => name.endsWith(".parquet"))
    .sort()
    .map((name) => join(folder, "metadata", name));
const bytesOf = (file: string): ArrayBuffer => Uint8Array.from(readFileSync(file)).buffer;
const schemaOf = (file: string): string =>
  parquetMetadata(bytesOf(file))
    .schema.slice(1)
    .map(({ name, type }) => `${name}:${type}`)
    .join(" ");
const state = (folder: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, "embed.json"), "utf8")) as Record<string, unknown>;
const everything = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }): [string, string] => [
        join(parentPath, name).slice(folder.length),
        readFileSync(join(parentPath, name), "base64"),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
/** Stops after so many batches. */
const stopped = (given: EmbedOptions, batches: number): Promise<EmbedResult> =>
  embedSource({ ...given, shouldStop: () => --batches <= 0 });

describe("the metadata of shards", () => {
  it("has the same columns of the same types in all of them, with the values as they were", async () => {
    const given = await options();
    const result = await embedSource(given);
    assert.deepEqual([result.rows, result.shards, result.complete], [6, 3, true]);
    const schema =
      "image_path:BYTE_ARRAY score:DOUBLE id:INT64 none:BYTE_ARRAY size.w:BYTE_ARRAY late:BOOLEAN";
    assert.deepEqual(tables(given.folder).map(schemaOf), [schema, schema, schema]);
    const rows = await Promise.all(
      tables(given.folder).map((file) => parquetReadObjects({ file: bytesOf(file) })),
    );
    const row = (i: number, score: unknown, id: bigint, rest: object): object => ({
      ...{ image_path: `photo-${i}`, score, id, none: null, late: null },
      ...rest,
    });
    assert.deepEqual(rows.flat(), [
      row(0, 1, BigInt(2 ** 53 - 1), { "size.w": "20" }),
      row(1, 2, 3n, { "size.w": "21" }),
      row(2, 0.5, 4n, { "size.w": "22" }),
      row(3, 4, 5n, { "size.w": "23" }),
      row(4, null, 6n, { "size.w": null, late: true, none: "some" }),
      row(5, 5, 7n, { "size.w": "wide", late: false }),
    ]);
  });

  it("has floats where Python wrote floats, whole numbers too", async () => {
    // A Number object is written as 1.0.
    const given = await options([
      { score: Object(1) as number, n: 1 },
      { score: Object(2) as number, n: 2 },
    ]);
    await embedSource(given);
    const [file = ""] = tables(given.folder);
    assert.equal(schemaOf(file), "image_path:BYTE_ARRAY score:DOUBLE n:INT64");
    const rows = await parquetReadObjects({ file: bytesOf(file) });
    assert.deepEqual(
      rows.map(({ score, n }) => [score, n]),
      [
        [1, 1n],
        [2, 2n],
      ],
    );
  });

  it("is the same to the byte wherever the run was stopped", async () => {
    const given = await options();
    await embedSource(given);
    const whole = everything(given.folder);
    for (let batches = 1; batches < 7; batches++) {
      const folder = `${given.folder}-${batches}`;
      const first = await stopped({ ...given, folder }, batches);
      assert.equal(first.complete, false);
      const { complete, resumedFrom } = await embedSource({ ...given, folder });
      assert.deepEqual([complete, resumedFrom], [true, 2 * Math.floor(batches / 2)]);
      assert.deepEqual(everything(folder), whole);
    }
  });

  it("is put right where a run ended before its last step", async () => {
    const given = await options();
    await embedSource(given);
    const whole = everything(given.folder);
    const folder = `${given.folder}-killed`;
    await stopped({ ...given, folder }, 6);
    assert.notEqual(schemaOf(tables(folder)[0]!), schemaOf(tables(folder)[2]!));
    // One of them was put right before the end.
    copyFileSync(tables(given.folder)[0]!, tables(folder)[0]!);
    await embedSource({ ...given, folder });
    assert.deepEqual(everything(folder), whole);
  });
});

describe("the state of a run", () => {
  it("is there before any file of a shard, and a folder without a whole shard starts anew", async () => {
    const given = await options();
    const whole = { ...given, folder: `${given.folder}-whole` };
    await embedSource(whole);
    await stopped(given, 1);
    assert.deepEqual(state(given.folder)["shards"], []);
    // As if the process had ended between the names of the first shard's files.
    const files = ["img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"];
    copyFileSync(join(whole.folder, files[0]!), join(given.folder, files[0]!));
    const other = { ...given, shardSize: 3 };
    assert.equal((await embedSource(other)).complete, true);
    await assert.rejects(embedSource(given), /shardSize 3 instead of 2; choose another folder/);
  });

  it("is not written for a source without samples", async () => {
    const directory = join(root, "empty");
    mkdirSync(directory);
    const folder = join(root, "out-empty");
    const source = { kind: "folder", directory } as const;
    await assert.rejects(embedSource({ model, source, folder }), /received none/);
    assert.equal(existsSync(folder), false);
  });

  it("gives all numbers as many digits as the largest", async () => {
    const given = await options(records.concat(records.slice(0, 5)));
    const single = { ...given, shardSize: 1 };
    await stopped(single, 10);
    const numbers = (folder: string): string =>
      readdirSync(join(folder, "img_emb"))
        .map((name) => name.replace(/\D/g, ""))
        .sort()
        .join(" ");
    assert.equal(numbers(given.folder), "0 1 2 3 4 5 6 7 8 9");
    await embedSource(single);
    const all = "00 01 02 03 04 05 06 07 08 09 10";
    assert.equal(numbers(given.folder), all);
    // The process had ended between two names.
    const whole = everything(given.folder);
    for (const [folder, ending] of [
      ["img_emb", "npy"],
      ["metadata", "parquet"],
    ] as const) {
      const name = (digits: string): string =>
        join(given.folder, folder, `${folder}_${digits}.${ending}`);
      renameSync(name("07"), name("7"));
    }
    await embedSource(single);
    assert.deepEqual(everything(given.folder), whole);
    writeFileSync(join(given.folder, "img_emb", "img_emb_3.npy"), "mine");
    await assert.rejects(embedSource(single), /one of .*img_emb_3\.npy and img_emb_03\.npy but/);
    assert.equal(readFileSync(join(given.folder, "img_emb", "img_emb_3.npy"), "utf8"), "mine");
  });

  it("says how large the source was, so that another one is noticed", async () => {
    const given = await options();
    await embedSource(given);
    const whole = everything(given.folder);
    const { resumedFrom, complete } = await embedSource(given);
    assert.deepEqual([resumedFrom, complete], [6, true]);
    const { shards } = given.source as { shards: string };
    appendFileSync(shards.replace("*", "shard-000000"), Buffer.alloc(512));
    await assert.rejects(embedSource(given), {
      name: "DataError",
      message: /the source that the embeddings in .* are of, 1 file of \d+ bytes, but received 1 /,
    });
    const photos = join(root, "growing");
    mkdirSync(photos);
    for (const i of [0, 1]) writeFileSync(join(photos, `${i}.png`), await tinyPicture(i));
    const source = { kind: "folder", directory: photos } as const;
    const folder = join(root, "out-growing");
    await embedSource({ model, source, folder });
    writeFileSync(join(photos, "2.png"), await tinyPicture(2));
    await assert.rejects(
      embedSource({ model, source, folder }),
      /are of, 2 pictures, but received 3 pictures; choose another folder/,
    );
    assert.deepEqual(everything(given.folder), whole);
  });

  it("of limn 0.1 is gone on with", async () => {
    const given = await options();
    await stopped(given, 4);
    const { columns, width, settings, extent: _, ...rest } = state(given.folder);
    assert.ok(columns);
    assert.equal(width, 1);
    const first = { ...rest, version: 1, settings: { ...(settings as object), samples: 6 } };
    writeFileSync(join(given.folder, "embed.json"), JSON.stringify(first));
    const result = await embedSource(given);
    assert.deepEqual([result.complete, result.resumedFrom, result.shards], [true, 4, 3]);
    assert.equal(new Set(tables(given.folder).map(schemaOf)).size, 1);
  });
});

describe("columns of Parquet", () => {
  it("keep their types, also where a shard's values are all whole", async () => {
    const files = join(root, "typed.parquet");
    const pictures = await Promise.all([1, 2, 3, 4].map((i) => tinyPicture(i)));
    parquetWriteFile({
      filename: files,
      columnData: [
        { name: "image", data: pictures, type: "BYTE_ARRAY" },
        { name: "caption", data: ["a", "b", "c", "d"], type: "STRING" },
        { name: "score", data: [1, 2, 3, 4], type: "DOUBLE" },
        { name: "n", data: [1, 2, 3, 4], type: "INT32" },
      ],
    });
    const given = { ...(await options()), source: { kind: "parquet", files } as const };
    await embedSource(given);
    const schema = "image_path:BYTE_ARRAY score:DOUBLE n:INT64";
    assert.deepEqual(tables(given.folder).map(schemaOf), [schema, schema]);
  });
});

describe("a record that Python wrote", () => {
  it("keeps floats that are whole numbers, long integers, and null for NaN", async () => {
    const given = await options(Array.from({ length: 4 }, () => ({ key: "replaced" })));
    const { shards } = given.source as { shards: string };
    const file = shards.replace("*", "shard-000000");
    const records = [
      '{"score": 1.0, "hash": 6391326009969271747, "n": NaN}',
      '{"score": 2.0, "hash": 1, "n": 3}',
      '{"score": 3.0, "hash": 2, "n": -Infinity}',
      '{"score": 4, "hash": 3, "n": 4}',
    ];
    writeFileSync(file, withRecords(readFileSync(file), records));
    await embedSource(given);
    const rows = await Promise.all(
      tables(given.folder).map((table) => parquetReadObjects({ file: bytesOf(table) })),
    );
    const schema = "image_path:BYTE_ARRAY score:DOUBLE hash:INT64 n:INT64";
    assert.deepEqual(tables(given.folder).map(schemaOf), [schema, schema]);
    assert.deepEqual(
      rows.flat().map(({ score, hash, n }) => [score, hash, n]),
      [
        [1, 6391326009969271747n, null],
        [2, 1n, 3n],
        [3, 2n, null],
        [4, 3n, 4n],
      ],
    );
  });
});

/** A tar file with the contents of its JSON files replaced by others of up to a block. */
function withRecords(tar: Buffer, records: readonly string[]): Buffer {
  const out: Buffer[] = [];
  let next = 0;
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const header = Buffer.from(tar.subarray(at, at + 512));
    const size = parseInt(header.toString("latin1", 124, 136), 8);
    const end = at + 512 + Math.ceil(size / 512) * 512;
    if (!header.toString("latin1", 0, 100).includes(".json")) out.push(tar.subarray(at, end));
    else {
      const record = Buffer.from(records[next++]!);
      header.write(`${record.length.toString(8).padStart(11, "0")}\0`, 124, "latin1");
      header.write(" ".repeat(8), 148, "latin1");
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      out.push(header, record, Buffer.alloc(512 - record.length));
    }
    at = end;
  }
  return Buffer.concat([...out, Buffer.alloc(1024)]);
}
