import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { SettingError } from "../../errors.ts";
import { fromOpenClipPreprocess } from "./open-clip-preprocess.ts";
import {
  applyEvaluationTransform,
  convertedFirst,
  evaluationPreset,
  parseEvaluationTransform,
} from "../../data/image/evaluation-transform.ts";

interface UnconvertedPicture {
  name: string;
  mode: string;
  bytes: string;
  last: Record<string, string>;
  first: Record<string, string>;
}

const file = new URL("../../../../test/goldens/unconverted-pictures.json.gz", import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(fileURLToPath(file))).toString()) as {
  settings: Record<string, Record<string, unknown>>;
  pictures: UnconvertedPicture[];
};

const sha = (pixels: Uint8Array): string =>
  createHash("sha256").update(pixels).digest("hex").slice(0, 16);

describe("open_clip's preprocess", () => {
  for (const [key, settings] of Object.entries(golden.settings)) {
    const transform = fromOpenClipPreprocess("open_clip_config.json", settings);
    for (const { name, mode, bytes, last, first } of golden.pictures) {
      it(`has the same pixels, converted last and first: ${key}, ${mode} ${name}`, async () => {
        assert.equal(transform.colorConversion, "afterResize");
        const encoded = Buffer.from(bytes, "base64");
        const found = await applyEvaluationTransform(encoded, transform);
        assert.equal(sha(found), last[key]);
        const before = await applyEvaluationTransform(encoded, convertedFirst(transform));
        assert.equal(sha(before), first[key]);
      });
    }
  }
});

describe("colorConversion", () => {
  it("is refused where the picture is no longer Pillow's, or not known", () => {
    const clip = evaluationPreset("clip", 32);
    const refused: [object, RegExp][] = [
      [{ colorConversion: "afterResize", resampler: "torchvision" }, /"beforeResize" with another/],
      [{ colorConversion: "afterResize", transparency: "white" }, /or on white/],
      [{ colorConversion: "never" }, /"beforeResize" or "afterResize"|beforeResize, afterResize/],
    ];
    for (const [changes, message] of refused) {
      assert.throws(
        () => parseEvaluationTransform({ ...clip, ...changes }),
        (error) => error instanceof SettingError && (assert.match(error.message, message), true),
      );
    }
  });
});
