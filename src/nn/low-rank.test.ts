import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { hashedValues } from "../../test/support/hashed-values.ts";
import {
  backward,
  fromData,
  grad,
  hasFusedAttention,
  linear,
  manualSeed,
  noGrad,
  scope,
  type Tensor,
} from "../torch/index.ts";
import { MultiHeadAttention } from "./attention.ts";
import { Linear } from "./layers.ts";
import {
  adaptable,
  adaptations,
  addLowRank,
  LowRank,
  lowRankNames,
  mergedState,
  mergeLowRank,
} from "./low-rank.ts";
import type { Module } from "./module.ts";

const filled = (shape: number[], seed: number): Tensor =>
  fromData(
    Float32Array.from(
      hashedValues(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
    ),
    shape,
  );

/** Changes of q and v with B that is not zero. */
function adapted(attention: MultiHeadAttention, parts = [0, 2]): MultiHeadAttention {
  addLowRank(
    parts.map((part) => ({ owner: attention.input, part })),
    { rank: 2, alpha: 6 },
  );
  for (const [i, { change }] of adaptations(attention).entries()) {
    change.b.assign(filled([...change.b.tensor.shape], 50 + i));
  }
  return attention;
}

const valuesOf = (module: Module): Map<string, Float32Array> =>
  new Map([...module.namedState()].map(([name, tensor]) => [name, tensor.toFloat32Array()]));

describe("a change that cannot be is refused", () => {
  test("ranks that the matrix does not have", () => {
    for (const rank of [0, 5, 1.5, Number.NaN]) {
      assert.throws(() => new LowRank(4, 8, { rank, alpha: 1 }), {
        name: "RangeError",
        message: /from 1 to 4 for rank, as the matrix is 8 x 4, but received/,
      });
    }
  });
  test("alpha and dropout out of range", () => {
    assert.throws(
      () => new LowRank(4, 8, { rank: 2, alpha: 0 }),
      /above 0 for alpha but received 0/,
    );
    assert.throws(
      () => new LowRank(4, 8, { rank: 2, alpha: 1, dropout: 1 }),
      /for dropout but received 1/,
    );
  });
  test("of several, none is added where one fails", () => {
    const [small, large] = [new Linear(2, 8), new Linear(8, 8)];
    const places = [large, small].map((owner) => ({ owner, part: undefined }));
    assert.throws(() => addLowRank(places, { rank: 4, alpha: 1 }), /from 1 to 2 for rank/);
    assert.equal(large.change, null);
    assert.equal(adaptable(large, undefined), "free");
    assert.equal(adaptable(large, 0), "never");
  });
});

test("y = W x + alpha / r B A x, and nothing at first", () => {
  scope(() => {
    const layer = new Linear(3, 4);
    const x = filled([5, 3], 1);
    const plain = layer.forward(x).toFloat32Array();
    addLowRank([{ owner: layer, part: undefined }], { rank: 2, alpha: 6 });
    assert.deepEqual(layer.forward(x).toFloat32Array(), plain);
    const { a, b } = layer.change!;
    b.assign(filled([4, 2], 2));
    const [A, B, X] = [a.tensor, b.tensor, x].map((tensor) => [...tensor.toFloat32Array()]);
    const wanted = plain.map((value, at) => {
      const [n, o] = [Math.floor(at / 4), at % 4];
      let sum = 0;
      for (let r = 0; r < 2; r++) {
        for (let i = 0; i < 3; i++) sum += B![o * 2 + r]! * A![r * 3 + i]! * X![n * 3 + i]!;
      }
      return value + (6 / 2) * sum;
    });
    assertClose(layer.forward(x).toFloat32Array(), wanted, { rtol: 1e-6, atol: 1e-6 });
    layer.dispose();
  });
});

test("gradients of A and B are those through W + alpha / r B A, and W has none", () => {
  scope(() => {
    manualSeed(1);
    const attention = adapted(new MultiHeadAttention(8, 2));
    for (const [name, { tensor }] of attention.namedParameters()) {
      if (!/\.[ab]$/.test(name)) tensor.setRequiresGrad(false);
    }
    const x = filled([3, 5, 8], 9);
    const upstream = filled([3, 5, 8], 10);
    backward(attention.forward(x), upstream);
    const found = adaptations(attention).flatMap(({ change }) => [change.a, change.b]);
    const gradients = found.map(({ tensor }) => tensor.grad!.toFloat32Array());
    assert.equal(attention.input.weight.tensor.grad, null);

    // The same by an explicit matrix in an attention without changes.
    const plain = new MultiHeadAttention(8, 2);
    for (const [name, parameter] of plain.namedParameters()) {
      parameter.assign(new Map(attention.namedState()).get(name)!);
    }
    const delta = (which: number): Tensor =>
      found[2 * which + 1]!.tensor.matmul(found[2 * which]!.tensor).mul(3);
    const rows = [delta(0), filled([8, 8], 0).mul(0), delta(1)];
    const { weight, bias } = attention.input;
    const matrices = rows.map((row, i) => weight.tensor.narrow(0, 8 * i, 8).add(row));
    const [q, k, v] = matrices.map((matrix, i) =>
      linear(x, matrix, bias.tensor.narrow(0, 8 * i, 8))
        .view(3, 5, 2, 4)
        .transpose(1, 2),
    ) as [Tensor, Tensor, Tensor];
    const mixed = q.mul(0.5).matmul(k.transpose(-2, -1)).softmax(-1).matmul(v);
    const output = plain.output.forward(mixed.transpose(1, 2).reshape(3, 5, 8));
    assertClose(attention.forward(x).toFloat32Array(), output.toFloat32Array(), {
      rtol: 1e-5,
      atol: 1e-6,
    });
    const leaves = found.map(({ tensor }) => tensor);
    for (const [i, wanted] of grad(output, leaves, { gradients: [upstream] }).entries()) {
      assertClose(
        gradients[i]!,
        wanted!.toFloat32Array(),
        { rtol: 1e-4, atol: 1e-5 },
        `gradient ${i}`,
      );
    }
    attention.dispose();
    plain.dispose();
  });
});

test("merged and apart are equal: in full, at one position, fused or not, with padding or causal", () => {
  const x = filled([3, 5, 8], 9);
  const padding = fromData(
    Uint8Array.from({ length: 15 }, (_, i) => Number(i % 5 > 3)),
    [3, 5],
  ).to("bool");
  for (const implementation of hasFusedAttention()
    ? (["fused", "composed"] as const)
    : (["composed"] as const)) {
    for (const causal of [false, true]) {
      scope(() => {
        const attention = adapted(
          new MultiHeadAttention(8, 2, { causal, implementation }),
          [0, 1, 2],
        );
        addLowRank([{ owner: attention.output, part: undefined }], { rank: 3, alpha: 1 });
        attention.output.change!.b.assign(filled([8, 3], 77));
        const outputs = (): Float32Array[] =>
          noGrad(() => [
            attention.forward(x).toFloat32Array(),
            attention.forward(x, padding).toFloat32Array(),
            attention.forwardAt(x, x.select(1, 2), { position: "last" }).toFloat32Array(),
            attention.forwardAt(x, x.select(1, 0), { position: "first", padding }).toFloat32Array(),
          ]);
        const apart = outputs();
        const named = new Map(
          [...mergedState(attention)].map(([name, t]) => [name, t.toFloat32Array()]),
        );
        const before = valuesOf(attention);
        mergeLowRank(attention);
        for (const [i, merged] of outputs().entries()) {
          assertClose(merged, apart[i]!, { rtol: 1e-6, atol: 1e-6 });
        }
        assert.deepEqual(valuesOf(attention), named);
        assert.deepEqual(before.get("input.bias"), named.get("input.bias"));
        assert.equal(lowRankNames(attention).size, 0);
        attention.dispose();
      });
    }
  }
});

test("dropout acts on the change alone, in training only", () => {
  scope(() => {
    const layer = new Linear(16, 16);
    addLowRank([{ owner: layer, part: undefined }], { rank: 4, alpha: 4, dropout: 0.5 });
    const x = filled([4, 16], 3);
    layer.train(true);
    const plain = linear(x, layer.weight.tensor, layer.bias!.tensor).toFloat32Array();
    assert.deepEqual(layer.forward(x).toFloat32Array(), plain);
    layer.change!.b.assign(filled([16, 4], 4));
    const [one, two] = [layer.forward(x).toFloat32Array(), layer.forward(x).toFloat32Array()];
    assert.notDeepEqual(one, two);
    layer.train(false);
    assert.deepEqual(layer.forward(x).toFloat32Array(), layer.forward(x).toFloat32Array());
    layer.dispose();
  });
});
