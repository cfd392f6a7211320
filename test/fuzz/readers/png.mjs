/** PNG files, damaged with and without right sums: what is read without sharp is what sharp reads. */
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { decodePlainPng } from "../../../dist/src/data/image/decode/plain-png.js";
import { decodeImage, openSharp } from "../../../dist/src/data/image/decode/decode.js";
import { readImageHeader } from "../../../dist/src/data/image/decode/image-header.js";
import { goldenPictures } from "../../../dist/src/data/image/golden-pictures.test.helper.js";

const goldens = goldenPictures()
  .filter(({ name, bytes }) => name.startsWith("png") && bytes.length < 12_000)
  .map(({ bytes }) => Buffer.from(bytes, "base64"));
/** @type {import("sharp").Create} */
const create = {
  ...{ width: 21, height: 13, channels: 4, background: "#8040c080" },
  noise: { type: "gaussian", mean: 128, sigma: 40 },
};
const made = [
  { palette: true, colours: 200 },
  { palette: true, colours: 14 },
  { palette: true, colours: 3 },
  { adaptiveFiltering: true },
  { progressive: true },
];

export const files = [
  ...goldens,
  ...(await Promise.all(made.map((options) => sharp({ create }).png(options).toBuffer()))),
];

/**
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  if (random.chance(0.3)) return bytes;
  const mended = Buffer.from(bytes);
  for (let at = 8; at + 12 <= mended.length;) {
    const end = at + 8 + mended.readUInt32BE(at);
    if (end + 4 > mended.length) break;
    mended.writeUInt32BE(crc32(mended.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return mended;
}

/** @param {Buffer} bytes */
export async function read(bytes) {
  const most = 1 << 16;
  const { data } = await decodeImage(bytes, { maxPixels: most });
  const header = readImageHeader(bytes);
  if ("problem" in header) throw new Error("a picture that has no header was read");
  const plain = decodePlainPng(bytes, header);
  if (plain === undefined) return;
  if (!data.every((level, i) => level === plain.data[i])) throw new Error("decodeImage differs");
  const own = await openSharp(bytes, header).ensureAlpha().toColourspace("srgb").raw().toBuffer();
  for (let i = 0, to = 0; i < own.length; i += 4, to += 3) {
    const pixel = to / 3;
    const alike = [0, 1, 2].every((c) => own[i + c] === plain.data[to + c]);
    const alpha = plain.alpha === undefined || plain.alpha[pixel] === own[i + 3];
    if (!alike || !alpha) throw new Error(`pixel ${pixel} is not sharp's`);
  }
}
