/** Folders as people have them: around a model, beside it, or in place of one. */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { writeZip } from "../../test/support/zip-writer.ts";
import { CheckpointError } from "../errors.ts";
import type { JsonObject } from "../files/json-fields.ts";
import { zeros } from "../torch/index.ts";
import { openModelAt } from "./open-model.ts";
import { writeSafetensors } from "./weights/safetensors.ts";

const goldens = fileURLToPath(new URL("../../../test/goldens/models", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "limn-folders-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** A new folder with a copy of a tiny model, at `inner` in it. */
function copyOf(model: string, inner = "."): string {
  const folder = join(root, String(count++));
  cpSync(join(goldens, model), join(folder, inner), { recursive: true });
  return folder;
}

function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(root, String(count++));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const readJson = (file: string): JsonObject => JSON.parse(readFileSync(file, "utf8")) as JsonObject;
function change(file: string, changes: (json: Record<string, unknown>) => void): void {
  const json = readJson(file);
  changes(json);
  writeFileSync(file, JSON.stringify(json));
}

function refuses(path: string, message: RegExp, ask = (): unknown => openModelAt(path)): void {
  assert.throws(ask, (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe("a pair's weights among others", () => {
  it("are named with what stands beside them", () => {
    const file = join(root, "with-loss.safetensors");
    const names = ["model.visual.proj", "model.logit_scale", "loss.weight"];
    writeSafetensors(file, new Map(names.map((name) => [name, zeros([1])])));
    refuses(file, /under model its file has others \(loss\.weight\); save those under model alone/);
  });
});

describe("a folder around a model", () => {
  const layoutAt = (path: string): string => {
    using source = openModelAt(path);
    return source.layout;
  };

  it("is sentence-transformers' with a CLIPModel among its modules", () => {
    const folder = copyOf("clip", "0_CLIPModel");
    const modules = [
      { idx: 0, name: "0", path: "0_CLIPModel", type: "sentence_transformers.models.CLIPModel" },
    ];
    writeFileSync(join(folder, "modules.json"), `\uFEFF${JSON.stringify(modules)}`);
    assert.equal(layoutAt(folder), "Hugging Face CLIPModel");
    const more = (name: string): object => ({ idx: 1, path: "1", type: `s.models.${name}` });
    writeFileSync(join(folder, "modules.json"), JSON.stringify([...modules, more("Normalize")]));
    assert.equal(layoutAt(folder), "Hugging Face CLIPModel");
    writeFileSync(join(folder, "modules.json"), JSON.stringify([...modules, more("Dense")]));
    refuses(folder, /a CLIPModel alone in .*modules\.json but received Dense .* not supported/);
    const outside = [{ path: "../../etc", type: "CLIPModel" }];
    writeFileSync(join(folder, "modules.json"), JSON.stringify(outside));
    refuses(folder, /sentence-transformers .* folders in it that look like models: .*0_CLIPModel/);
  });

  it("is the hub's cache, of which the snapshot of main counts", () => {
    const folder = copyOf("clip", "snapshots/abc");
    assert.equal(layoutAt(folder), "Hugging Face CLIPModel");
    cpSync(join(goldens, "siglip"), join(folder, "snapshots/def"), { recursive: true });
    refuses(folder, /^Expected one snapshot .* but there are abc, def and no refs\/main/);
    mkdirSync(join(folder, "refs"));
    writeFileSync(join(folder, "refs/main"), "def\n");
    assert.equal(layoutAt(folder), "Hugging Face SiglipModel");
  });

  it("has its models named where it has several", () => {
    const folder = copyOf("clip", "checkpoint-10");
    refuses(folder, /no model itself; give one of .* look like models: .*checkpoint-10/);
    const cache = copyOf("clip", "models--a--b/snapshots/abc");
    refuses(cache, /no model itself; give one of .* look like models: .*models--a--b/);
  });

  it("has its weights named where there is no configuration", () => {
    const trainer = folderWith({ "model.safetensors": "x", "optimizer.bin": "x" });
    refuses(
      trainer,
      /weights without a configuration \(model\.safetensors\); copy config\.json or open_clip_config/,
    );
    const run = folderWith({ "params.txt": "", "checkpoints/epoch_3.pt": "x" });
    refuses(
      run,
      /weights without a configuration \(checkpoints.epoch_3\.pt\); .* one of the files/,
    );
    const variant = copyOf("clip");
    cpSync(join(variant, "model.safetensors"), join(variant, "model.fp16.safetensors"));
    rmSync(join(variant, "model.safetensors"));
    refuses(variant, /no such file; .* model\.fp16\.safetensors lies there: rename/, () =>
      openModelAt(variant).weights(),
    );
  });

  it("is read by its class where no type is named", () => {
    const folder = copyOf("clip");
    change(join(folder, "config.json"), (json) => delete json["model_type"]);
    assert.equal(layoutAt(folder), "Hugging Face CLIPModel");
  });

  it("is refused by the name of a class that is no whole pair", () => {
    const folder = copyOf("clip");
    const classOf = (architectures: string[]): void =>
      change(join(folder, "config.json"), (json) => (json["architectures"] = architectures));
    classOf(["CLIPForImageClassification"]);
    refuses(folder, /CLIPModel for architectures .*CLIPForImageClassification.* not supported/);
    classOf(["MyModel"]);
    assert.equal(layoutAt(folder), "Hugging Face CLIPModel");
    change(join(folder, "config.json"), (json) => (json["model_type"] = "clip_vision_model"));
    refuses(
      folder,
      /"clip_vision_model"; it is one tower .* give the whole model, of model_type clip/,
    );
    change(join(folder, "config.json"), (json) => (json["model_type"] = "blip"));
    refuses(folder, /received "blip"; limn has no tower that computes it$/);
  });
});

describe("a layout that limn does not read is named", () => {
  const cases: [string, Record<string, string | Uint8Array>, RegExp][] = [
    ["diffusers", { "model_index.json": "{}" }, /pipeline of diffusers/],
    ["an adapter", { "adapter_config.json": "{}" }, /adapter of peft without its base model/],
    ["ONNX", { "model.onnx": "x" }, /ONNX model/],
    ["GGUF", { "clip.gguf": "GGUF" }, /GGUF model/],
    ["Core ML", { "clip.mlpackage/x": "" }, /Core ML model/],
    ["a distributed checkpoint", { "__0_0.distcp": "" }, /checkpoint in parts/],
    ["FSDP's folder", { "pytorch_model_fsdp_0/x": "" }, /checkpoint in parts/],
    ["DeepSpeed's folder", { "zero_to_fp32.py": "", latest: "" }, /checkpoint in parts/],
    ["JAX", { _CHECKPOINT_METADATA: "" }, /checkpoint folder of JAX/],
    [
      "sentence-transformers",
      { "modules.json": "[]" },
      /sentence-transformers without a CLIPModel/,
    ],
  ];
  for (const [name, files, message] of cases) {
    it(name, () => refuses(folderWith(files), message));
  }

  const weights: [string, string, RegExp][] = [
    ["TensorFlow", "tf_model.h5", /but it is a model of Keras or TensorFlow.*save_pretrained/],
    ["Flax", "flax_model.msgpack", /but it is a model of Flax in msgpack/],
    ["ONNX", "model.onnx", /but it is an ONNX model/],
    ["nothing", "README.md", /there is no such file; fetch or copy the whole folder/],
  ];
  for (const [name, file, message] of weights) {
    it(`beside a configuration: ${name}`, () => {
      const config = readFileSync(join(goldens, "clip/config.json"));
      const folder = folderWith({ "config.json": config, [file]: "x" });
      refuses(folder, message, () => openModelAt(folder).weights());
    });
  }

  it("a file with two models, or with names that nobody knows", () => {
    const folder = folderWith({ x: "" });
    const file = join(folder, "weights.safetensors");
    const names = ["student.visual.conv1.weight", "teacher.visual.conv1.weight"];
    writeSafetensors(file, new Map(names.map((name) => [name, zeros([1])])));
    refuses(
      file,
      /student\.visual\.conv1\.weight, .* under student, teacher\) are those of no layout/,
    );
  });

  const damaged: [string, string | Uint8Array, RegExp][] = [
    ["a pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", /Git LFS pointer/],
    ["a page", "<!DOCTYPE html><html>", /web page, as a failed download/],
    ["nothing", "", /it is empty/],
    ["a zip", writeZip([{ name: "m/config.json", data: Buffer.from("{}") }]), /zip .*unpack it/],
  ];
  for (const [name, content, message] of damaged) {
    it(`weights that are ${name}`, () => {
      const folder = copyOf("clip");
      writeFileSync(join(folder, "model.safetensors"), content);
      refuses(folder, message, () => openModelAt(folder).weights());
      writeFileSync(join(folder, "whole.safetensors"), content);
      refuses(folder, message, () => openModelAt(join(folder, "whole.safetensors")));
    });
  }

  const inside: [string, RegExp][] = [
    ["base_model.model.a.q_proj.lora_A.default.weight", /adapter inside the model: join both/],
    ["a.q_proj.base_layer.weight", /adapter inside the model: join both/],
    ["a.fc1.qweight", /quantized weights are not supported/],
    ["a.fc1.SCB", /quantized weights are not supported/],
    ["a.fc1.weight.absmax", /quantized weights are not supported/],
  ];
  for (const [name, message] of inside) {
    it(`weights with ${name}`, () => {
      const file = join(folderWith({ x: "" }), "weights.safetensors");
      writeSafetensors(file, new Map([[name, zeros([1])]]));
      refuses(file, message);
    });
  }

  it("weights that were quantized", () => {
    const folder = copyOf("clip");
    change(join(folder, "config.json"), (json) => {
      json["quantization_config"] = { quant_method: "bitsandbytes", load_in_8bit: true };
    });
    refuses(folder, /nothing for quantization_config .*bitsandbytes.* not supported/);
  });
});

describe("an image processor's file without its class", () => {
  for (const model of ["clip", "siglip", "align", "siglip2-naflex"]) {
    it(`is read as the class of ${model}`, () => {
      const folder = copyOf(model);
      using whole = openModelAt(folder);
      const expected = [whole.evaluationTransform(), whole.naflexTransform?.()];
      const [file, whole5] = ["preprocessor_config.json", "processor_config.json"].map((name) =>
        join(folder, name),
      ) as [string, string];
      const written = existsSync(file)
        ? readJson(file)
        : (readJson(whole5)["image_processor"] as JsonObject);
      const { image_processor_type: name, ...values } = written;
      const forms: [string, JsonObject][] = [
        ["preprocessor_config.json", values],
        ["preprocessor_config.json", { ...values, image_processor_type: null }],
        ["preprocessor_config.json", { ...values, feature_extractor_type: name }],
        ["processor_config.json", { processor_class: "X", image_processor: values }],
      ];
      for (const [target, json] of forms) {
        for (const old of [file, whole5]) rmSync(old, { force: true });
        writeFileSync(join(folder, target), JSON.stringify(json));
        using source = openModelAt(folder);
        assert.deepEqual([source.evaluationTransform(), source.naflexTransform?.()], expected);
      }
    });
  }

  it("is read as config.json's own class, and a processor_config.json without one is passed over", () => {
    const folder = copyOf("clip");
    change(join(folder, "preprocessor_config.json"), (json) => {
      delete json["image_processor_type"];
      json["default_to_square"] = false;
    });
    writeFileSync(join(folder, "processor_config.json"), '{"processor_class": "CLIPProcessor"}');
    change(join(folder, "config.json"), (json) => {
      json["image_processor_type"] = "CLIPImageProcessorFast";
    });
    using source = openModelAt(folder);
    assert.equal(source.evaluationTransform().resampler, "torchvision");
  });
});

describe("a tower that is read at the greatest id", () => {
  it("is refused with padding above the end of text, where it would be read", async () => {
    const folder = copyOf("clip");
    change(join(folder, "config.json"), (json) => {
      (json["text_config"] as Record<string, unknown>)["eos_token_id"] = 2;
    });
    change(join(folder, "tokenizer.json"), (json) => {
      (json["added_tokens"] as unknown[]).push({ id: 553, content: "[PAD]", special: true });
    });
    change(join(folder, "tokenizer_config.json"), (json) => {
      json["pad_token"] = "[PAD]";
    });
    using source = openModelAt(folder);
    const { contents } = source;
    assert.ok(contents.kind === "pair" && contents.config.text.kind === "transformer");
    assert.equal(contents.config.text.pooling, "greatest");
    assert.equal((await source.tokenizer()).padId, 553);
    rmSync(join(folder, "tokenizer.json"));
    change(join(folder, "config.json"), (json) => {
      (json["text_config"] as Record<string, unknown>)["vocab_size"] = 555;
    });
    writeFileSync(join(folder, "added_tokens.json"), '{"[PAD]": 554}');
    using enlarged = openModelAt(folder);
    await assert.rejects(
      enlarged.tokenizer(),
      /padding with an id up to 553, .* received 554; .* not supported/,
    );
  });
});
