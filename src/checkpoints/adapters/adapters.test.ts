import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { adaptations, lowRankNames, mergedState } from "../../nn/low-rank.ts";
import { assertClose } from "../../../test/support/close.ts";
import { configAt, pairAt } from "../../../test/support/model-at.ts";
import { tensorsOf } from "../../../test/support/tiny-towers.ts";
import { fromData, randomState, scope, type Tensor } from "../../torch/index.ts";
import { adaptTower } from "../../towers/adapt-tower.ts";
import { evaluating } from "../../nn/module.ts";
import { DualEncoder, type DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { loadAdapter } from "./load-adapter.ts";
import { saveAdapter } from "./save-adapter.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";

const goldens = fileURLToPath(new URL("../../../../test/goldens/", import.meta.url));
const base = join(goldens, "clip-tiny");
const theirs = join(goldens, "clip-tiny-adapter");
const root = mkdtempSync(join(tmpdir(), "limn-adapter-"));
after(() => rmSync(root, { recursive: true }));

const read = (file: string): Record<string, never> =>
  JSON.parse(readFileSync(file, "utf8")) as Record<string, never>;
const inputs = read(join(base, "expected.json")) as unknown as {
  pixels: string;
  tokens: number[][];
};
const expected = read(join(theirs, "expected.json")) as unknown as Record<
  "imageEmbeddings" | "textEmbeddings",
  string
>;
const unpack = (text: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);

function clip(): DualEncoder {
  return pairAt(base);
}

function embeddings(model: DualEncoder): Float32Array[] {
  return scope(() =>
    evaluating(model, "float32", () => {
      const pixels = unpack(inputs.pixels);
      const ids = Int32Array.from(inputs.tokens.flat());
      return [
        model.encodeImages(fromData(pixels, [pixels.length / (3 * 32 * 32), 3, 32, 32])),
        model.encodeTexts(fromData(ids, [4, ids.length / 4])),
      ].map((tensor) => tensor.toFloat32Array());
    }),
  );
}

const weights = (state: Iterable<readonly [string, Tensor]>): Map<string, Float32Array> =>
  new Map([...state].map(([name, tensor]) => [name, tensor.toFloat32Array()]));

/** A copy of peft's folder with another configuration or other weights. */
function changed(
  name: string,
  config: Record<string, unknown>,
  change: (weights: Map<string, Tensor>) => void = () => undefined,
): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const json = { ...read(join(theirs, "adapter_config.json")), ...config };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(json));
  const file = readSafetensors(join(theirs, "adapter_model.safetensors"));
  scope(() => {
    const found = new Map(file.names.map((key) => [key, file.tensor(key)]));
    change(found);
    writeSafetensors(join(folder, "adapter_model.safetensors"), found);
  });
  file.close();
  return folder;
}

const layer = "base_model.model.vision_model.encoder.layers.0";
const refused: [string, string, RegExp][] = [
  [
    "another kind",
    changed("kind", { peft_type: "IA3" }),
    /"LORA" for peft_type in .* received "IA3"/,
  ],
  ["DoRA", changed("dora", { use_dora: true }), /no value, as limn knows none, for use_dora/],
  ["a field of tomorrow", changed("new", { use_more: 1 }), /for use_more in .* but received 1/],
  [
    "a changed base",
    changed("pissa", { init_lora_weights: "pissa" }),
    /leaves the base model as it is/,
  ],
  [
    "another rank",
    changed("rank", { r: 5 }),
    /Expected rank 5, as adapter_config\.json says, for /,
  ],
  [
    "a missing half, an unknown projection, a wrong shape, a matrix of no projection",
    changed("weights", {}, (found) => {
      const zeros = fromData(new Float32Array(4), [2, 2]);
      found.delete(`${layer}.self_attn.q_proj.lora_B.weight`);
      found.set(`${layer}.self_attn.v_proj.lora_B.weight`, zeros);
      found.set(`${layer}.self_attn.w_proj.lora_A.weight`, zeros);
      found.set(`base_model.model.logit_scale`, zeros);
      found.set(`base_model.model.vision_model.embeddings.position_embedding.lora_A.weight`, zeros);
    }),
    /position_embedding\.lora_A\.weight, which cannot be changed[^]*q_proj\.lora_A\.weight without its lora_B[^]*v_proj\.lora_A\.weight and lora_B are \[2, 32\] and \[2, 2\], not \[r, 32\] and \[32, r\][^]*w_proj\.lora_A\.weight, which the model does not have\. Did you mean/,
  ],
];

describe("an adapter that does not fit is refused, and changes nothing", () => {
  for (const [name, folder, message] of refused) {
    test(name, () => {
      const model = clip();
      const before = weights(model.namedState());
      assert.throws(() => loadAdapter(folder, model, { merge: true }), {
        name: "CheckpointError",
        message,
      });
      assert.deepEqual(weights(model.namedState()), before);
      model.dispose();
    });
  }
  test("twice, or of a folder that holds none", () => {
    const model = clip();
    loadAdapter(theirs, model, { merge: false });
    assert.throws(() => loadAdapter(theirs, model, { merge: false }), /which is changed already/);
    assert.throws(() => loadAdapter(base, model, { merge: true }), { name: "CheckpointError" });
    model.dispose();
  });
  test("a model without changes has nothing to save apart", async () => {
    const model = clip();
    await assert.rejects(
      saveAdapter(join(root, "none"), model),
      /received one without; save the model/,
    );
    assert.equal(existsSync(join(root, "none")), false);
    model.dispose();
  });
});

describe("peft's adapter", () => {
  for (const merge of [false, true]) {
    test(`gives peft's embeddings, ${merge ? "merged" : "apart"}, and draws no random numbers`, () => {
      const model = clip();
      const state = randomState().toFloat64Array();
      loadAdapter(theirs, model, { merge });
      assert.deepEqual(randomState().toFloat64Array(), state);
      assert.equal(adaptations(model).length, merge ? 0 : 20);
      const [image, text] = embeddings(model);
      assertClose(image!, unpack(expected.imageEmbeddings), { rtol: 1e-5, atol: 1e-6 }, "image");
      assertClose(text!, unpack(expected.textEmbeddings), { rtol: 1e-5, atol: 1e-6 }, "text");
      model.dispose();
    });
  }
  test("is written as peft wrote it: every name and bit, ranks, alphas and whole modules", async () => {
    const model = clip();
    loadAdapter(theirs, model, { merge: false });
    const folder = join(root, "again");
    const whole = ["projection.weight", "normAfter.weight", "normAfter.bias"].map(
      (name) => `imageTower.${name}`,
    );
    await saveAdapter(folder, model, { base: "clip-tiny", whole });
    const file = "adapter_model.safetensors";
    assert.deepEqual(tensorsOf(join(folder, file)), tensorsOf(join(theirs, file)));
    const config = read(join(folder, "adapter_config.json")) as Record<string, unknown>;
    assert.deepEqual(config["modules_to_save"], [
      "vision_model.post_layernorm",
      "visual_projection",
    ]);
    assert.equal(config["base_model_name_or_path"], "clip-tiny");
    const again = clip();
    loadAdapter(folder, again, { merge: false });
    assert.deepEqual(embeddings(again), embeddings(model));
    model.dispose();
    again.dispose();
  });
});

test("an adapter of a pair in limn's own layout comes back, bit for bit", async () => {
  const { embedDim, image, text } = configAt(base);
  const pooled = { ...image, pooling: "map", classToken: false } as typeof image;
  const config: DualEncoderConfig = {
    embedDim,
    image: pooled,
    text,
    logitScaleLogInit: 1,
    logitBiasInit: -2,
  };
  const model = new DualEncoder(config);
  const state = weights(model.namedState());
  adaptTower(model.imageTower, {
    rank: 2,
    alpha: 3,
    targets: ["key", "down"],
    blocks: { last: 1 },
  });
  for (const { change } of adaptations(model))
    scope(() => change.b.assign(change.b.tensor.detach().fill_(0.3)));
  const folder = join(root, "own");
  await saveAdapter(folder, model, { whole: ["logitBias"] });
  const names = [...tensorsOf(join(folder, "adapter_model.safetensors")).keys()];
  assert.ok(
    names.includes("base_model.model.imageTower.blocks.1.attention.input.key.lora_A.weight"),
  );
  assert.ok(names.includes("base_model.model.logitBias"));
  const other = new DualEncoder(config);
  for (const [name, parameter] of other.namedParameters()) {
    parameter.assign(fromData(state.get(name)!, parameter.tensor.shape));
  }
  loadAdapter(folder, other, { merge: true });
  scope(() => assert.deepEqual(weights(other.namedState()), weights(mergedState(model))));
  assert.equal(lowRankNames(other).size, 0);
  model.dispose();
  other.dispose();
});
