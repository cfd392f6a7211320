import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../errors.ts";
import { configAt, loadWeightsAt, pairAt, transformAt } from "../../test/support/model-at.ts";
import { assertClose } from "../../test/support/close.ts";
import { fromData, memory, scope, zeros, type Tensor } from "../torch/index.ts";
import { saveCheckpoint, type CheckpointContents } from "./checkpoint.ts";
import { evaluating } from "../nn/module.ts";
import { DualEncoder } from "../pair/dual-encoder.ts";
import { readSafetensors, writeSafetensors } from "./weights/safetensors.ts";

const golden = fileURLToPath(new URL("../../../test/goldens/clip-tiny", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-checkpoint-"));
after(() => rmSync(root, { recursive: true }));

const named = (model: DualEncoder): [string, Tensor][] =>
  [...model.namedParameters()].map(([name, { tensor }]) => [name, tensor]);
const contents = (model: DualEncoder): CheckpointContents => ({
  config: model.config,
  weights: named(model),
  evaluationTransform: transformAt(golden),
});
function loadGolden(): DualEncoder {
  return pairAt(golden);
}

/** A copy of the golden folder whose weights went through `change`. */
function changed(name: string, change: (weights: Map<string, Tensor>) => void): string {
  const folder = join(root, name);
  mkdirSync(folder);
  copyFileSync(join(golden, "config.json"), join(folder, "config.json"));
  const file = readSafetensors(join(golden, "model.safetensors"));
  scope(() => {
    const weights = new Map(file.names.map((key) => [key, file.tensor(key)]));
    change(weights);
    writeSafetensors(join(folder, "model.safetensors"), weights);
  });
  file.close();
  return folder;
}

const fc1 = "text_model.encoder.layers.1.mlp.fc1.bias";

describe("loadWeights, when weights do not fit", () => {
  it("lists every difference in one error and changes nothing", () => {
    const folder = changed("misfit", (weights) => {
      weights.delete("vision_model.pre_layrnorm.weight");
      weights.delete("text_model.encoder.layers.0.self_attn.k_proj.bias");
      weights.set("vision_model.pre_layernorm.weight", zeros([32]));
      weights.set("text_model.embeddings.token_embedding.weight", zeros([90, 32]));
      weights.set("logit_scale", zeros([2]));
      weights.set(fc1, zeros([72], { dtype: "int64" }));
    });
    const model = new DualEncoder(configAt(golden));
    const before = named(model).map(([, tensor]) => tensor.data());
    assert.throws(
      () => loadWeightsAt(folder, model),
      (error) => {
        assert.ok(error instanceof CheckpointError);
        assert.equal(error.file, join(folder, "model.safetensors"));
        const lines = error.message.split("\n");
        assert.deepEqual(lines.slice(1), [
          "  2 missing:",
          "    vision_model.pre_layrnorm.weight",
          "    text_model.encoder.layers.0.self_attn.k_proj.bias",
          "  1 unexpected:",
          "    vision_model.pre_layernorm.weight",
          "  2 mis-shaped:",
          "    text_model.embeddings.token_embedding.weight expected [96, 32] received [90, 32]",
          "    logit_scale expected [] received [2]",
          "  1 not floating-point:",
          `    ${fc1} is I64`,
        ]);
        return true;
      },
    );
    assert.deepEqual(
      named(model).map(([, tensor]) => tensor.data()),
      before,
    );
  });

  it("names a weights file of another format, and an absent one", () => {
    const model = new DualEncoder(configAt(golden));
    const folder = mkdtempSync(join(root, "other-"));
    assert.throws(() => loadWeightsAt(folder, model), /a model at .* of no layout that limn reads/);
    copyFileSync(join(golden, "config.json"), join(folder, "config.json"));
    assert.throws(
      () => loadWeightsAt(folder, model),
      /one of model\.safetensors, .* no such file; f/,
    );
  });

  it("names a missing and a damaged config.json", () => {
    const folder = mkdtempSync(join(root, "config-"));
    const file = join(folder, "config.json");
    const refuses = (message: RegExp): void =>
      assert.throws(
        () => configAt(folder),
        (error) =>
          error instanceof CheckpointError &&
          error.file === file &&
          (assert.match(error.message, message), true),
      );
    writeFileSync(file, "{");
    refuses(/JSON object in .*config\.json but /);
    writeFileSync(file, "[1]");
    refuses(/received \[1\]/);
    copyFileSync(join(golden, "config.json"), file);
    assert.throws(() => transformAt(folder), /preprocessor_config\.json in .* copy it/);
  });
});

describe("a folder that transformers saved", () => {
  const expected = JSON.parse(readFileSync(join(golden, "expected.json"), "utf8")) as {
    [key in "pixels" | "imageEmbeddings" | "textEmbeddings" | "logits"]: string;
  } & { tokens: number[][]; rtol: number; atol: number };
  const floats = (text: string): Float32Array =>
    new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);

  function check(model: DualEncoder): void {
    const [images, texts, logits] = evaluating(model, "float32", () =>
      scope(() => {
        const tokens = Int32Array.from(expected.tokens.flat());
        const image = model.encodeImages(fromData(floats(expected.pixels), [2, 3, 32, 32]));
        const text = model.encodeTexts(fromData(tokens, [4, 12]));
        return [image, text, image.matmul(text.transpose(0, 1)).mul(model.logitScale())] as const;
      }),
    );
    assertClose(images.toFloat32Array(), floats(expected.imageEmbeddings), expected, "image");
    assertClose(texts.toFloat32Array(), floats(expected.textEmbeddings), expected, "text");
    // exp(3.25) times the difference of two embeddings
    assertClose(logits.toFloat32Array(), floats(expected.logits), { atol: 3e-5 }, "logits");
  }

  it("gives the embeddings that transformers computes", () => {
    check(loadGolden());
  });

  it("may hold position numbers, which old files do, and any floating-point type", () => {
    const folder = changed("old", (weights) => {
      weights.set("text_model.embeddings.position_ids", zeros([1, 12], { dtype: "int64" }));
      weights.set("vision_model.embeddings.position_ids", zeros([1, 17], { dtype: "int64" }));
      for (const [name, tensor] of weights) {
        if (tensor.dtype === "float32") weights.set(name, tensor.to("float64"));
      }
    });
    const model = new DualEncoder(configAt(folder));
    loadWeightsAt(folder, model);
    check(model);
    assert.equal(model.scaleParameter.tensor.dtype, "float32");
  });

  it("is written back byte for byte", async () => {
    const folder = join(root, "back");
    await saveCheckpoint(folder, contents(loadGolden()));
    const file = (of: string): Buffer => readFileSync(join(of, "model.safetensors"));
    assert.ok(file(folder).equals(file(golden)));
    assert.deepEqual(configAt(folder), configAt(golden));
    assert.deepEqual(transformAt(folder), transformAt(golden));
  });
});

describe("saveCheckpoint", () => {
  it("refuses weights that are not those of the configuration, and keeps the old folder", async () => {
    const folder = join(root, "kept");
    const model = loadGolden();
    await saveCheckpoint(folder, contents(model));
    const before = readFileSync(join(folder, "model.safetensors"));
    const weights = named(model).slice(1);
    const saved = saveCheckpoint(folder, { ...contents(model), weights });
    await assert.rejects(saved, /1 missing:\n {4}imageTower\.patchEmbedding\.weight$/);
    const failing = saveCheckpoint(folder, {
      ...contents(model),
      tokenizerFiles: () => Promise.reject(new Error("no tokenizer")),
    });
    await assert.rejects(failing, /no tokenizer/);
    assert.ok(readFileSync(join(folder, "model.safetensors")).equals(before));
    assert.deepEqual(
      readdirSync(root).filter((name) => /kept./.test(name)),
      [],
    );
  });

  it("writes the tokenizer with the rest and frees what it made", async () => {
    const model = loadGolden();
    const before = memory().tensors;
    const folder = join(root, "whole");
    await saveCheckpoint(folder, {
      ...contents(model),
      tokenizerFiles: (partial) => writeFileSync(join(partial, "merges.txt"), "#version: 0.2\n"),
    });
    assert.deepEqual(readdirSync(folder).sort(), [
      ".limn-files.json",
      "config.json",
      "merges.txt",
      "model.safetensors",
      "preprocessor_config.json",
    ]);
    assert.ok(memory().tensors <= before);
  });

  it("is found where a crash left it between two renames", async () => {
    const folder = join(root, "crash");
    const model = loadGolden();
    await saveCheckpoint(folder, contents(model));
    renameSync(folder, join(root, ".crash.limn-previous"));
    loadWeightsAt(folder, model);
    assert.deepEqual(configAt(folder), model.config);
  });
});
