/** JPEG files, damaged: what libjpeg-turbo reads is what sharp reads, in whole and in part. */
import { decodeImage, openSharp } from "../../../dist/src/data/image/decode/decode.js";
import { decodeFastJpeg, decodeJpegPart } from "../../../dist/src/data/image/decode/fast-jpeg.js";
import { readImageHeader } from "../../../dist/src/data/image/decode/image-header.js";
import { goldenPictures } from "../../../dist/src/data/image/golden-pictures.test.helper.js";

export const files = goldenPictures()
  .filter(({ name, bytes }) => name.startsWith("jpeg") && bytes.length < 12_000)
  .map(({ bytes }) => Buffer.from(bytes, "base64"));

/** @param {Buffer} bytes */
export async function read(bytes) {
  const header = readImageHeader(bytes);
  /** @type {Error | undefined} */
  let refusal;
  const most = 1 << 16;
  await decodeImage(bytes, { maxPixels: most }).catch((error) => (refusal = error));
  if ("problem" in header || header.width * header.height > most) {
    if (refusal) throw refusal;
    throw new Error("a picture without a header, or a large one, was read");
  }
  const own = decodeFastJpeg(bytes, header);
  const theirs = await openSharp(bytes, header)
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer()
    .catch(() => undefined);
  if (own !== undefined && theirs?.equals(own.data) !== true) throw new Error("not sharp's pixels");
  for (const divisor of /** @type {const} */ ([1, 2, 4, 8])) {
    const width = Math.ceil(header.width / divisor);
    const height = Math.ceil(header.height / divisor);
    const region = {
      ...{ left: Math.floor(width / 3), top: Math.floor(height / 3) },
      ...{ width: Math.ceil(width / 3), height: Math.ceil(height / 3) },
    };
    const part = decodeJpegPart(bytes, header, { divisor, region });
    if (part !== undefined && theirs === undefined) throw new Error("sharp refuses this");
  }
  if (refusal) throw refusal;
}
