import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { arange, cat, scope, type Tensor, fromData, zeros } from "../../torch/index.ts";
import {
  leadingOne,
  oneNumber,
  partToOurs,
  partToTheirs,
  reshaped,
  torchLeaves,
  transposed,
  weightRows,
  type KeyTable,
  type WeightRow,
  canonicalWeights,
} from "./key-table.ts";
import type { Weights } from "./weight-file.ts";

const weights = (shapes: Record<string, number[]>): [string, { shape: number[] }][] =>
  Object.entries(shapes).map(([name, shape]) => [name, { shape }]);
const names = ({ parts }: WeightRow): string[] => parts.map(({ name }) => name);
const only = (table: KeyTable["keys"], name: string, shape: number[]): WeightRow =>
  weightRows({ keys: table }, weights({ [name]: shape }))[0] as WeightRow;
const counted = (...shape: number[]): Tensor =>
  arange(shape.reduce((product, side) => product * side, 1)).reshape(...shape);

describe("weightRows", () => {
  it("refuses a weight that the table does not know", () => {
    const table = { keys: { "blocks.#.norm.*": "layers.#.norm.*" } };
    for (const name of ["blocks.x.norm.weight", "blocks.0.norm", "ablocks.0.norm.weight"]) {
      assert.throws(() => weightRows(table, weights({ [name]: [2] })), {
        message: `internal: the table has no name for ${name}`,
      });
    }
    // A point of a pattern is a point.
    assert.throws(() => weightRows({ keys: { "a.b": "c" } }, weights({ axb: [1] })), /axb/);
  });

  it("fills numbers and the last word into the file's pattern, the first pattern counts", () => {
    const keys = {
      "tower.stages.#.blocks.#.norm.*": "s#.b#.n_*",
      "tower.stages.0.blocks.0.norm.*": "never",
    };
    const row = only(keys, "tower.stages.0.blocks.12.norm.weight", [4]);
    assert.deepEqual(row, {
      ours: "tower.stages.0.blocks.12.norm.weight",
      shape: [4],
      parts: row.parts,
    });
    assert.deepEqual(names(row), ["s0.b12.n_weight"]);
    assert.deepEqual(row.parts[0]?.fileShape, [4]);
  });

  it("spells last words as the table says, others as they are", () => {
    const table = { keys: { "norm.*": "bn.*" }, leaves: torchLeaves };
    const rows = weightRows(table, weights({ "norm.runningVariance": [2], "norm.bias": [2] }));
    assert.deepEqual(rows.flatMap(names), ["bn.running_var", "bn.bias"]);
  });

  it("shares the first dimension equally, or as told", () => {
    const equal = { "qkv.*": { names: ["q.*", "k.*", "v.*"] } };
    const row = only(equal, "qkv.weight", [12, 5]);
    assert.deepEqual(names(row), ["q.weight", "k.weight", "v.weight"]);
    assert.deepEqual(
      row.parts.map(({ fileShape }) => fileShape),
      [
        [4, 5],
        [4, 5],
        [4, 5],
      ],
    );
    const uneven = { "qkv.*": { names: ["q.*", "kv.*"], shares: [1, 2] } };
    const shapes = only(uneven, "qkv.bias", [12]).parts.map(({ shape }) => shape);
    assert.deepEqual(shapes, [[4], [8]]);
  });

  it("gives the blocks of a stacked weight their places, and its whole shape", () => {
    const keys = {
      "blocks.#.up.*": { names: ["encoderblock.mlp.*"], form: transposed, layersStacked: true },
    };
    const rows = weightRows(
      { keys },
      weights({ "blocks.1.up.kernel": [2, 3], "blocks.0.up.kernel": [2, 3] }),
    );
    assert.deepEqual(
      rows.map(({ parts: [part] }) => [part?.name, part?.fileShape, part?.layer]),
      [
        ["encoderblock.mlp.kernel", [2, 3, 2], 1],
        ["encoderblock.mlp.kernel", [2, 3, 2], 0],
      ],
    );
    scope(() => {
      const [second, first] = rows.map(({ parts: [part] }) => {
        assert.ok(part);
        return partToOurs(part, counted(2, 3, 2)).toFloat32Array();
      });
      assert.deepEqual([...(first as Float32Array)], [0, 2, 4, 1, 3, 5]);
      assert.deepEqual([...(second as Float32Array)], [6, 8, 10, 7, 9, 11]);
    });
  });
});

describe("forms", () => {
  const cases = [
    ["as it is", undefined, [2, 3], [2, 3]],
    ["transposed", transposed, [2, 3], [3, 2]],
    ["with a leading dimension", leadingOne, [4, 3], [1, 4, 3]],
    ["one number", oneNumber, [], [1]],
    ["reshaped", reshaped(([out = 0, ...rest]) => [...rest, out]), [2, 3, 4], [3, 4, 2]],
  ] as const;
  for (const [name, form, ours, theirs] of cases) {
    it(`go both ways: ${name}`, () => {
      const keys = { weight: { names: ["theirs"], ...(form ? { form } : {}) } };
      const [part] = only(keys, "weight", [...ours]).parts;
      assert.ok(part);
      assert.deepEqual(part.fileShape, theirs);
      scope(() => {
        const there = counted(...theirs);
        const here = partToOurs(part, there);
        assert.deepEqual(here.shape, ours);
        assert.ok(here.equals(form === transposed ? there.t() : there.reshape(...ours)));
        const back = partToTheirs(part, here);
        assert.deepEqual(back.shape, theirs);
        assert.ok(back.equals(there));
      });
    });
  }

  it("transpose each part of a stack by itself", () => {
    const keys = { qkv: { names: ["q", "k"], form: transposed } };
    const { parts } = only(keys, "qkv", [4, 3]);
    scope(() => {
      const theirs = [counted(3, 2), counted(3, 2).add(10)];
      const ours = cat(parts.map((part, i) => partToOurs(part, theirs[i] as Tensor)));
      assert.deepEqual(ours.shape, [4, 3]);
      assert.ok(ours.narrow(0, 2, 2).equals((theirs[1] as Tensor).t()));
    });
  });
});

/** An open file of weights [1] whose values are their places. */
function fileOf(names: string[]): Weights {
  return {
    file: "model.bin",
    names,
    metadata: { format: "pt" },
    has: (name: string) => names.includes(name),
    info: (name: string) => {
      if (!names.includes(name)) throw new Error(`no ${name}`);
      return { dtype: "float32" as const, storedAs: "F32", shape: [1], bytes: 4 };
    },
    tensor: (name: string): Tensor => fromData(Float32Array.of(names.indexOf(name)), [1]),
    layer: (name: string, at: number): Tensor =>
      fromData(Float32Array.of(names.indexOf(name) + at), []),
    readInto: (name: string, target: Tensor) => void target.fill_(names.indexOf(name)),
  };
}

const table: KeyTable = { keys: {}, canonical: (name) => name.replace(/^bert\./, "") };

describe("canonicalWeights", () => {
  it("refuses two weights that come to one name", () => {
    assert.throws(() => canonicalWeights(fileOf(["bert.a", "a"]), table), {
      code: "LIMN_CHECKPOINT",
      message:
        "Expected one weight for a in model.bin but received bert.a and a; " +
        "remove the one that is not the model's",
    });
  });

  it("gives every weight under the table's name", () => {
    const file = fileOf(["bert.a", "cls.b"]);
    const weights = canonicalWeights(file, table);
    assert.deepEqual(weights.names, ["a", "cls.b"]);
    assert.deepEqual([weights.has("a"), weights.has("bert.a")], [true, false]);
    assert.deepEqual(weights.info("a").shape, [1]);
    assert.equal(weights.tensor("cls.b").item(), 1);
    assert.equal(weights.layer("cls.b", 2).item(), 3);
    const target = zeros([1]);
    weights.readInto("cls.b", target);
    assert.equal(target.item(), 1);
    assert.throws(() => weights.info("c"), /no c/);
  });

  it("is the file itself where there is one spelling", () => {
    const file = fileOf(["bert.a"]);
    assert.equal(canonicalWeights(file, { keys: {} }), file);
  });
});
