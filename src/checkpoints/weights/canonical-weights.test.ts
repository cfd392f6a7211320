import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { fromData, zeros, type Tensor } from "../../torch/index.ts";
import { canonicalWeights } from "./canonical-weights.ts";
import type { KeyTable } from "./key-table.ts";
import type { Weights } from "./weight-file.ts";

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
