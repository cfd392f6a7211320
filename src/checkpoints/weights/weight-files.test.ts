/** Every format against the bits that its writer's own reader gives: test/goldens/generate/weight-files.py */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { CheckpointError, ShapeError } from "../../errors.ts";
import { empty, scope, viewAs, zeros, type DType, type Tensor } from "../../torch/index.ts";
import { openWeightFile } from "./open-weight-file.ts";
import { torchFileIn, type TorchFile } from "./pytorch/torch-file.ts";
import { openSource } from "./byte-source.ts";

const openTorch = (file: string): TorchFile => torchFileIn(openSource(file));

const folder = new URL("../../../../test/goldens/weights/", import.meta.url);
const golden = (name: string): string => fileURLToPath(new URL(name, folder));

interface Expected {
  dtype: DType;
  shape: number[];
  bits: string;
}
const { files } = JSON.parse(readFileSync(golden("expected.json"), "utf8")) as {
  files: Record<string, Record<string, Expected>>;
};

/** The memory of a contiguous tensor. */
function bits(tensor: Tensor): string {
  if (tensor.count === 0) return "";
  return Buffer.from(viewAs(tensor.view(-1), "uint8").data() as Uint8Array).toString("base64");
}

describe("weight files of their own writers", () => {
  for (const [name, expected] of Object.entries(files)) {
    it(`${name}: names, types, shapes and bits`, () => {
      const weights = openWeightFile(golden(name));
      assert.deepEqual([...weights.names].sort(), Object.keys(expected).sort());
      for (const [key, { dtype, shape, bits: wanted }] of Object.entries(expected)) {
        scope(() => {
          const info = weights.info(key);
          assert.deepEqual([info.dtype, info.shape], [dtype, shape], key);
          assert.equal(info.bytes, Buffer.from(wanted, "base64").length, key);
          const tensor = weights.tensor(key);
          assert.deepEqual([tensor.dtype, tensor.shape], [dtype, shape], key);
          assert.equal(bits(tensor), wanted, key);
          const into = empty(shape, { dtype });
          weights.readInto(key, into);
          assert.equal(bits(into), wanted, `readInto ${key}`);
        });
      }
      weights.close();
    });

    it(`${name}: one place along the first side alone`, () => {
      using weights = openWeightFile(golden(name));
      for (const key of weights.names) {
        scope(() => {
          const tensor = weights.tensor(key);
          for (let at = 0; at < (tensor.shape[0] ?? 0); at++) {
            const layer = weights.layer(key, at);
            assert.deepEqual(layer.shape, tensor.shape.slice(1), key);
            assert.equal(bits(layer.contiguous()), bits(tensor.select(0, at).contiguous()), key);
          }
          const count = tensor.shape[0] ?? 0;
          for (const at of [-1, count]) {
            assert.throws(() => weights.layer(key, at), /0 to -?\d+ of .* \[.* received /, key);
          }
        });
      }
    });

    it(`${name}: converts into parameters of another type`, () => {
      using weights = openWeightFile(golden(name));
      for (const key of weights.names) {
        scope(() => {
          const tensor = weights.tensor(key);
          const target: DType = tensor.dtype === "float32" ? "bfloat16" : "float32";
          const into = zeros(tensor.shape, { dtype: target }).setRequiresGrad(true);
          weights.readInto(key, into);
          assert.equal(bits(into.detach()), bits(tensor.to(target)), key);
        });
      }
    });
  }

  it("refuses targets of another shape and unknown names, with the nearest", () => {
    using weights = openWeightFile(golden("state-dict.bin"));
    scope(() => {
      const target = zeros([4, 3]);
      assert.throws(() => weights.readInto("types.float32", target), ShapeError);
    });
    assert.throws(() => weights.tensor("types.flaot32"), /has none\. Did you mean "types.float32"/);
  });
});

describe("a training checkpoint of open_clip's form", () => {
  it("gives its plain values and its keys beside the weights", () => {
    using torch = openTorch(golden("training.pt"));
    assert.deepEqual(torch.keys(), ["epoch", "name", "state_dict", "optimizer", "scaler"]);
    assert.equal(torch.kind, "saved");
    assert.equal(torch.value(["epoch"]), 3);
    assert.equal(torch.value(["name"]), "run-ä");
    assert.equal(torch.value(["absent", "key"]), undefined);
    const groups = torch.value(["optimizer", "param_groups"]) as { betas: number[] }[];
    assert.deepEqual(groups[0]?.betas, [0.9, 0.98]);
    assert.deepEqual(torch.hasWeights(["state_dict"]), true);
    assert.deepEqual(torch.hasWeights(["optimizer"]), false);
    assert.deepEqual(torch.weights(["state_dict"]).names, ["weight", "bias"]);
    const moments = torch.weights(["optimizer", "state", "0"]);
    assert.deepEqual(moments.names, ["step", "exp_avg", "exp_avg_sq"]);
  });

  it("names the paths that hold weights where another was asked", () => {
    using torch = openTorch(golden("training.pt"));
    assert.throws(
      () => torch.weights(),
      /top of .* "state_dict" of it is a dict of tensors itself; name one of state_/,
    );
    assert.throws(() => torch.weights(["state_dicts"]), /no dict; .* Did you mean "state_dict"/);
    assert.throws(() => torch.value(["state_dict"]), /plain values at state_dict .* holds tensors/);
  });
});

it("plain.pt: gives every kind of plain value that PyTorch may hold", () => {
  using torch = openTorch(golden("plain.pt"));
  const dict = (fields: object): object => Object.assign(Object.create(null) as object, fields);
  const expected = {
    dtype: "torch.float16",
    device: "cuda:1",
    cpu: "cpu",
    size: [2, 3],
    tuple: [1, -2.5, null, true],
    large: 2n ** 70n,
    list: ["a", dict({ b: [1, 2] })],
    ordered: dict({ a: 1, b: "ü" }),
    "3": "by number",
  };
  assert.deepEqual(torch.value([]), dict(expected));
  assert.equal(torch.value(["3"]), "by number");
  assert.equal(torch.hasWeights(), false);
});

describe("types that limn does not read", () => {
  const cases: [string, string, string][] = [
    ["float8.pt", "a", "float8_e4m3fn"],
    ["odd-types.npz", "big", ">f4"],
    ["odd-types.npz", "text", "<U2"],
    ["odd-types.npz", "c", "<c8"],
  ];
  for (const [file, name, type] of cases) {
    it(`${file} ${name}: are named when the tensor is asked for`, () => {
      using weights = openWeightFile(golden(file));
      assert.equal(weights.info(name).dtype, undefined);
      const message = new RegExp(`"${name}" has the element type ${type}; save it as`);
      assert.throws(() => weights.tensor(name), message);
    });
  }

  it("objects.npz: an array of objects is a pickle, and is left alone", () => {
    using weights = openWeightFile(golden("objects.npz"));
    assert.deepEqual(weights.names, ["fine", "objects"]);
    assert.equal(weights.tensor("fine").count, 2);
    assert.throws(() => weights.tensor("objects"), /a pickle, of which nothing was executed/);
  });
});

describe("a file of torch.save from before 1.6", () => {
  it("is refused with the way to make it readable", () => {
    const refused = (open: () => unknown): void =>
      assert.throws(open, (error: unknown) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /from before 1\.6.*\(torch\.load and torch\.save/);
        return true;
      });
    refused(() => openWeightFile(golden("legacy.pt")));
    refused(() => openTorch(golden("legacy.pt")));
  });
});
