import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import sharp from "sharp";
import { goldenBytes, goldenPictures } from "../golden-pictures.test.helper.ts";
import { type PixelsAddon, pixelsAddon } from "../native-pixels.ts";
import type { Region } from "../resize/resize.ts";
import { Scratch } from "../scratch.ts";
import { decodeImage, openSharp, type RgbImage } from "./decode.ts";
import { decodeFastJpeg, decodeJpegPart, readsFast } from "./fast-jpeg.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";

const jpegs = goldenPictures().filter(({ name }) => name.startsWith("jpeg"));
const plain = jpegs.filter(({ mode }) => mode !== "CMYK");
const skip = (pixelsAddon()?.jpegLibrary() ?? null) === null && "setup found no libjpeg-turbo";

function headerOf(bytes: Uint8Array): ImageHeader {
  const header = readImageHeader(bytes);
  if ("problem" in header) throw new Error(`internal: ${header.detail}`);
  return header;
}

const whole = (bytes: Uint8Array): RgbImage | undefined => decodeFastJpeg(bytes, headerOf(bytes));

function cut({ data, width }: RgbImage, region: Region): number[] {
  const rows: number[] = [];
  for (let y = 0; y < region.height; y++) {
    const at = ((region.top + y) * width + region.left) * 3;
    rows.push(...data.subarray(at, at + region.width * 3));
  }
  return rows;
}

describe("decodeFastJpeg leaves to sharp", { skip }, () => {
  it("CMYK, other formats, and a size that is not the header's", () => {
    for (const { mode, bytes } of jpegs) {
      if (mode === "CMYK") assert.equal(whole(Buffer.from(bytes, "base64")), undefined);
    }
    assert.equal(whole(goldenBytes("png-rgb-61x29")), undefined);
    const bytes = goldenBytes("jpeg-4:2:2-75x100");
    assert.equal(decodeFastJpeg(bytes, { ...headerOf(bytes), width: 74 }), undefined);
    const other = { ...headerOf(bytes), bitDepth: 12 };
    assert.equal(readsFast(other), false);
  });
  it("files cut anywhere before the end of their pixels", () => {
    for (const name of ["jpeg-4:2:2-75x100", "jpeg-progressive-100x75", "jpeg-grey-40x90"]) {
      const bytes = goldenBytes(name);
      const header = headerOf(bytes);
      for (let end = 300; end < bytes.length - 4; end += 7) {
        assert.equal(decodeFastJpeg(bytes.subarray(0, end), header), undefined, `${name} ${end}`);
      }
    }
  });
  it("a part of a cut file, though the part is there", () => {
    const bytes = goldenBytes("jpeg-4:2:2-75x100");
    const header = headerOf(bytes);
    const part = { divisor: 1, region: { left: 0, top: 0, width: 75, height: 8 } } as const;
    assert.ok(decodeJpegPart(bytes, header, part));
    assert.ok(decodeJpegPart(Buffer.concat([bytes, Buffer.alloc(3)]), header, part));
    const most = bytes.subarray(0, Math.floor(bytes.length * 0.9));
    assert.equal(decodeJpegPart(most, header, part), undefined);
  });
  it("a file of more scans than any picture needs", async () => {
    const flat = sharp({ create: { width: 64, height: 64, channels: 3, background: "#808080" } });
    const bytes = await flat.jpeg({ progressive: true }).toBuffer();
    assert.ok(whole(bytes));
    const scan = bytes.lastIndexOf(Buffer.from([0xff, 0xda]));
    const again = Array<Buffer>(300).fill(bytes.subarray(scan, -2));
    const bomb = Buffer.concat([bytes.subarray(0, scan), ...again, bytes.subarray(-2)]);
    assert.equal(whole(bomb), undefined);
  });
  it("and the addon refuses places outside the picture and memory that is too small", () => {
    const bytes = goldenBytes("jpeg-4:2:0-32x32");
    const addon = pixelsAddon();
    const out = new Uint8Array(32 * 32 * 3);
    assert.equal(addon?.decodeJpeg(bytes, 32, 32, 1, 0, 0, 32, 32, out), true);
    const wrong: Parameters<PixelsAddon["decodeJpeg"]>[] = [
      [bytes, 32, 32, 1, 1, 0, 32, 32, out],
      [bytes, 32, 32, 1, 0, 4294967295, 32, 32, out],
      [bytes, 32, 32, 2, 0, 0, 17, 16, out],
      [bytes, 32, 32, 3, 0, 0, 8, 8, out],
      [bytes, 32, 32, 1, 0, 0, 0, 32, out],
      [bytes, 32, 32, 1, -1, 0, 8, 8, out],
      [bytes, 32, 32, 1, 0, 0, 32, 32, out.subarray(1)],
    ];
    for (const one of wrong) assert.throws(() => addon?.decodeJpeg(...one), /internal: decodeJpeg/);
  });
});

describe("decodeFastJpeg", { skip }, () => {
  it("gives sharp's pixels of every kind of JPEG that it reads", async () => {
    for (const { name, bytes } of plain) {
      const file = Buffer.from(bytes, "base64");
      const own = whole(file);
      const theirs = openSharp(file, headerOf(file)).removeAlpha().toColourspace("srgb").raw();
      assert.deepEqual(own?.data, await theirs.toBuffer(), name);
    }
  });
  it("divided by 2, 4 and 8 gives Pillow's drafts", () => {
    const file = new URL("../../../../../test/goldens/reduced-jpegs.json", import.meta.url);
    const { cases } = JSON.parse(readFileSync(file, "utf8")) as {
      cases: { name: string; divisor: 2 | 4 | 8; width: number; height: number; rgb: string }[];
    };
    assert.ok(cases.length > 80);
    for (const { name, divisor, width, height, rgb } of cases) {
      const bytes = goldenBytes(name);
      const region = { left: 0, top: 0, width, height };
      const image = decodeJpegPart(bytes, headerOf(bytes), { divisor, region });
      assert.ok(image, name);
      const sum = createHash("sha256").update(image.data).digest("hex");
      assert.equal(sum, rgb, `${name} by ${divisor}`);
    }
  });
  it("gives a part as it is in the whole, at every scale", () => {
    const scratch = new Scratch();
    let state = 1;
    const below = (most: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * most);
    };
    for (const { name, bytes, width: w, height: h } of plain) {
      const file = Buffer.from(bytes, "base64");
      const header = headerOf(file);
      for (const divisor of [1, 2, 4, 8] as const) {
        const [width, height] = [Math.ceil(w / divisor), Math.ceil(h / divisor)];
        const full = decodeJpegPart(file, header, {
          divisor,
          region: { left: 0, top: 0, width, height },
        });
        assert.ok(full, name);
        for (let i = 0; i < 12; i++) {
          const [left, top] = [below(width), below(height)];
          const region = {
            ...{ left, top },
            ...{ width: 1 + below(width - left), height: 1 + below(height - top) },
          };
          const part = decodeJpegPart(file, header, { divisor, region, into: scratch });
          const place = `${name} by ${divisor}: ${JSON.stringify(region)}`;
          assert.deepEqual([...(part?.data ?? [])], cut(full, region), place);
        }
      }
    }
  });
  it("is what decodeImage uses", async () => {
    const bytes = goldenBytes("jpeg-4:2:0-48x48");
    assert.deepEqual((await decodeImage(bytes)).data, whole(bytes)?.data);
  });
});
