import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { decodeImage, type RgbImage } from "../../data/image/decode/decode.ts";
import {
  evaluationPreset,
  type EvaluationTransform,
  normalizePixels,
  parseEvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { goldenPictures } from "../../data/image/golden-pictures.test.helper.ts";
import {
  type NaflexTransform,
  normalizePatches,
  toNaflexPatches,
} from "../../data/image/naflex-transform.ts";
import { resizeForEvaluation } from "../../data/image/evaluation-transform.ts";
import { assertClose } from "../../../test/support/close.ts";
import type { JsonObject } from "../../files/json-fields.ts";
import { fromHuggingFaceNaflex, toHuggingFaceNaflex } from "./hugging-face-naflex.ts";
import {
  fromHuggingFacePreprocessor,
  toHuggingFacePreprocessor,
} from "./hugging-face-preprocessor.ts";
import { fromOpenClipPreprocess, toOpenClipPreprocess } from "./open-clip-preprocess.ts";
import { isProcessor, processorClass } from "./processor-classes.ts";
import { processorValues } from "./processor-file.ts";
import { fromTimmPretrainedConfig } from "./timm-pretrained-config.ts";

/** The first 64 bits of SHA-256, by picture. */
type Hashes = Record<string, string>;

interface ProcessorCase {
  name: string;
  kind: "huggingFace" | "naflex" | "openClip" | "timm";
  json: JsonObject;
  pillow: Hashes;
  torchvision?: Hashes;
  grids?: Record<string, [height: number, width: number]>;
  /** Pictures that the reference fails on. */
  refused?: string[];
  /** The output for one picture, normalised, channels first. */
  shown: number[];
}
interface TensorFlowCase {
  name: string;
  transform: EvaluationTransform;
  names: string[];
  /** base64 of [N, S, S, 3] */
  pixels: string;
}

function golden<Case>(name: string): Case[] {
  const file = new URL(`../../../../test/goldens/${name}.json.gz`, import.meta.url);
  return (JSON.parse(gunzipSync(readFileSync(file)).toString()) as { cases: Case[] }).cases;
}

const processors = golden<ProcessorCase>("processors");
const pictures = goldenPictures();
const shown = "png-rgb-5x3";
const file = "model/config.json";
const sha = (data: Uint8Array): string =>
  createHash("sha256").update(data).digest("hex").slice(0, 16);

const decoded = new Map<string, Promise<RgbImage>>();
function decode(name: string, transparency: "drop" | "white" = "drop"): Promise<RgbImage> {
  const key = `${name} ${transparency}`;
  const bytes = Buffer.from(pictures.find((found) => found.name === name)?.bytes ?? "", "base64");
  const image = decoded.get(key) ?? decodeImage(bytes, { transparency });
  decoded.set(key, image);
  return image;
}

async function expectHashes(hashes: Hashes, transform: EvaluationTransform): Promise<void> {
  assert.ok(Object.keys(hashes).length >= 100);
  for (const [name, expected] of Object.entries(hashes)) {
    const image = await decode(name, transform.transparency);
    assert.equal(sha(resizeForEvaluation(image, transform).data), expected, name);
  }
}

function planes({ data }: RgbImage): Uint8Array {
  const plane = data.length / 3;
  return Uint8Array.from(data, (_, i) => data[(i % plane) * 3 + Math.trunc(i / plane)] as number);
}

/** float32 of values up to 4, one rounding of theirs and three of ours, written with 8 digits. */
const tolerance = { rtol: 0, atol: 2e-6 };

describe("image processors equal their references", () => {
  const read = { huggingFace: fromHuggingFacePreprocessor, timm: fromTimmPretrainedConfig };
  for (const { name, kind, json, pillow, torchvision, shown: values } of processors) {
    if (kind === "naflex") continue;
    const transform =
      kind === "openClip" ? fromOpenClipPreprocess(file, json) : read[kind](file, json);
    it(`${kind} ${name} in every sample of ${Object.keys(pillow).length} pictures`, async () => {
      await expectHashes(pillow, { ...transform, resampler: "pillow" });
    });
    it(`${kind} ${name} in the normalised numbers`, async () => {
      const pixels = resizeForEvaluation(await decode(shown), {
        ...transform,
        resampler: "pillow",
      });
      const plane = transform.imageSize ** 2;
      assertClose(normalizePixels(planes(pixels), plane, transform), values, tolerance);
    });
    if (torchvision === undefined) continue;
    it(`${kind} ${name} by torchvision`, async () => {
      await expectHashes(torchvision, { ...transform, resampler: "torchvision" });
    });
  }

  it("a side that the reference would round to nothing is one pixel", async () => {
    const refusing = processors.filter(({ refused = [] }) => refused.length > 0);
    assert.ok(refusing.length > 0);
    for (const { json, refused = [] } of refusing) {
      const transform = fromOpenClipPreprocess(file, json);
      for (const name of refused) {
        const { data } = resizeForEvaluation(await decode(name), transform);
        assert.equal(data.length, 3 * transform.imageSize ** 2);
        assert.ok(data.some((level) => level > 0));
      }
    }
  });
});

describe("NaFlex pictures equal Siglip2ImageProcessor's", () => {
  for (const {
    name,
    kind,
    json,
    pillow,
    torchvision = {},
    grids = {},
    shown: values,
  } of processors) {
    if (kind !== "naflex") continue;
    const transform = fromHuggingFaceNaflex(file, json);
    const patchesOf = async (key: string, resampler: NaflexTransform["resampler"] = "pillow") =>
      toNaflexPatches(await decode(key), { ...transform, resampler });
    it(`${name}: grids and patches`, async () => {
      assert.ok(Object.keys(pillow).length >= 100);
      for (const [key, expected] of Object.entries(pillow)) {
        const { patches, height, width, count } = await patchesOf(key);
        const used = count * transform.patchSize ** 2 * 3;
        assert.deepEqual([height, width], grids[key], key);
        assert.equal(sha(patches.subarray(0, used)), expected, key);
        assert.ok(patches.subarray(used).every((level) => level === 0));
        const near = await patchesOf(key, "torchvision");
        assert.equal(sha(near.patches.subarray(0, used)), torchvision[key], key);
      }
    });
    it(`${name}: normalised numbers, padding 0`, async () => {
      assertClose(normalizePatches(await patchesOf(shown), transform), values, tolerance);
    });
  }
});

describe("TensorFlow's resizing", () => {
  for (const { name, transform, names, pixels } of golden<TensorFlowCase>(
    "processors-tensorflow",
  )) {
    it(`${name} is within one level`, async () => {
      assert.ok(names.length >= 100);
      const expected = Buffer.from(pixels, "base64");
      let [at, off] = [0, 0];
      for (const key of names) {
        const { data } = resizeForEvaluation(
          await decode(key),
          parseEvaluationTransform(transform),
        );
        for (const level of data) {
          const difference = Math.abs(level - (expected[at++] as number));
          assert.ok(difference <= 1, `${key}: ${difference} levels`);
          off += difference;
        }
      }
      assert.equal(at, expected.length);
      // Truncation turns the last bit of a float into a level: rarely, or the rule is another.
      assert.ok(off / at < 0.001, `${off} of ${at} samples differ`);
    });
  }
});

describe("written files", () => {
  const path = new URL("../../../../test/goldens/processors-written.json", import.meta.url);
  // The generator has read these back through transformers and open_clip.
  const written = JSON.parse(readFileSync(path, "utf8")) as Record<string, JsonObject>;
  const cases = processors.filter(({ kind }) => kind !== "timm");

  for (const { name, kind, json } of cases) {
    it(`${kind} ${name} keeps its processor and is read back as the same preprocessing`, () => {
      if (kind === "naflex") {
        const transform = fromHuggingFaceNaflex(file, json);
        assert.deepEqual(JSON.parse(toHuggingFaceNaflex(transform)), written[name]);
        assert.deepEqual(fromHuggingFaceNaflex(file, written[name] ?? {}), transform);
      } else if (kind === "openClip") {
        const transform = fromOpenClipPreprocess(file, json);
        assert.deepEqual(toOpenClipPreprocess(file, transform), written[name]);
        assert.deepEqual(fromOpenClipPreprocess(file, written[name] ?? {}), transform);
      } else {
        const transform = fromHuggingFacePreprocessor(file, json);
        const { image_processor_type: type, feature_extractor_type: older } =
          processorValues(json).values;
        const processor = processorClass(String(type ?? older));
        assert.ok(isProcessor(processor));
        const text = toHuggingFacePreprocessor(transform, { processor });
        assert.deepEqual(JSON.parse(text), written[name]);
        assert.deepEqual(fromHuggingFacePreprocessor(file, written[name] ?? {}), transform);
      }
    });
  }
  it("limn's own CLIP preprocessing says what transformers has no word for", () => {
    const transform = evaluationPreset("clip", 16);
    assert.deepEqual(JSON.parse(toHuggingFacePreprocessor(transform)), written["limn-clip"]);
    assert.deepEqual(fromHuggingFacePreprocessor(file, written["limn-clip"] ?? {}), transform);
    assert.equal(Object.keys(written).length, cases.length + 1);
  });
});
