import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { goldenPictures } from "../golden-pictures.test.helper.ts";
import { decodeImage } from "./decode.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";
import { decodePlainPng } from "./plain-png.ts";

function headerOf(bytes: Uint8Array): ImageHeader {
  const header = readImageHeader(bytes);
  if ("problem" in header) throw new Error(`internal: ${header.detail}`);
  return header;
}

const decode = (bytes: Uint8Array): ReturnType<typeof decodePlainPng> =>
  decodePlainPng(bytes, headerOf(bytes));

function chunk(type: string, contents: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), contents]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(contents.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

interface Made {
  width: number;
  height: number;
  /** PNG's number of it */
  colorType: number;
  bitDepth?: number;
  interlace?: number;
  /** scanlines, each behind the number of its filter */
  rows: Uint8Array;
  /** chunks before and behind the pixels */
  before?: Buffer[];
  behind?: Buffer[];
}

function png(made: Made): Buffer {
  const { width, height, colorType, bitDepth = 8, interlace = 0, rows } = made;
  const fields = Buffer.alloc(13);
  fields.writeUInt32BE(width, 0);
  fields.writeUInt32BE(height, 4);
  fields.set([bitDepth, colorType, 0, 0, interlace], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", fields),
    ...(made.before ?? []),
    chunk("IDAT", deflateSync(rows)),
    ...(made.behind ?? []),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Scanlines of noise, filtered by the given numbers in turn. */
function noise(height: number, stride: number, filters: readonly number[]): Uint8Array {
  const rows = new Uint8Array(height * (stride + 1));
  for (let i = 0; i < rows.length; i++) rows[i] = Math.imul(i + 3, 2654435761) >>> 24;
  for (let y = 0; y < height; y++) rows[y * (stride + 1)] = filters[y % filters.length] as number;
  return rows;
}

const grey = { width: 9, height: 12, colorType: 0, rows: noise(12, 9, [0]) };
const colors = chunk("PLTE", Buffer.from("102030405060708090a0b0c0", "hex"));

describe("decodePlainPng leaves to sharp", () => {
  const left = (bytes: Uint8Array): void => assert.equal(decode(bytes), undefined);
  it("what it does not read: 16 bits, few greys, interlaced and large pictures", () => {
    left(png({ ...grey, bitDepth: 16, rows: noise(12, 18, [0]) }));
    left(png({ ...grey, bitDepth: 4, rows: noise(12, 5, [0]) }));
    left(png({ ...grey, interlace: 1 }));
    left(png({ width: 257, height: 256, colorType: 0, rows: noise(256, 257, [0]) }));
  });
  it("damaged files: sums, lengths, filters, cut and doubled chunks", () => {
    const whole = png(grey);
    assert.ok(decode(whole));
    for (let cut = 34; cut < whole.length; cut++) left(whole.subarray(0, cut));
    const wrongSum = Buffer.from(whole);
    wrongSum.writeUInt8((whole[45] as number) ^ 1, 45);
    left(wrongSum);
    left(png({ ...grey, rows: noise(12, 9, [5]) }));
    left(png({ ...grey, rows: noise(11, 9, [0]) }));
    left(png({ ...grey, rows: noise(13, 9, [0]) }));
    left(png({ ...grey, before: [chunk("IHDR", Buffer.alloc(13))] }));
    left(png({ ...grey, before: [chunk("NEED", Buffer.alloc(0))] }));
    left(png({ ...grey, before: [chunk("te", Buffer.alloc(0))] }));
    left(
      png({ ...grey, behind: [chunk("tEXt", Buffer.alloc(3)), chunk("IDAT", Buffer.alloc(1))] }),
    );
    assert.ok(decode(png({ ...grey, before: [chunk("tEXt", Buffer.from("a\0b"))] })));
  });
  it("a stream that unpacks to more than its pixels, without unpacking it", () => {
    left(png({ ...grey, rows: new Uint8Array(1 << 26) }));
  });
  it("palettes that are missing, doubled, too late, or too short for an index", () => {
    const made = { width: 3, height: 1, colorType: 3, rows: Uint8Array.of(0, 0, 3, 1) };
    assert.ok(decode(png({ ...made, before: [colors] })));
    left(png(made));
    left(png({ ...made, behind: [colors] }));
    left(png({ ...made, before: [colors, colors] }));
    left(png({ ...made, before: [colors], rows: Uint8Array.of(0, 0, 4, 1) }));
    left(png({ ...made, before: [chunk("tRNS", Buffer.alloc(1)), colors] }));
    left(png({ ...made, before: [colors, chunk("tRNS", Buffer.alloc(5))] }));
  });
});

describe("decodePlainPng", () => {
  it("takes every golden of the kinds that it reads", () => {
    const read = goldenPictures().filter(({ name, bytes }) => {
      if (!name.startsWith("png")) return false;
      return decode(Buffer.from(bytes, "base64")) !== undefined;
    });
    const modes = new Set(read.map(({ mode }) => mode));
    for (const mode of ["L", "LA", "P", "RGB", "RGBA"]) assert.ok(modes.has(mode), mode);
  });
  it("gives sharp's pixels and alpha, whatever the filters of its rows", async () => {
    const kinds: [colorType: number, samples: number][] = [
      [0, 1],
      [2, 3],
      [4, 2],
      [6, 4],
    ];
    const orders = [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0], [3, 1, 4, 2, 0]];
    for (const [colorType, samples] of kinds) {
      for (const width of [1, 2, 9]) {
        for (const filters of orders) {
          const rows = noise(12, width * samples, filters);
          await compare(
            png({ width, height: 12, colorType, rows }),
            `${colorType} ${filters.join()}`,
          );
        }
      }
    }
  });
  it("gives sharp's pixels and alpha of palettes of 1, 2, 4 and 8 bits", async () => {
    const palette = Buffer.from(noise(1, 767, [9]));
    for (const bitDepth of [1, 2, 4, 8]) {
      const before = [chunk("PLTE", palette.subarray(0, 3 << bitDepth))];
      for (const width of [1, 7, 8, 13]) {
        const rows = noise(9, Math.ceil((width * bitDepth) / 8), [0, 1, 2, 3, 4]);
        const made = { width, height: 9, colorType: 3, bitDepth, rows };
        await compare(png({ ...made, before }), `${bitDepth} bits, ${width} wide`);
        const some = [...before, chunk("tRNS", Buffer.from([0, 100]))];
        await compare(png({ ...made, before: some }), `${bitDepth} bits with alpha`);
      }
    }
  });
});

async function compare(bytes: Buffer, what: string): Promise<void> {
  const plain = decode(bytes);
  assert.ok(plain, what);
  const { data, info } = await sharp(bytes)
    .ensureAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  assert.equal(info.channels, 4);
  assert.deepEqual([...plain.data], [...data.filter((_, i) => i % 4 !== 3)], what);
  const alpha = data.filter((_, i) => i % 4 === 3);
  assert.deepEqual([...(plain.alpha ?? new Uint8Array(alpha.length).fill(255))], [...alpha], what);
  assert.deepEqual((await decodeImage(bytes)).data, plain.data, what);
}
