import assert from "node:assert/strict";
import { test } from "node:test";
import sharp from "sharp";
import { DataError } from "../../../errors.ts";
import { decodeImage, type RgbImage } from "../decode/decode.ts";
import { createRandom } from "../../../arrays/random.ts";
import { applyTrainingTransform, parseTrainingAugmentation } from "../training-transform.ts";
import { rasterizeSvg } from "./rasterize-svg.ts";

const icon = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="18" viewBox="0 0 24 18"><defs>' +
    '<style>.a{fill:#2a7;stroke:#035;stroke-width:1.5}</style><clipPath id="c"><circle cx="12" cy="9" r="8"/>' +
    '</clipPath><linearGradient id="g"><stop stop-color="red"/><stop offset="1" stop-color="#00f8"/>' +
    '</linearGradient></defs><g clip-path="url(#c)"><path class="a" d="M2 2l20 3-8 12z"/></g>' +
    '<rect x="3" y="10" width="9" height="6" rx="2" fill="url(#g)" stroke="currentColor" stroke-dasharray="2 1"/></svg>',
);

/** librsvg by itself on the file as it is. */
async function drawn(bytes: Uint8Array, density: number): Promise<RgbImage> {
  const { data, info } = await sharp(bytes, { density })
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

test("a drawing is what librsvg makes of the file, on white, with the longer side that was asked for", async () => {
  for (const size of [24, 96, 240]) {
    const expected = await drawn(icon, (72 * size) / 24);
    const { data, width, height } = await decodeImage(icon, { svg: { size } });
    assert.deepEqual([width, height], [size, (size * 3) / 4]);
    assert.deepEqual([width, height], [expected.width, expected.height]);
    assert.ok(Buffer.from(data).equals(expected.data));
  }
});

test("training sees the drawing too", async () => {
  const augmentation = parseTrainingAugmentation({}, "augmentation");
  const transform = { imageSize: 32, augmentation };
  const png = await rasterizeSvg(icon, { size: 64 });
  const [pixels, expected] = [
    await applyTrainingTransform(icon, transform, createRandom([1]), { svg: { size: 64 } }),
    await applyTrainingTransform(png, transform, createRandom([1])),
  ];
  assert.deepEqual(pixels, expected);
  assert.ok(new Set(pixels).size > 10);
});

test("a file that is no plain drawing is named with the reason, and other pictures are as ever", async () => {
  const at = { source: "icons.tar", key: "a" };
  const bad = Buffer.from('<svg viewBox="0 0 1 1"><script/></svg>');
  await assert.rejects(decodeImage(bad, { at, svg: { size: 64 } }), (error) => {
    assert.ok(error instanceof DataError);
    assert.match(
      error.message,
      /Expected a plain drawing for a in icons\.tar but received an SVG file that is no plain drawing: it has an element <script>.*; convert it/,
    );
    assert.deepEqual([error.source, error.key], ["icons.tar", "a"]);
    assert.match(error.reason, /^an SVG file that is no plain drawing: it has an element <script>/);
    return true;
  });
  const png = await rasterizeSvg(icon, { size: 48 });
  assert.deepEqual(await decodeImage(png, { svg: { size: 64 } }), await decodeImage(png));
});

test("sizes that cannot be are refused", async () => {
  for (const size of [0, 1.5, 1025, NaN, "64"]) {
    await assert.rejects(
      decodeImage(icon, { svg: { size: size as number } }),
      /for svg\.size but received/,
    );
  }
  const svg = { size: 64, dpi: 90 };
  await assert.rejects(decodeImage(icon, { svg }), /Expected only size in svg but received dpi/);
});

test("one that takes too long is ended, and those behind it are drawn", async () => {
  const late = rasterizeSvg(icon, { size: 64 }, 0);
  const next = [32, 64].map((size) => decodeImage(icon, { svg: { size } }));
  await assert.rejects(late, /it cannot be drawn \(it takes more than 0 seconds\)/);
  assert.deepEqual(
    (await Promise.all(next)).map(({ width }) => width),
    [32, 64],
  );
});
