import assert from "node:assert/strict";
import { describe, it } from "node:test";
import sharp from "sharp";
import { DataError, SettingError } from "../../errors.ts";
import { applyColorChanges, drawColorChanges, toGreyscale } from "./color-jitter.ts";
import { drawResizedCrop } from "./crop.ts";
import { decodeImage } from "./decode/decode.ts";
import { goldenBytes } from "./golden-pictures.test.helper.ts";
import { resizeImage } from "./resize/resize.ts";
import {
  applyTrainingTransform,
  drawView,
  parseTrainingAugmentation,
  type TrainingAugmentation,
} from "./training-transform.ts";

/** Marsaglia's xorshift32; any uniform source will do. */
function seeded(seed: number): { next: () => number } {
  let state = seed || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return { next };
}

const crop = { scale: [0.3, 1], ratio: [3 / 4, 4 / 3] } as const;
const strong = parseTrainingAugmentation({
  randomResizedCrop: crop,
  flip: 0.5,
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8 },
  greyscale: 0.2,
});

async function photograph(width: number, height: number): Promise<Buffer> {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    data[i] = 128 + 60 * Math.sin(x / 31 + (i % 3)) + 60 * Math.cos(y / 23);
  }
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;
}

describe("parseTrainingAugmentation refuses", () => {
  const refuses = (value: unknown, path: string, pattern: RegExp): void =>
    assert.throws(
      () => parseTrainingAugmentation(value, "data.augment"),
      (error: unknown) => {
        assert.ok(error instanceof SettingError);
        assert.equal(error.path, path);
        assert.match(error.message, pattern);
        return true;
      },
    );
  it("unknown keys at every depth", () => {
    refuses({ flips: 0.5 }, "data.augment.flips", /Did you mean "flip"/);
    const nested = { colorJitter: { hues: 0.1 } };
    refuses(nested, "data.augment.colorJitter.hues", /Did you mean "hue"/);
  });
  it("values out of range", () => {
    refuses({ flip: 1.5 }, "data.augment.flip", /from 0 to 1 .* received 1\.5/);
    refuses({ colorJitter: { hue: 0.6 } }, "data.augment.colorJitter.hue", /from 0 to 0\.5/);
    const scale = "data.augment.randomResizedCrop.scale";
    refuses({ randomResizedCrop: { scale: [0.9, 1.1] } }, scale, /at most 1, in order/);
    refuses({ randomResizedCrop: { scale: [1, 0.5] } }, scale, /received \[1,0\.5\]/);
    refuses({ decodeReduced: 1 }, "data.augment.decodeReduced", /true or false/);
  });
  it("but fills in the crop's own defaults", () => {
    const parsed = parseTrainingAugmentation({ randomResizedCrop: {} });
    assert.deepEqual(parsed.randomResizedCrop, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] });
    assert.deepEqual(parseTrainingAugmentation({}), {});
  });
});

describe("drawResizedCrop", () => {
  it("stays inside, within scale and ratio, and covers the picture", () => {
    const random = seeded(3);
    const covered = { left: false, right: false, top: false, bottom: false };
    let area = 0;
    const draws = 2000;
    for (let i = 0; i < draws; i++) {
      const r = drawResizedCrop({ width: 200, height: 150 }, crop, random.next);
      assert.ok(r.left >= 0 && r.top >= 0 && r.left + r.width <= 200 && r.top + r.height <= 150);
      const ratio = r.width / r.height;
      assert.ok(ratio > 0.73 && ratio < 1.36, String(ratio));
      area += (r.width * r.height) / 30_000 / draws;
      covered.left ||= r.left === 0;
      covered.top ||= r.top === 0;
      covered.right ||= r.left + r.width === 200;
      covered.bottom ||= r.top + r.height === 150;
    }
    assert.deepEqual(covered, { left: true, right: true, top: true, bottom: true });
    // Uniform in [0.3, 1] would give 0.65; large crops are refused more often.
    assert.ok(area > 0.5 && area < 0.66, String(area));
  });
  it("falls back to the central rectangle of the nearest ratio", () => {
    const full = { scale: [1, 1], ratio: [3 / 4, 4 / 3] } as const;
    const { next } = seeded(1);
    const wide = drawResizedCrop({ width: 100, height: 9 }, full, next);
    assert.deepEqual(wide, { left: 44, top: 0, width: 12, height: 9 });
    const tall = drawResizedCrop({ width: 1, height: 50 }, full, next);
    assert.deepEqual(tall, { left: 0, top: 24, width: 1, height: 1 });
  });
});

describe("applyTrainingTransform", () => {
  const imageSize = 24;
  it("names a broken sample", async () => {
    const at = { source: "train.tar", key: "7" };
    const bytes = (await photograph(90, 70)).subarray(0, 700);
    const run = applyTrainingTransform(bytes, { imageSize, augmentation: strong }, seeded(1), {
      at,
    });
    await assert.rejects(run, (error) => error instanceof DataError && error.key === "7");
  });
  it("gives the same view for the same seed and others for other seeds", async () => {
    const bytes = await photograph(90, 70);
    const transform = { imageSize, augmentation: strong };
    const first = await applyTrainingTransform(bytes, transform, seeded(5));
    assert.deepEqual(await applyTrainingTransform(bytes, transform, seeded(5)), first);
    assert.ok(meanDifference(await applyTrainingTransform(bytes, transform, seeded(6)), first) > 1);
  });
  it("is Pillow's resizing of the same crop", async () => {
    const bytes = await photograph(400, 300);
    const image = await decodeImage(bytes);
    const augmentation = parseTrainingAugmentation({ randomResizedCrop: crop });
    const { crop: source } = drawView(image, augmentation, seeded(9));
    const size = { width: imageSize, height: imageSize };
    const exact = resizeImage(image, { ...size, interpolation: "bicubic", source });
    const planes = await applyTrainingTransform(bytes, { imageSize, augmentation }, seeded(9));
    assert.deepEqual(planes, planesOf(exact.data));
  });
  it("shows the same place when it decodes at reduced scale", async () => {
    const bytes = await photograph(400, 320);
    const webp = await sharp(bytes).webp({ quality: 95 }).toBuffer();
    for (const file of [bytes, webp]) {
      for (let seed = 1; seed < 9; seed++) {
        const augmentation = parseTrainingAugmentation({ randomResizedCrop: crop });
        const reduced = { ...augmentation, decodeReduced: true };
        const draw = (given: TrainingAugmentation, by: number): Promise<Uint8Array> =>
          applyTrainingTransform(file, { imageSize, augmentation: given }, seeded(by));
        const exact = await draw(augmentation, seed);
        const near = await draw(reduced, seed);
        assert.ok(meanDifference(near, exact) < 12, String(meanDifference(near, exact)));
        assert.ok(near.some((level, i) => level !== exact[i]));
        assert.ok(meanDifference(await draw(reduced, seed + 20), exact) > 40);
      }
    }
  });
  it("follows Pillow exactly for transparent, palette, CMYK and 16-bit pictures", async () => {
    const names = ["png-rgba-61x29", "png-palette-45x38", "jpeg-cmyk-40x90", "png-16-rgb-45x38"];
    for (const name of [...names, "gif-64x31", "webp-alpha-90x45"]) {
      const bytes = goldenBytes(name);
      const image = await decodeImage(bytes);
      const augmentation = parseTrainingAugmentation({ randomResizedCrop: crop });
      const { crop: source } = drawView(image, augmentation, seeded(4));
      const planes = await applyTrainingTransform(bytes, { imageSize, augmentation }, seeded(4));
      const size = { width: imageSize, height: imageSize };
      const exact = resizeImage(image, { ...size, interpolation: "bicubic", source });
      assert.deepEqual(planes, planesOf(exact.data), name);
    }
  });
  it("draws the view on the upright picture when orientation is applied", async () => {
    const bytes = goldenBytes("jpeg-exif-6");
    const options = { orientation: "apply" } as const;
    const image = await decodeImage(bytes, options);
    const planes = await applyTrainingTransform(
      bytes,
      { imageSize, augmentation: {} },
      seeded(1),
      options,
    );
    const { crop: source } = drawView(image, {}, seeded(1));
    const size = { width: imageSize, height: imageSize };
    assert.deepEqual(
      planes,
      planesOf(resizeImage(image, { ...size, interpolation: "bicubic", source }).data),
    );
  });
  it("mirrors with flip 1, and works on 1-pixel sides", async () => {
    const bytes = await photograph(60, 60);
    const plain = await applyTrainingTransform(bytes, { imageSize, augmentation: {} }, seeded(1));
    const flipped = await applyTrainingTransform(
      bytes,
      { imageSize, augmentation: { flip: 1 } },
      seeded(1),
    );
    for (let i = 0; i < plain.length; i++) {
      const x = i % imageSize;
      assert.equal(flipped[i], plain[i - x + (imageSize - 1 - x)]);
    }
    for (const name of ["jpeg-4:2:2-1x9", "jpeg-4:2:0-9x1", "png-grey-1x1", "webp-lossy-1x21"]) {
      const transform = { imageSize: 5, augmentation: { ...strong, decodeReduced: true } };
      assert.equal(
        (await applyTrainingTransform(goldenBytes(name), transform, seeded(2))).length,
        75,
      );
    }
  });
});

describe("colour changes", () => {
  const colors = Uint8Array.of(200, 100, 50, 10, 10, 10, 0, 255, 0);
  const changed = (property: "brightness" | "contrast" | "saturation" | "hue", amount: number) => {
    const data = Uint8Array.from(colors);
    applyColorChanges(data, [{ property, amount }]);
    return [...data];
  };
  it("are neutral at their neutral amount", () => {
    for (const property of ["brightness", "contrast", "saturation"] as const) {
      assert.deepEqual(changed(property, 1), [...colors]);
    }
    assert.deepEqual(changed("hue", 0), [...colors]);
    assert.deepEqual(changed("hue", 1), [...colors]);
  });
  it("do what PIL's enhancers do", () => {
    // Values from PIL.ImageEnhance.Brightness(1.5), Contrast(0.5), Color(0) on these three pixels.
    assert.deepEqual(changed("brightness", 1.5), [255, 150, 75, 15, 15, 15, 0, 255, 0]);
    assert.deepEqual(changed("contrast", 0.5), [147, 97, 72, 52, 52, 52, 47, 175, 47]);
    assert.deepEqual(changed("saturation", 0), [124, 124, 124, 10, 10, 10, 150, 150, 150]);
  });
  it("turn hue by thirds of the circle from channel to channel", () => {
    assert.deepEqual(changed("hue", 1 / 3), [50, 200, 100, 10, 10, 10, 0, 0, 255]);
    assert.deepEqual(changed("hue", -1 / 3), [100, 50, 200, 10, 10, 10, 255, 0, 0]);
  });
  it("drop colour by luma", () => {
    const data = Uint8Array.from(colors);
    toGreyscale(data);
    assert.deepEqual([...data], [124, 124, 124, 10, 10, 10, 150, 150, 150]);
  });
  it("are drawn in any order, within their strength, with their probability", () => {
    const random = seeded(8);
    let none = 0;
    const orders = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      const changes = drawColorChanges(
        { brightness: 0.2, contrast: 3, hue: 0.1, probability: 0.7 },
        random.next,
      );
      if (changes.length === 0) none++;
      else orders.add(changes.map((change) => change.property).join());
      for (const { property, amount } of changes) {
        const [low, high] = { brightness: [0.8, 1.2], contrast: [0, 4], hue: [-0.1, 0.1] }[
          property as "hue"
        ] as [number, number];
        assert.ok(amount >= low && amount <= high);
      }
    }
    assert.ok(none > 250 && none < 350, String(none));
    assert.equal(orders.size, 6);
  });
});

function planesOf(data: Uint8Array): Uint8Array {
  const plane = data.length / 3;
  return Uint8Array.from(data, (_, i) => data[(i % plane) * 3 + Math.floor(i / plane)] as number);
}
