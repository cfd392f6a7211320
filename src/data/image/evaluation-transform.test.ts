import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { SettingError, ShapeError } from "../../errors.ts";
import {
  applyEvaluationTransform,
  evaluationPreset,
  type EvaluationPreset,
  type EvaluationTransform,
  normalizePixels,
  parseEvaluationTransform,
} from "./evaluation-transform.ts";
import { goldenBytes, goldenPictures } from "./golden-pictures.test.helper.ts";

const clip = evaluationPreset("clip", 32);

describe("parseEvaluationTransform refuses", () => {
  const refuses = (change: object, path: string, pattern: RegExp): void =>
    assert.throws(
      () => parseEvaluationTransform({ ...clip, ...change }, "preprocessing"),
      (error: unknown) => {
        assert.ok(error instanceof SettingError);
        assert.equal(error.path, path);
        assert.match(error.message, pattern);
        return true;
      },
    );

  it("an unknown key, with the nearest one", () =>
    refuses({ imagesize: 5 }, "preprocessing.imagesize", /Did you mean "imageSize"\?/));
  it("a missing key", () =>
    refuses({ std: undefined }, "preprocessing.std", /preprocessing\.std to be set/));
  it("bad values", () => {
    refuses(
      { imageSize: 2.5 },
      "preprocessing.imageSize",
      /positive whole number .* received 2\.5/,
    );
    refuses({ interpolation: "cubic" }, "preprocessing.interpolation", /mean "bicubic"/);
    refuses(
      { resizeMode: "fit" },
      "preprocessing.resizeMode",
      /"shortest", "squash" or "longest" .* "fit"/,
    );
    refuses({ resizeSize: 0 }, "preprocessing.resizeSize", /positive whole number/);
    refuses({ resampler: "pil" }, "preprocessing.resampler", /"pillow", "torchvision" or/);
    refuses({ cropRounding: "up" }, "preprocessing.cropRounding", /"halfEven" or "down"/);
    refuses({ fill: [0, 0, 256] }, "preprocessing.fill", /three whole numbers from 0 to 255/);
    refuses({ transparency: "black" }, "preprocessing.transparency", /"drop" or "white"/);
    refuses({ mean: [0.5, 0.5] }, "preprocessing.mean", /three finite numbers/);
    refuses({ std: [0.5, 0, 0.5] }, "preprocessing.std", /three finite numbers above 0/);
  });
  it("a result that is not square", () =>
    refuses({ crop: "none" }, "preprocessing.crop", /set resizeMode to "squash"/));
  it("fields that contradict each other", () => {
    const squash = { resizeMode: "squash", crop: "none" };
    refuses({ resizeMode: "longest", crop: "none" }, "preprocessing.crop", /resizeMode "longest"/);
    refuses({ resizeSize: 31 }, "preprocessing.resizeSize", /at least imageSize, 32, .* 31/);
    refuses({ ...squash, resizeSize: 40 }, "preprocessing.resizeSize", /imageSize, 32, with crop/);
    refuses(
      { resampler: "tensorflow", interpolation: "lanczos" },
      "preprocessing.interpolation",
      /"bicubic" or "bilinear" with resampler "tensorflow"/,
    );
    refuses(
      { resampler: "tensorflow", resizeMode: "longest" },
      "preprocessing.resampler",
      /"pillow" or "torchvision" with resizeMode "longest"/,
    );
    refuses({ fill: [1, 1, 1] }, "preprocessing.fill", /nothing with resizeMode "shortest"/);
    refuses({ ...squash, cropRounding: "down" }, "preprocessing.cropRounding", /"halfEven" with/);
  });
  it("what is not an object, and unknown presets", () => {
    assert.throws(
      () => parseEvaluationTransform(null),
      /Expected an object for evaluationTransform/,
    );
    assert.throws(() => evaluationPreset("clipp" as "clip", 32), /Did you mean "clip"/);
  });
});

describe("applyEvaluationTransform", () => {
  it("refuses a slot of another length before it decodes", async () => {
    const out = new Uint8Array(10);
    await assert.rejects(applyEvaluationTransform(new Uint8Array(0), clip, { out }), (error) => {
      assert.ok(error instanceof ShapeError);
      assert.match(error.message, /\[3, 32, 32\] \(3072 bytes\) but received 10 bytes/);
      return true;
    });
  });
  it("equals Pillow and torchvision in every sample of every golden picture", async () => {
    for (const { name, bytes, transformed } of goldenPictures()) {
      for (const [key, expected] of Object.entries(transformed)) {
        const [interpolation, resizeMode, size] = key.split("-");
        const crop = resizeMode === "squash" ? "none" : "center";
        const fields = { imageSize: Number(size), interpolation, resizeMode, crop };
        const transform = parseEvaluationTransform({ ...clip, ...fields });
        const planes = await applyEvaluationTransform(Buffer.from(bytes, "base64"), transform);
        const hash = createHash("sha256").update(interleaved(planes)).digest("hex");
        assert.equal(hash, expected, `${name} ${key}`);
      }
    }
  });
  it("writes into a part of shared memory and nowhere else", async () => {
    const bytes = goldenBytes("jpeg-4:2:2-75x100");
    const shared = new Uint8Array(new SharedArrayBuffer(3072 * 3)).fill(1);
    const out = shared.subarray(3072, 6144);
    assert.equal(await applyEvaluationTransform(bytes, clip, { out }), out);
    assert.deepEqual(Uint8Array.from(out), await applyEvaluationTransform(bytes, clip));
    const outside = [...shared.subarray(0, 3072), ...shared.subarray(6144)];
    assert.ok(outside.every((v) => v === 1));
  });
  it("survives JSON and does not share arrays with the preset", () => {
    const copy = JSON.parse(JSON.stringify(clip)) as EvaluationTransform;
    assert.deepEqual(parseEvaluationTransform(copy), clip);
    evaluationPreset("clip", 32).mean[0] = 9;
    assert.equal(evaluationPreset("clip", 32).mean[0], 0.48145466);
  });
});

describe("evaluationPreset", () => {
  it("has every published family's resizing", () => {
    const named = (name: EvaluationPreset, size: number): string => {
      const { imageSize, resizeSize, resizeMode, interpolation, resampler, crop, mean } =
        evaluationPreset(name, size);
      const parts = [resizeMode, resizeSize ?? imageSize, interpolation, resampler ?? "pillow"];
      return [...parts, crop, mean[0]].join(" ");
    };
    assert.equal(named("clip", 224), "shortest 224 bicubic pillow center 0.48145466");
    assert.equal(named("siglip", 224), "squash 224 bicubic pillow none 0.5");
    assert.equal(named("siglip2", 256), "squash 256 bilinear pillow none 0.5");
    assert.equal(named("align", 289), "squash 346 bilinear pillow center 0.5");
    assert.equal(named("lit", 224), "squash 224 bilinear tensorflow none 0.5");
    assert.equal(named("big-vision", 224), "squash 224 bilinear tensorflow none 0.5");
    assert.equal(named("clipa", 336), "squash 336 bilinear pillow none 0.485");
    assert.equal(named("imagenet", 224), "shortest 256 bicubic pillow center 0.485");
  });
});

describe("normalizePixels", () => {
  it("refuses a part of an image", () => {
    assert.throws(() => normalizePixels(new Uint8Array(10), 4, clip), ShapeError);
  });
  it("is (x / 255 - mean) / std per channel of every image", () => {
    const pixels = Uint8Array.from({ length: 2 * 3 * 4 }, (_, i) => (i * 37) % 256);
    const expected = [...pixels].map((x, i) => {
      const channel = Math.floor(i / 4) % 3;
      return (x / 255 - (clip.mean[channel] as number)) / (clip.std[channel] as number);
    });
    // Three float32 roundings of values up to 3.
    assertClose(normalizePixels(pixels, 4, clip), expected, { rtol: 0, atol: 1e-6 });
  });
});

function interleaved(planes: Uint8Array): Uint8Array {
  const plane = planes.length / 3;
  return Uint8Array.from(planes, (_, i) => planes[(i % 3) * plane + Math.floor(i / 3)] as number);
}
