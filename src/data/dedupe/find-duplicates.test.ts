import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp, { type Sharp } from "sharp";
import { createRandom } from "../../arrays/random.ts";
import { packDataset } from "../pack.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { Embeddings } from "../../arrays/embeddings.ts";
import type { Looks, PictureEmbedder } from "./describe-pictures.ts";
import { duplicateSheet } from "./duplicate-sheet.ts";
import {
  type DuplicateReport,
  excludedBy,
  findDuplicates,
  type FindDuplicatesOptions,
} from "./find-duplicates.ts";
import { findNearPairs } from "./near-pictures.ts";
import { perceptualHash } from "./perceptual-hash.ts";
import { Thumbnails } from "./thumbnails.ts";
import { reportBytes } from "./write-duplicates.ts";

const top = mkdtempSync(join(tmpdir(), "limn-dedupe-"));
after(() => rmSync(top, { recursive: true }));

const [WIDTH, HEIGHT] = [120, 90];
const BASES = 12;
const VARIANTS = ["jpeg", "small", "cropped", "bright"] as const;

/** A picture of soft coloured spots, as unlike others as photographs are. */
function spots(seed: string): Sharp {
  const random = createRandom(seed);
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  const values = new Float64Array(data.length).fill(90);
  for (let spot = 0; spot < 14; spot++) {
    const [cx, cy] = [random.next() * WIDTH, random.next() * HEIGHT];
    const radius = 8 + random.next() * 25;
    const color = [0, 1, 2].map(() => (random.next() - 0.45) * 260);
    for (let i = 0; i < values.length; i++) {
      const [x, y] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH)];
      const d = ((x - cx) ** 2 + (y - cy) ** 2) / radius ** 2;
      if (d < 9) values[i]! += color[i % 3]! * Math.exp(-d);
    }
  }
  values.forEach((value, i) => (data[i] = Math.max(0, Math.min(255, value))));
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

function variant(seed: string, kind: (typeof VARIANTS)[number]): Promise<Buffer> {
  const picture = spots(seed);
  if (kind === "jpeg") return picture.jpeg({ quality: 40 }).toBuffer();
  if (kind === "small") return picture.resize(61, 46).png().toBuffer();
  if (kind === "bright") return picture.linear(1.15, 8).jpeg().toBuffer();
  return picture
    .extract({ left: 2, top: 2, width: WIDTH - 4, height: HEIGHT - 3 })
    .png()
    .toBuffer();
}

const train = join(top, "train");
const held = join(top, "held");
const trainSource: SourceSpec = { kind: "folder", directory: train };
const heldSource: SourceSpec = { kind: "folder", directory: held };
let report: DuplicateReport;
let names: string[];

/** Names of the set's pictures in order; the number in a name is the picture that it is a copy of. */
before(async () => {
  for (const folder of [train, held]) mkdirSync(folder);
  const write = (name: string, bytes: Buffer): void => {
    writeFileSync(join(train, name), bytes);
    names.push(name);
  };
  names = [];
  for (let i = 0; i < BASES; i++) {
    write(`base-${i}.png`, await spots(`p${i}`).png().toBuffer());
    if (i >= 4) continue;
    for (const kind of VARIANTS) write(`copy-${i}-${kind}.png`, await variant(`p${i}`, kind));
  }
  // The same shapes in other colours, plain pictures, and one that cannot be read.
  const swapped = await spots("p5")
    .recomb([
      [0, 0, 1],
      [1, 0, 0],
      [0, 1, 0],
    ])
    .png()
    .toBuffer();
  write("swapped-5.png", swapped);
  for (const [i, background] of ["red", "blue", "#fe0202"].entries()) {
    const create = { width: 20, height: 20, channels: 3 as const, background };
    write(`plain-${i}.png`, await sharp({ create }).png().toBuffer());
  }
  write("bad.png", Buffer.from("no picture"));
  names.sort();
  writeFileSync(join(held, "a.jpg"), await variant("p6", "jpeg"));
  writeFileSync(join(held, "b.jpg"), await variant("p1", "bright"));
  writeFileSync(join(held, "c.jpg"), await variant("new", "bright"));
  report = await findDuplicates({ source: trainSource, against: [heldSource], workers: 1 });
});

const nameOf = (id: string): string => names[Number(/^train#(\d+)$/.exec(id)![1])]!;

describe("options for duplicates", () => {
  const cases: [Partial<Record<keyof FindDuplicatesOptions | "bits", unknown>>, RegExp][] = [
    [{ bits: 4 }, /Unknown duplicate option bits/],
    [{ distance: 17 }, /Expected an integer from 0 to 16 for distance but received 17/],
    [{ distance: 1.5 }, /received 1\.5/],
    [{ correlation: 2 }, /Expected a number from -1 to 1 for correlation but received 2/],
    [{ cosine: NaN }, /for cosine but received NaN/],
    [{ cosine: 0.9 }, /Expected an embedder with cosine/],
    [{ source: { kind: "folder", directory: "/absent" } }, /Expected a readable folder/],
  ];
  for (const [more, message] of cases) {
    it(`refuses ${JSON.stringify(more)}`, async () => {
      const options = { source: trainSource, ...more } as FindDuplicatesOptions;
      await assert.rejects(findDuplicates(options), message);
    });
  }
});

describe("near-duplicates", () => {
  it("are found, all of them and no others", () => {
    const groups = report.groups.map(({ keep, drop }) => [keep, ...drop].map(nameOf));
    const copies = (i: number): string[] => VARIANTS.map((kind) => `copy-${i}-${kind}.png`);
    assert.deepEqual(
      groups.map((group) => group.toSorted((a, b) => (a < b ? -1 : 1))),
      [
        ["base-0.png", ...copies(0).toSorted((a, b) => (a < b ? -1 : 1))],
        ["base-2.png", ...copies(2).toSorted((a, b) => (a < b ? -1 : 1))],
        ["base-3.png", ...copies(3).toSorted((a, b) => (a < b ? -1 : 1))],
        ["plain-0.png", "plain-2.png"],
      ],
    );
    assert.ok(report.groups.every(({ keep }) => /base|plain-0/.test(nameOf(keep))));
  });
  it("of evaluation pictures are all dropped, and name what they are near to", () => {
    const found = report.contaminated.map(({ id, evaluation }) => [nameOf(id), evaluation]);
    assert.deepEqual(found, [
      ["base-1.png", "held#1"],
      ["base-6.png", "held#0"],
      ...VARIANTS.toSorted().map((kind) => [`copy-1-${kind}.png`, "held#1"]),
    ]);
    assert.equal(report.exclude.length, 6 + 3 * VARIANTS.length + 1);
    assert.deepEqual(report.againstPictures, [3]);
  });
  it("leave out and list what cannot be read", () => {
    assert.equal(report.pictures, names.length - 1);
    assert.equal(report.bad, 1);
    assert.match(report.badSamples[0]!.reason, /^text, "no picture"/);
  });
  it("are listed with file, key and caption, those of evaluation sets with their number", async () => {
    const folder = join(top, "captioned");
    mkdirSync(folder);
    for (const name of ["x", "y"]) {
      writeFileSync(join(folder, `${name}.png`), await spots("caption").png().toBuffer());
      writeFileSync(join(folder, `${name}.txt`), `a picture called ${name}`);
    }
    writeFileSync(join(folder, "z.png"), await spots("other").png().toBuffer());
    const source: SourceSpec = { kind: "folder", directory: folder };
    const { samples } = await findDuplicates({ source, workers: 1 });
    assert.deepEqual(samples, [
      { id: "captioned#0", file: join(folder, "x.png"), key: "x", caption: "a picture called x" },
      { id: "captioned#1", file: join(folder, "y.png"), key: "y", caption: "a picture called y" },
    ]);
    const near = report.samples.filter(({ against }) => against === 0);
    assert.deepEqual(
      near.map(({ id, file, key }) => [id, file, key]),
      [
        ["held#0", join(held, "a.jpg"), "a"],
        ["held#1", join(held, "b.jpg"), "b"],
      ],
    );
    const own = new Set(report.samples.filter((one) => !("against" in one)).map(({ id }) => id));
    for (const { keep, drop } of report.groups)
      for (const id of [keep, ...drop]) assert.ok(own.has(id));
  });
  it("of more than a tenth of the pictures bring advice, unless thresholds were given", async () => {
    assert.match(
      report.advice ?? "",
      /^the defaults, which suit photographs, leave out \d+ % .*--distance 2 --correlation 0\.995/,
    );
    const given = await findDuplicates({ source: trainSource, distance: 10, workers: 1 });
    assert.equal(given.advice, undefined);
    const few = await findDuplicates({ source: heldSource, workers: 1 });
    assert.equal(few.advice, undefined);
  });
  it("do not depend on the number of threads", async () => {
    const again = await findDuplicates({ source: trainSource, against: [heldSource], workers: 3 });
    assert.deepEqual(again, report);
  });
  it("told by a model are found where pixels say nothing", async () => {
    const { groups, thresholds } = await findDuplicates({
      source: trainSource,
      embedder: stub(),
      cosine: 0.999,
    });
    assert.equal(thresholds.cosine, 0.999);
    const group = groups.find(({ keep }) => nameOf(keep) === "base-5.png");
    assert.deepEqual(group?.drop.map(nameOf), ["swapped-5.png"]);
  });
  it("by a model that embeds all alike are refused once they are too many", async () => {
    const count = 250;
    const thumbnails = new Thumbnails();
    for (let i = 0; i < count; i++) {
      thumbnails.push(Uint8Array.from({ length: 192 }, (_, k) => ((i * 192 + k) ** 2 * 31) % 251));
    }
    const pictures: Looks = {
      hashes: Uint32Array.from({ length: 2 * count }, (_, i) => Math.imul(i + 1, 0x9e3779b1)),
      thumbnails,
      embeddings: { data: new Float32Array(count).fill(1), count, dim: 1 },
    };
    const thresholds = { distance: 0, correlation: 0.9, cosine: 0.99 };
    assert.throws(
      () => findNearPairs(pictures, () => 0, thresholds, stub()),
      /Expected at most 25000 pairs with a cosine of 0\.99 but received more/,
    );
  });
});

/** A model that sees brightness only, so swapped colours are the same to it. */
function stub(): PictureEmbedder {
  const imageSize = 8;
  return {
    transform: {
      imageSize,
      resizeMode: "squash",
      interpolation: "bilinear",
      crop: "none",
      mean: [0, 0, 0],
      std: [1, 1, 1],
    },
    batchSize: 7,
    embedPixels(pixels) {
      const dim = imageSize ** 2;
      const count = pixels.length / 3 / dim;
      const data = new Float32Array(count * dim);
      for (let n = 0; n < count; n++) {
        const row = data.subarray(n * dim, (n + 1) * dim);
        for (let i = 0; i < 3 * dim; i++) row[i % dim]! += pixels[n * 3 * dim + i]!;
        const mean = row.reduce((sum, x) => sum + x, 0) / dim;
        row.forEach((x, i) => (row[i] = x - mean + 1e-3));
        const norm = Math.hypot(...row);
        row.forEach((x, i) => (row[i] = x / norm));
      }
      return { data, count, dim };
    },
    similarities(a: Embeddings, b: Embeddings) {
      return Float32Array.from({ length: a.count * b.count }, (_, k) => {
        const [i, j] = [Math.floor(k / b.count) * a.dim, (k % b.count) * a.dim];
        let sum = 0;
        for (let d = 0; d < a.dim; d++) sum += a.data[i + d]! * b.data[j + d]!;
        return sum;
      });
    },
  };
}

describe("what follows", () => {
  it("packs shards without the duplicates", async () => {
    const packed = await packDataset({
      source: trainSource,
      directory: join(top, "clean"),
      exclude: excludedBy(report),
      requireCaption: false,
    });
    assert.equal(packed.excluded, report.exclude.length);
    assert.equal(packed.samples, report.pictures - report.exclude.length);
    const source: SourceSpec = { kind: "webdataset", shards: packed.shards };
    const clean = await findDuplicates({ source, against: [heldSource] });
    assert.deepEqual(clean.exclude, []);
  });
  it("writes the report as JSON, however long", () => {
    const pairs = Array.from({ length: 20_000 }, (_, i) => ({ first: `a\n${i}`, second: "é", i }));
    const long = { ...report, pairs, groups: [] };
    for (const one of [report, long]) {
      assert.equal(reportBytes(one).toString("utf8"), `${JSON.stringify(one, null, 2)}\n`);
    }
  });
  it("shows pairs side by side", async () => {
    const options = { report, source: trainSource, against: [heldSource], count: 5, side: 16 };
    const html = (await duplicateSheet(options)).toString("utf8");
    assert.equal(html.match(/<figure>/g)?.length, 5);
    assert.equal(html.match(/data:image\/png/g)?.length, 10);
    assert.match(html, /6 of them near a picture of an evaluation set/);
  });
});

describe("hashes", () => {
  it("of a picture and of a brighter one are equal; of plain ones zero", () => {
    const random = createRandom("hash");
    const pixels = Uint8Array.from({ length: 3072 }, () => 40 + random.integer(100));
    assert.deepEqual(perceptualHash(pixels.map((x) => x + 50)), perceptualHash(pixels));
    assert.deepEqual(perceptualHash(new Uint8Array(3072).fill(77)), [0, 0]);
  });
  it("are joined by colours: plain pictures by their mean, others by correlation", () => {
    const thumbnails = new Thumbnails();
    const ramp = Uint8Array.from({ length: 192 }, (_, i) => i);
    const plain = [10, 14, 40].map((value) => new Uint8Array(192).fill(value));
    for (const one of [...plain, ramp, ramp.map((x) => x + 60)]) thumbnails.push(one);
    assert.equal(thumbnails.correlation(0, 1), 1);
    assert.equal(thumbnails.correlation(0, 2), 0);
    assert.equal(thumbnails.correlation(3, 0), 0);
    assert.ok(Math.abs(thumbnails.correlation(3, 4) - 1) < 1e-12);
  });
});
