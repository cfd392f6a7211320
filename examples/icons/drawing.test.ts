import assert from "node:assert/strict";
import { describe, it } from "node:test";
import sharp from "sharp";

import { drawIcons, type Drawing } from "./draw.ts";
import { frame, inkBox, type Box } from "./frame.ts";
import { nearDuplicateOverlap, nearestDrawings } from "./near-duplicates.ts";
import { greyPng } from "./png.ts";

const box = [0, 0, 24, 24] as const;
const icon = (body: string, name = "x"): Drawing => ({ set: "s", name, body, box });
const square = (x: number, side: number) =>
  icon(`<path fill="currentColor" d="M${x} ${x}h${side}v${side}H${x}z"/>`);

async function drawOne(drawing: Drawing, imageSize = 32): Promise<Uint8Array> {
  const [picture] = await drawIcons([drawing], { imageSize });
  return picture as Uint8Array;
}

/** Share of dark pixels, in [0, 1]. */
function darkness(pixels: Uint8Array): number {
  return pixels.reduce((sum, value) => sum + (255 - value), 0) / 255 / pixels.length;
}

describe("a drawing", () => {
  it("fills the same frame, however much white the set leaves around it", async () => {
    const [wide, narrow] = [await drawOne(square(2, 20), 64), await drawOne(square(3, 18), 64)];
    assert.ok(Math.abs(darkness(wide) - 0.94 ** 2) < 0.05, String(darkness(wide)));
    assert.ok(Math.abs(darkness(narrow) - darkness(wide)) < 0.05);
    const dot = await drawOne(square(11, 2), 64);
    assert.ok(darkness(dot) < 0.05, "a dot stays small");
  });
  it("is the same on a sheet as alone, whatever its neighbours are called inside", async () => {
    const masked = (width: number) =>
      icon(
        `<mask id="m"><path fill="#fff" d="M0 0h${width}v24H0z"/></mask>` +
          '<path fill="currentColor" mask="url(#m)" d="M0 0h24v24H0z"/>',
      );
    const many = Array.from({ length: 70 }, (_, i) => masked(6 + (i % 3) * 6));
    const together = await drawIcons(many, { imageSize: 32 });
    const alone = await Promise.all([0, 1, 2].map((i) => drawOne(many[i] as Drawing)));
    together.forEach((picture, i) => assert.deepEqual(picture, alone[i % 3]));
  });
  it("that is no SVG or shows nothing is left out, and its neighbours stay", async () => {
    const drawn = await drawIcons([square(4, 16), icon("<path"), icon("<g/>"), square(4, 16)], {
      imageSize: 32,
    });
    assert.deepEqual(
      drawn.map((each) => each === undefined),
      [false, true, true, false],
    );
  });
  it("has the ink of the same drawing by sharp alone, in proportion to the frame", async () => {
    const body = '<path fill="none" stroke="#000" stroke-width="2" d="M5 5l14 6-8 8zM4 20h16"/>';
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="88" height="88" viewBox="0 0 24 24">${body}</svg>`;
    const flat = sharp(Buffer.from(svg)).flatten({ background: "#fff" }).greyscale();
    const plain = new Uint8Array(await flat.raw().toBuffer());
    const { left, top, right, bottom } = inkBox(plain, 88) as Box;
    const shown = Math.max(
      Math.ceil(96 / 1.35),
      Math.ceil(Math.max(right - left + 1, bottom - top + 1) / 0.94),
    );
    const framed = await drawOne(icon(body), 64);
    const [expected, found] = [darkness(plain) * 88 ** 2, darkness(framed) * shown ** 2];
    assert.ok(Math.abs(found / expected - 1) < 0.01, `${found} ${expected}`);
  });
  it("is black on white, with half-transparent parts grey", async () => {
    const half = await drawOne(icon('<path fill="currentColor" opacity=".5" d="M0 0h24v24H0z"/>'));
    const middle = half[16 * 32 + 16] ?? 0;
    assert.ok(Math.abs(middle - 127) <= 2, String(middle));
  });
});

describe("the frame", () => {
  const side = 96;
  const blank = (): Uint8Array => new Uint8Array(side * side).fill(255);
  it("finds the ink to the pixel", () => {
    assert.equal(inkBox(blank(), side), undefined);
    const pixels = blank();
    pixels[10 * side + 20] = 0;
    pixels[30 * side + 15] = 0;
    assert.deepEqual(inkBox(pixels, side), { left: 15, top: 10, right: 20, bottom: 30 });
  });
  it("averages areas: the ink inside stays in proportion", () => {
    const pixels = blank();
    for (let y = 0; y < side; y++) pixels.fill(0, y * side + 3, y * side + 93);
    const framed = frame(pixels, side, { left: 3, top: 0, right: 92, bottom: 95 }, 64);
    assert.ok(Math.abs(darkness(framed) - 90 / 96) < 0.002, String(darkness(framed)));
  });
});

describe("a PNG", () => {
  it("reads as the pixels that it was made of", async () => {
    const pixels = Uint8Array.from({ length: 40 * 40 }, (_, i) => (i * 37) % 256);
    const { data, info } = await sharp(greyPng(pixels, 40))
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [40, 40]);
    const first = pixels.map((_, i) => data[i * info.channels] ?? 0);
    assert.deepEqual(first, pixels);
  });
});

describe("near-duplicates", () => {
  /** sum min / sum max over 32 x 32 means, written out. */
  function overlap(a: Uint8Array, b: Uint8Array, size: number): number {
    const factor = size / 32;
    let [shared, all] = [0, 0];
    for (let cell = 0; cell < 32 * 32; cell++) {
      const sums = [a, b].map((pixels) => {
        let sum = 0;
        for (let k = 0; k < factor * factor; k++) {
          const y = Math.floor(cell / 32) * factor + Math.floor(k / factor);
          const x = (cell % 32) * factor + (k % factor);
          sum += 255 - (pixels[y * size + x] ?? 0);
        }
        return sum;
      });
      shared += Math.min(...sums);
      all += Math.max(...sums);
    }
    return shared / all;
  }
  const ring = (r: number, width: number) =>
    icon(`<circle cx="12" cy="12" r="${r}" fill="none" stroke="#000" stroke-width="${width}"/>`);

  it("are found where a word is shared, and nowhere else", async () => {
    const [thin, thick, other] = await Promise.all(
      [ring(9, 2), ring(9, 2.3), square(3, 18)].map((each) => drawOne(each, 64)),
    );
    const named = (pixels: Uint8Array | undefined, words: string[]) => ({
      pixels: pixels as Uint8Array,
      words,
    });
    const training = [named(other, ["circle"]), named(thick, ["circle"]), named(thin, ["ring"])];
    const [found, none] = nearestDrawings(
      [named(thin, ["big", "circle"]), named(thin, ["moon"])],
      training,
      64,
    );
    assert.equal(found?.index, 1);
    assert.ok((found?.overlap ?? 0) >= nearDuplicateOverlap);
    assert.deepEqual(none, { index: -1, overlap: 0 });
  });
  it("are those of a search without short cuts", async () => {
    const rings = [4, 6, 7, 8, 9].flatMap((r) => [1, 2, 3].map((width) => ring(r, width)));
    const pictures = await Promise.all(rings.map((each) => drawOne(each, 64)));
    const all = pictures.map((pixels) => ({ pixels, words: ["ring"] }));
    const [asked, training] = [all.slice(0, 5), all.slice(5)];
    const found = nearestDrawings(asked, training, 64, 0.6);
    asked.forEach(({ pixels }, i) => {
      const overlaps = training.map((other) => overlap(pixels, other.pixels, 64));
      const best = Math.max(...overlaps);
      const expected = best >= 0.6 ? best : 0;
      assert.ok(Math.abs((found[i]?.overlap ?? 0) - expected) < 1e-5, `${i}: ${expected}`);
    });
    assert.ok(found.some(({ index }) => index >= 0));
  });
});
