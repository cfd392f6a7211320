import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, describe, it } from "node:test";

import { NpyWriter } from "../files/npy.ts";
import { EmbeddingShard } from "./embedding-shard.ts";
import { openEmbeddings, type EmbeddingChunk, type EmbeddingFolder } from "./embedding-folder.ts";
import type { MetadataRecord } from "./metadata-rows.ts";

const goldens = fileURLToPath(new URL("../../../test/goldens/clip-retrieval", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-embedding-folder-"));
after(() => rmSync(root, { recursive: true }));

interface Expected {
  images: number[][];
  texts: number[][];
  metadata: Record<string, unknown>[];
}
const expected = JSON.parse(readFileSync(join(goldens, "expected.json"), "utf8")) as Record<
  "both" | "images",
  Expected
>;
/** Values of the golden as limn has them. */
const exact = (rows: Record<string, unknown>[]): unknown[] =>
  JSON.parse(JSON.stringify(rows), (_, value: unknown) => {
    const { integer } = (value ?? {}) as { integer?: string };
    return integer === undefined ? value : BigInt(integer);
  }) as unknown[];

async function chunksOf(
  folder: EmbeddingFolder,
  options?: Parameters<EmbeddingFolder["chunks"]>[0],
): Promise<EmbeddingChunk[]> {
  const chunks: EmbeddingChunk[] = [];
  for await (const chunk of folder.chunks(options)) chunks.push(chunk);
  return chunks;
}

let made = 0;
/** A copy of the golden with texts and records, to be damaged. */
function copy(): string {
  const folder = join(root, `copy-${made++}`);
  cpSync(join(goldens, "both"), folder, { recursive: true });
  return folder;
}

function matrix(
  file: string,
  rows: number[][],
  precision: "float16" | "float32" = "float32",
): void {
  const writer = new NpyWriter(file, rows[0]!.length, precision);
  writer.append(Float32Array.from(rows.flat()));
  writer.finish();
}

describe("a folder of embeddings, misused", () => {
  const refuses = (folder: string, message: RegExp, name = "DataError"): void => {
    assert.throws(() => openEmbeddings(folder), { name, message });
  };

  it("is refused where there are none, or not the same shards", () => {
    refuses(join(root, "absent"), /^Expected img_emb or text_emb with \.npy files in .*absent but/);
    const lacking = copy();
    rmSync(join(lacking, "text_emb", "text_emb_01.npy"));
    refuses(lacking, /the same shards in img_emb, text_emb, metadata of .* but number 1 is not in/);
    const twins = copy();
    cpSync(join(twins, "img_emb", "img_emb_01.npy"), join(twins, "img_emb", "img_emb_1.npy"));
    refuses(twins, /a number of their own in .*img_emb but received img_emb_01\.npy and img_emb_1/);
    const nameless = copy();
    renameSync(
      join(nameless, "metadata", "metadata_02.parquet"),
      join(nameless, "metadata", "all.parquet"),
    );
    refuses(nameless, /a number of their own in .*metadata but received all\.parquet; remove/);
  });

  it("is refused where rows or widths differ", () => {
    const rows = copy();
    cpSync(join(rows, "text_emb", "text_emb_00.npy"), join(rows, "text_emb", "text_emb_01.npy"));
    refuses(
      rows,
      /^Expected 1 rows in .*text_emb_01\.npy, as in .*img_emb_01\.npy, but received 3;/,
    );
    const table = copy();
    cpSync(
      join(table, "metadata", "metadata_00.parquet"),
      join(table, "metadata", "metadata_01.parquet"),
    );
    refuses(table, /^Expected 1 rows in .*metadata_01\.parquet, as in .* but received 3;/);
    const width = copy();
    matrix(join(width, "img_emb", "img_emb_01.npy"), [[1, 0]]);
    refuses(width, /rows of 6 numbers in .*img_emb_01\.npy, as in .* but received 2/, "ShapeError");
  });

  it("is refused where a matrix is not one of float16 or float32 in the order of rows", () => {
    const folder = copy();
    const file = join(folder, "img_emb", "img_emb_00.npy");
    const plain = readFileSync(file);
    const changed = (from: string, to: string): void => {
      writeFileSync(file, Buffer.from(plain.toString("latin1").replace(from, to), "latin1"));
    };
    changed("'<f2'", "'>f2'");
    refuses(folder, /img_emb_00\.npy but its type is >f2, big-endian; write it with numpy\.save/);
    changed("'<f2'", "'<f8'");
    refuses(folder, /but its type is <f8;/);
    changed("False", "True ");
    refuses(folder, /but its numbers are in the order of columns;/);
    changed("(3, 6)", "(9, 2)");
    assert.throws(() => openEmbeddings(folder), /Expected 9 rows in .*text_emb_00|but received 3/);
    changed("(3, 6)", "(4, 6)");
    refuses(folder, /but it has 36 bytes for \[4, 6\] float16, which are 48;/);
    changed("(3, 6)", "(18,) ");
    refuses(folder, /but its shape is \(18\);/);
    writeFileSync(file, plain.subarray(0, 40));
    refuses(folder, /but it is cut off inside its header/);
    writeFileSync(file, Buffer.concat([plain, Buffer.of(0)]));
    refuses(folder, /it has 37 bytes for \[3, 6\] float16, which are 36/);
  });

  it("is refused where metadata are damaged", async () => {
    const folder = copy();
    const file = join(folder, "metadata", "metadata_00.parquet");
    const plain = readFileSync(file);
    writeFileSync(file, plain.subarray(0, -1));
    refuses(folder, /^Expected a Parquet file of metadata at .*metadata_00\.parquet but /);
    const broken = Buffer.from(plain);
    broken.fill(0xff, 4, 200);
    writeFileSync(file, broken);
    await assert.rejects(chunksOf(openEmbeddings(folder)), {
      name: "DataError",
      message: /^Expected a Parquet file of metadata at .*metadata_00\.parquet but /,
    });
  });

  it("refuses options out of range, and more than may be read at once", async () => {
    const folder = openEmbeddings(join(goldens, "both"));
    await assert.rejects(chunksOf(folder, { rows: 0 }), /for rows but received 0/);
    await assert.rejects(
      chunksOf(folder, { from: 7 }),
      /a row from 0 to 6 for from but received 7/,
    );
    assert.throws(() => folder.read({ mostBytes: 287 }), {
      name: "RangeError",
      message: /^Expected at most 287 bytes of embeddings in .* but received 288; raise mostBytes/,
    });
  });
});

describe("a folder that clip-retrieval wrote", () => {
  it("is read as Python reads it, whatever the chunks", async () => {
    const folder = openEmbeddings(join(goldens, "both"));
    assert.deepEqual([folder.rows, folder.dim, folder.shards], [6, 6, [3, 1, 2]]);
    assert.deepEqual([folder.hasImages, folder.hasTexts], [true, true]);
    const { images, texts, metadata } = expected.both;
    for (const rows of [1, 2, 100]) {
      const chunks = await chunksOf(folder, { rows });
      assert.ok(
        chunks.every((chunk) => chunk.count <= rows && chunk.images?.count === chunk.count),
      );
      assert.deepEqual(
        chunks.map(({ start }) => start),
        chunks.map((_, i) => chunks.slice(0, i).reduce((sum, { count }) => sum + count, 0)),
      );
      assert.deepEqual(
        chunks.flatMap((chunk) => [...chunk.images!.data]),
        images.flat(),
      );
      assert.deepEqual(
        chunks.flatMap((chunk) => [...chunk.texts!.data]),
        texts.flat(),
      );
      const records = chunks.flatMap((chunk) => chunk.metadata!);
      // Missing columns of a shard are missing in its rows.
      assert.deepEqual(records, exact(metadata));
    }
  });

  it("is read as a whole, and from any row on", async () => {
    const folder = openEmbeddings(join(goldens, "both"));
    const whole = folder.read();
    assert.deepEqual([...whole.images!.data], expected.both.images.flat());
    assert.deepEqual([...whole.texts!.data], expected.both.texts.flat());
    for (const from of [0, 2, 3, 5, 6]) {
      const chunks = await chunksOf(folder, { rows: 2, from });
      const records = chunks.flatMap((chunk) => chunk.metadata!);
      assert.deepEqual(records, exact(expected.both.metadata.slice(from)), `from ${from}`);
      const data = chunks.flatMap((chunk) => [...chunk.images!.data]);
      assert.deepEqual(data, expected.both.images.slice(from).flat());
    }
  });

  it("needs no texts and no metadata", async () => {
    const plain = openEmbeddings(join(goldens, "images"));
    assert.deepEqual([plain.hasTexts, plain.columns], [false, ["image_path"]]);
    const [chunk] = await chunksOf(plain);
    assert.deepEqual([...chunk!.images!.data], expected.images.images.flat());
    assert.equal(chunk!.texts, undefined);
    const without = await chunksOf(plain, { metadata: false });
    assert.equal(without[0]!.metadata, undefined);
    const bare = join(root, "bare");
    cpSync(join(goldens, "both", "text_emb"), join(bare, "text_emb"), { recursive: true });
    const texts = openEmbeddings(bare);
    assert.deepEqual([texts.hasImages, texts.hasTexts, texts.columns], [false, true, []]);
    assert.deepEqual([...texts.read().texts!.data], expected.both.texts.flat());
  });
});

describe("a folder of any writer", () => {
  it("has its shards in the order of their numbers", () => {
    const folder = join(root, "numbers");
    mkdirSync(join(folder, "img_emb"), { recursive: true });
    for (const number of [10, 9, 2, 0]) {
      matrix(join(folder, "img_emb", `img_emb_${number}.npy`), [[number, 1]]);
    }
    // What someone is writing, and what is no matrix, is left alone.
    writeFileSync(join(folder, "img_emb", ".img_emb_3.npy.1-a.partial"), "");
    writeFileSync(join(folder, "img_emb", "notes.txt"), "mine");
    const { images } = openEmbeddings(folder).read();
    assert.deepEqual([...images!.data], [0, 1, 2, 1, 9, 1, 10, 1]);
  });

  it("may be limn's own, with more rows than a row group and a page have", async () => {
    const folder = join(root, "own");
    const layout = { folder, dim: 2, precision: "float32", texts: false } as const;
    const shard = new EmbeddingShard(layout, { number: 0, width: 1, columns: [] });
    const count = 40_000;
    const rows = Array.from({ length: count }, (_, i): MetadataRecord => ({
      number: i,
      half: i / 2,
    }));
    shard.append({
      images: Float32Array.from({ length: 2 * count }, (_, i) => i),
      metadata: rows.map((record, i) => ({ image_path: `p${i}`, record })),
    });
    await shard.finish();
    const opened = openEmbeddings(folder);
    assert.deepEqual(opened.columns, ["image_path", "number", "half"]);
    let at = 0;
    for (const from of [0, 16_383, 39_999]) {
      at = from;
      for await (const chunk of opened.chunks({ rows: 7_001, from })) {
        assert.equal(chunk.start, at);
        for (const [i, row] of chunk.metadata!.entries()) {
          assert.deepEqual(row, { image_path: `p${at + i}`, ...rows[at + i] });
          assert.equal(chunk.images!.data[2 * i], 2 * (at + i));
        }
        at += chunk.count;
      }
      assert.equal(at, count);
    }
  });
});
