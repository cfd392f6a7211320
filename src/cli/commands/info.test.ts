import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { evaluationPreset } from "../../data/image/evaluation-transform.ts";
import { saveCheckpoint } from "../../checkpoints/checkpoint.ts";
import { DualEncoder, type DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { saveTower } from "../../checkpoints/tower-folder.ts";
import { tinyImageTowers } from "../../../test/support/tiny-towers.ts";
import info from "./info.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-info-"));
const layers = { width: 8, depth: 1, heads: 2, mlpWidth: 16, normEpsilon: 1e-5 };
const { stages } = tinyImageTowers.efficientNet;
const config: DualEncoderConfig = {
  embedDim: 4,
  image: {
    ...tinyImageTowers.efficientNet,
    stages,
    squeezeRatio: 0.25,
    padding: "same",
    normEpsilon: 1e-3,
    normMomentum: 0.01,
  },
  text: {
    kind: "bert",
    ...layers,
    ...{ contextLength: 6, vocabSize: 20, activation: "gelu", padTokenId: 0 },
  },
  logitScaleLogInit: 0,
  logitScaleAs: "temperature",
};
let learned: Record<"image" | "text", number>;

before(async () => {
  const model = new DualEncoder(config);
  const { imageTower: tower, textTower } = model;
  const numbers = (of: typeof tower | typeof textTower): number =>
    [...of.parameters()].reduce((total, { tensor }) => total + tensor.count, 0);
  learned = { image: numbers(tower), text: numbers(textTower) };
  const evaluationTransform = evaluationPreset("clip", 32);
  const weights = model.namedState();
  await saveCheckpoint(join(folder, "pair"), { config, weights, evaluationTransform });
  await saveTower(join(folder, "tower"), { side: "image", tower, evaluationTransform });
  model.dispose();
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("limn info measures pairs only, and takes what to measure with for that alone", async () => {
  const run = (name: string, options: object): Promise<unknown> =>
    Promise.resolve(
      info.run({ options, operands: [join(folder, name)], print: () => {}, json: false } as never),
    );
  await assert.rejects(run("tower", { measure: true }), {
    name: "UsageError",
    message: /^Expected a pair for --measure but .*tower holds a tower alone\.$/,
  });
  await assert.rejects(run("pair", { pictures: "photos" }), {
    name: "UsageError",
    message: "Expected --measure with --pictures but received none; add it.",
  });
});

async function shown(name: string): Promise<Map<string, string>> {
  let text = "";
  const print = (words: string): void => void (text = words);
  await info.run({ options: {}, operands: [join(folder, name)], print, json: false } as never);
  return new Map(
    text.split("\n").map((line) => {
      const [, key = "", value = ""] = /^(\S+) +(.*)$/.exec(line) ?? [];
      return [key, value];
    }),
  );
}

test("a pair of any towers is shown by their kinds, in words and numbers", async () => {
  const lines = await shown("pair");
  assert.equal(lines.get("family"), "dual encoder");
  assert.equal(lines.get("architecture"), "efficientNet with bert");
  assert.equal(lines.get("config.image.stages.1.width"), "12");
  assert.equal(lines.get("config.logitScaleAs"), "temperature");
  // running statistics are not learned
  assert.equal(lines.get("parameters.imageTower"), learned.image.toLocaleString("en-US"));
  assert.equal(lines.get("parameters.textTower"), learned.text.toLocaleString("en-US"));
  const total = learned.image + learned.text + 1;
  assert.equal(lines.get("parameters.total"), total.toLocaleString("en-US"));
  assert.ok(![...lines.values()].some((value) => value.includes("[object")));
});

test("a tower alone is shown as one", async () => {
  const lines = await shown("tower");
  assert.equal(lines.get("holds"), "image tower");
  assert.equal(lines.get("architecture"), "efficientNet");
  assert.equal(lines.get("parameters.imageTower"), learned.image.toLocaleString("en-US"));
  assert.equal(lines.get("evaluationTransform.imageSize"), "32");
  assert.equal(lines.get("tokenizer"), "none");
});
