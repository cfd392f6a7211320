import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../../errors.ts";
import { tensor, zeros, type Tensor } from "../../torch/index.ts";
import { openSource } from "./byte-source.ts";
import { openWeightFile } from "./open-weight-file.ts";
import { torchFileIn } from "./pytorch/torch-file.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { unwrapped } from "./unwrapped.ts";
import { ZipArchive } from "./zip.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-unwrapped-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const goldens = openSource(
  fileURLToPath(new URL("../../../../test/goldens/weights/beside.zip", import.meta.url)),
);
after(() => goldens.close());
const archive = new ZipArchive(goldens);
function golden(name: string): Uint8Array {
  const entry = archive.entries.get(name)!;
  return archive.read(entry, entry.size);
}
const { names: byWrapper } = JSON.parse(Buffer.from(golden("names.json")).toString()) as {
  names: Record<string, string[]>;
};

/** A file whose weights have these names. */
function fileOf(names: readonly string[]): string {
  const file = join(folder, "weights.safetensors");
  const weights = new Map<string, Tensor>();
  for (const [i, name] of names.entries()) weights.set(name, tensor([i]));
  writeSafetensors(file, weights);
  return file;
}

describe("unwrapped", () => {
  for (const [wrapper, names] of Object.entries(byWrapper)) {
    it(`finds the module's own names in what torch calls it: ${wrapper}`, () => {
      using weights = readSafetensors(fileOf(names));
      const plain = unwrapped(weights);
      assert.deepEqual([...plain.names].sort(), ["a.bias", "a.weight"]);
      const named = names.find((name) => name.endsWith("a.weight") || name.endsWith("d.weight"))!;
      assert.deepEqual(plain.tensor("a.weight").data(), weights.tensor(named).data());
    });
  }

  const cases: [string, string[], string[]][] = [
    ["FSDP", ["_fsdp_wrapped_module.a._fsdp_wrapped_module.w"], ["a.w"]],
    ["activation checkpointing", ["a.0._checkpoint_wrapped_module.w", "b"], ["a.0.w", "b"]],
    ["Lightning around a compiled model", ["model._orig_mod.a.w", "model.b"], ["a.w", "b"]],
    ["a state dict in a state dict", ["state_dict.model.a", "state_dict.model.b"], ["a", "b"]],
    ["an exponential average", ["ema_model.a", "ema_model.b", "initted", "n_averaged"], ["a", "b"]],
    ["any word before the scale", ["student.a.b", "student.logit_scale"], ["a.b", "logit_scale"]],
    ["two words", ["base_model.model.a", "base_model.model.temperature"], ["a", "temperature"]],
    ["a part with a scale of its own", ["a.logit_scale", "b"], ["a.logit_scale", "b"]],
    [
      "a pair and its teacher",
      ["s.logit_scale", "t.logit_scale"],
      ["s.logit_scale", "t.logit_scale"],
    ],
    ["what only some names have", ["model.a", "head.b"], ["model.a", "head.b"]],
    ["a module that is called so", ["model.a", "module"], ["model.a", "module"]],
    ["a model and its average", ["model.a", "ema_model.a"], ["model.a", "ema_model.a"]],
  ];
  for (const [what, names, expected] of cases) {
    it(`takes off, or leaves, ${what}`, () => {
      using weights = readSafetensors(fileOf(names));
      assert.deepEqual([...unwrapped(weights).names].sort(), expected.sort());
    });
  }

  it("refuses two weights of one name, and one rank's share", () => {
    using twice = readSafetensors(fileOf(["_orig_mod.a", "a"]));
    assert.throws(
      () => unwrapped(twice),
      /one weight for a in .* received _orig_mod\.a and a;|a and _or/,
    );
    using share = readSafetensors(fileOf(["_fsdp_wrapped_module._flat_param", "b"]));
    assert.throws(() => unwrapped(share), /_flat_param, the share .*FULL_STATE_DICT/);
  });
});

describe("weights beside objects of other libraries", () => {
  const files = [...archive.entries.keys()].filter((name) => name.endsWith(".pt"));
  for (const name of files) {
    it(`are read: ${name}`, () => {
      const file = join(folder, name);
      writeFileSync(file, golden(name));
      using weights = openWeightFile(file);
      assert.deepEqual([...weights.names].sort(), ["a.bias", "a.weight"]);
      assert.deepEqual([...weights.tensor("a.weight").data()], [0, 1, 2, 3, 4, 5]);
      assert.deepEqual([...weights.tensor("a.bias").data()], [6, 7]);
      using torch = torchFileIn(openSource(file));
      assert.equal(torch.value(["epoch"]), 3);
    });
  }

  it("name what they are where weights were asked of them", () => {
    const file = join(folder, "odd.pt");
    const ask = (name: string): void => {
      writeFileSync(file, golden(`${name}.pt`));
      using torch = torchFileIn(openSource(file));
      torch.weights(["extra"]);
    };
    const odd: [string, RegExp][] = [
      ["module", /object of torch\.nn\.modules\.linear\.Linear, of which nothing was executed/],
      ["quantized", /object of torch\._utils\._rebuild_qtensor/],
      ["set", /there is no dict; name one of state_dict/],
    ];
    for (const [name, message] of odd) {
      assert.throws(
        () => ask(name),
        (error) => error instanceof CheckpointError && message.test(error.message),
      );
    }
  });

  it("are not guessed where a file has two models", () => {
    using weights = readSafetensors(fileOf(["a"]));
    assert.equal(unwrapped(weights), weights);
    zeros([1]).dispose();
  });
});
