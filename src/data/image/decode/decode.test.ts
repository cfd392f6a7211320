import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { DataError } from "../../../errors.ts";
import { goldenBytes as bytesOf, goldenPictures } from "../golden-pictures.test.helper.ts";
import { decodeImage, MAX_PIXELS, openSharp } from "./decode.ts";
import { readImageHeader, withoutPackedText } from "./image-header.ts";

const at = { source: "shard-000.tar", key: "cat" };
const cases = goldenPictures();
const sha = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** A PNG header that claims a size; there are no pixels behind it. */
function claimedPng(width: number, height: number): Buffer {
  const header = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
  const fields = Buffer.alloc(17);
  fields.writeUInt32BE(width, 0);
  fields.writeUInt32BE(height, 4);
  fields.set([8, 2], 8);
  return Buffer.concat([header, fields]);
}

describe("decodeImage refuses", () => {
  const refuses = (bytes: Uint8Array, pattern: RegExp): Promise<void> =>
    assert.rejects(decodeImage(bytes, { at }), (error: unknown) => {
      assert.ok(error instanceof DataError, String(error));
      assert.match(error.message, pattern);
      assert.match(error.message, /cat in shard-000\.tar/);
      assert.equal(error.source, "shard-000.tar");
      assert.equal(error.key, "cat");
      return true;
    });

  it("no bytes", () => refuses(new Uint8Array(0), /received 0 bytes; fetch or write/));
  it("text", () =>
    refuses(Buffer.from("not a picture"), /received text, "not a picture", as a failed download/));
  it("formats it does not read, by name", async () => {
    await refuses(Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), /an SVG file, which/);
    const allowed =
      /an SVG file, which is read only where it is allowed \(svg: { size: 224 }, --svg 224\); convert/;
    for (const before of [
      '<?xml version="1.0"?>\n',
      "<!DOCTYPE svg>",
      "\ufeff",
      `<!--${" ".repeat(2000)}-->`,
    ])
      await refuses(Buffer.from(`${before}<svg/>`), allowed);
    await refuses(Buffer.from("BM1234567890"), /a BMP file; convert/);
    await refuses(Buffer.from("II*\0abcdefgh"), /a TIFF file/);
    await refuses(Buffer.from("\0\0\0\x18ftypheic\0\0"), /an HEIF file; convert/);
    await refuses(Buffer.from("\0\0\0\x18ftypisom\0\0"), /a video \(MP4 or MOV\); convert/);
    await refuses(Buffer.from("P6\n2 2\n255\n"), /a PNM file; convert/);
    await refuses(Buffer.from("zq\x01345678"), /unknown format that start with 7a 71 01 33/);
  });
  it("what lies in place of a picture, and how to fetch it", async () => {
    for (const page of [
      "<!DOCTYPE html><p>404",
      "\n\n<HTML>",
      "\ufeff<!doctype html>",
      "<?xml?><Error/>",
    ])
      await refuses(
        Buffer.from(page),
        /received a web page, .* \(fetch it again\); put the picture itself/,
      );
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n";
    await refuses(Buffer.from(pointer), /received a Git LFS pointer .*\(git lfs pull fetches/);
    await refuses(
      Buffer.from('{"error":"Not Found"}'),
      /received text, .*Not Found.*fetch it again/,
    );
  });
  it("truncated files of every format, wherever they are cut", async () => {
    const names = ["jpeg-4:2:2-75x100", "jpeg-progressive-100x75", "png-rgb-61x29"];
    names.push("webp-lossy-90x45", "webp-lossless-33x18", "gif-64x31", "png-palette-45x38");
    for (const name of names) {
      const bytes = bytesOf(name);
      for (const share of [0.05, 0.3, 0.6, 0.9]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * share));
        await refuses(cut, /cannot be decoded|header that ends|without|0 x 0/);
      }
    }
  });
  it("a PNG whose checksum is wrong", async () => {
    const bytes = bytesOf("png-rgb-61x29");
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] as number) ^ 0xff;
    await refuses(bytes, /PNG image for cat .* cannot be decoded \(.+\)/);
  });
  it("30,000 x 30,000 pixels, from the header alone", async () => {
    const started = performance.now();
    await refuses(
      claimedPng(30_000, 30_000),
      /at most 178956970 pixels for cat .* received 30000 x 30000; shrink .* maxPixels/,
    );
    assert.ok(performance.now() - started < 1000);
    assert.equal(MAX_PIXELS, 178_956_970);
  });
  it("a GIF whose frame is larger than allowed, though its screen is not", async () => {
    const bytes = bytesOf("gif-large-frame");
    await assert.rejects(decodeImage(bytes, { at, maxPixels: 100 }), /needs 20 x 14 pixels/);
  });
  it("more pixels than maxPixels", async () => {
    const bytes = bytesOf("png-rgb-61x29");
    await assert.rejects(decodeImage(bytes, { at, maxPixels: 61 * 29 - 1 }), /received 61 x 29/);
    await decodeImage(bytes, { at, maxPixels: 61 * 29 });
  });
  it("unknown and bad options", async () => {
    const bytes = bytesOf("png-rgb-61x29");
    const wrong = { maxPixel: 5 } as object;
    await assert.rejects(decodeImage(bytes, wrong), /option maxPixel\. Did you mean "maxPixels"/);
    await assert.rejects(decodeImage(bytes, { maxPixels: NaN }), RangeError);
    const black = { transparency: "black" } as object;
    await assert.rejects(decodeImage(bytes, black), /"drop" or "white" for transparency/);
    const turned = { orientation: "exif" } as object;
    await assert.rejects(decodeImage(bytes, turned), /"ignore" or "apply" for orientation/);
  });
});

/** A chunk of a PNG. */
function chunk(type: string, contents: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type), contents]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(contents.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

describe("text in a PNG", () => {
  const png = bytesOf("png-rgb-61x29");
  /** Of 2 MB of zeros each, 300 times: 600 MB in half a megabyte. */
  const packed = deflateSync(Buffer.alloc(2_000_000));
  const bomb = (type: string, head: string): Buffer => {
    const one = chunk(type, Buffer.concat([Buffer.from(head), packed]));
    return Buffer.concat(Array<Buffer>(300).fill(one));
  };
  const bombs = {
    "before the pixels": [png.subarray(0, 33), bomb("zTXt", "a\0\0"), png.subarray(33)],
    "behind the pixels": [png.subarray(0, -12), bomb("iTXt", "a\0\x01\0\0\0"), png.subarray(-12)],
  };
  for (const [where, parts] of Object.entries(bombs)) {
    it(`is not unpacked where it may take much memory: ${where}`, async () => {
      const bytes = Buffer.concat(parts);
      const header = readImageHeader(bytes);
      assert.ok("format" in header);
      assert.ok((header.packedText ?? 0) > 500_000);
      assert.equal(Buffer.compare(withoutPackedText(bytes), png), 0);
      assert.deepEqual(await decodeImage(bytes), await decodeImage(png));
      const { comments } = await openSharp(bytes, header).metadata();
      assert.equal(comments, undefined);
    });
  }
  it("is left alone where it is short", async () => {
    const bytes = Buffer.concat([
      png.subarray(0, 33),
      chunk("zTXt", deflateSync(png)),
      png.subarray(33),
    ]);
    assert.ok("packedText" in readImageHeader(bytes));
    assert.deepEqual(await decodeImage(bytes), await decodeImage(png));
  });
});

describe("decodeImage equals Pillow's RGB", () => {
  it(`in all ${cases.length} pictures`, async () => {
    assert.ok(cases.length >= 100);
    for (const { name, mode, bytes, width, height, rgb } of cases) {
      const image = await decodeImage(Buffer.from(bytes, "base64"));
      assert.deepEqual([image.width, image.height], [width, height], name);
      assert.equal(sha(image.data), rgb, `${name} (${mode})`);
    }
  });
  it("sample by sample where the golden shows them", async () => {
    const shown = cases.filter(({ pixels }) => pixels);
    assert.ok(shown.length >= 3);
    for (const { name, bytes, pixels } of shown) {
      const image = await decodeImage(Buffer.from(bytes, "base64"));
      assert.deepEqual([...image.data], pixels, name);
    }
  });
  it("turned upright by EXIF when asked", async () => {
    const turned = cases.flatMap(({ name, bytes, upright }) =>
      upright ? [{ name, bytes, upright }] : [],
    );
    assert.ok(turned.length >= 10);
    for (const { name, bytes, upright } of turned) {
      const image = await decodeImage(Buffer.from(bytes, "base64"), { orientation: "apply" });
      assert.deepEqual([image.width, image.height], [upright.width, upright.height], name);
      assert.equal(sha(image.data), upright.rgb, name);
    }
  });
  it("with transparent pixels on white when asked", async () => {
    // golden-processors.test.ts holds every picture against transformers, which does this.
    const { data } = await decodeImage(bytesOf("png-la-7x2"), { transparency: "white" });
    const opaque = await decodeImage(bytesOf("png-la-7x2"));
    assert.ok(data.some((level, i) => level !== opaque.data[i]));
    assert.ok(data.every((level, i) => level >= (opaque.data[i] as number)));
    const rgb = bytesOf("png-rgb-5x3");
    assert.deepEqual(await decodeImage(rgb, { transparency: "white" }), await decodeImage(rgb));
  });
  it("from a view into a larger buffer", async () => {
    const bytes = bytesOf("jpeg-4:4:4-1x1");
    const padded = Buffer.concat([Buffer.alloc(13), bytes, Buffer.alloc(5)]);
    const image = await decodeImage(padded.subarray(13, 13 + bytes.length));
    assert.equal(image.width, 1);
  });
  it("and keeps sharp's file cache off", () => {
    assert.equal(sharp.cache().memory.max, 0);
  });
});
