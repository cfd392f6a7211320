import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  autocast,
  backward,
  fromData,
  hasFusedAttention,
  manualSeed,
  randn,
  scope,
  type Tensor,
} from "../torch/index.ts";
import { MultiHeadAttention } from "./attention.ts";
import type { Module } from "./module.ts";
import { Block, PostNormBlock, runAll, runPooled } from "./transformer.ts";

const [n, t, width, heads] = [3, 7, 12, 3];

function input(): Tensor {
  manualSeed(2);
  return randn([n, t, width]);
}

/** Output of `body` on the same input, and the gradients of input and parameters. */
function run(module: Module, body: (x: Tensor) => Tensor): Float64Array[] {
  return scope(() => {
    module.zeroGrad();
    const x = input().setRequiresGrad(true);
    const y = body(x);
    manualSeed(8);
    backward(y, randn(y.shape));
    const gradients = module.parameters().map(({ tensor }) => tensor.grad as Tensor);
    return [y, x.grad as Tensor, ...gradients].map((tensor) => tensor.toFloat64Array());
  });
}

function assertSame(actual: Float64Array[], expected: Float64Array[]): void {
  assert.equal(actual.length, expected.length);
  // float32 sums of a few dozen terms in another order
  for (const [i, values] of expected.entries()) {
    assertClose(actual[i] ?? [], values, { rtol: 1e-4, atol: 1e-5 }, `tensor ${i}`);
  }
}

/** Attention written out for one query, in float64, from the definition. */
function naive(module: MultiHeadAttention, causal: boolean): number[] {
  const x = input().toFloat64Array();
  const [w, b, wo, bo] = module.parameters().map(({ tensor }) => tensor.toFloat64Array()) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const headWidth = width / heads;
  const project = (row: number, out: number): number => {
    let sum = b[out] as number;
    for (let i = 0; i < width; i++) sum += (w[out * width + i] ?? 0) * (x[row * width + i] ?? 0);
    return sum;
  };
  const result: number[] = [];
  for (let sample = 0; sample < n; sample++) {
    for (let position = 0; position < t; position++) {
      const mixed: number[] = [];
      for (let channel = 0; channel < width; channel++) {
        const head = Math.floor(channel / headWidth);
        const seen = Array.from({ length: causal ? position + 1 : t }, (_, i) => i);
        const scores = seen.map((other) => {
          let dot = 0;
          for (let i = head * headWidth; i < (head + 1) * headWidth; i++) {
            dot += project(sample * t + position, i) * project(sample * t + other, width + i);
          }
          return Math.exp(dot / Math.sqrt(headWidth));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        const values = seen.map((other) => project(sample * t + other, 2 * width + channel));
        mixed.push(values.reduce((sum, v, i) => sum + (v * (scores[i] ?? 0)) / total, 0));
      }
      for (let out = 0; out < width; out++) {
        const terms = mixed.map((value, i) => value * (wo[out * width + i] ?? 0));
        result.push(terms.reduce((sum, value) => sum + value, bo[out] ?? 0));
      }
    }
  }
  return result;
}

describe("multi-head attention", () => {
  it("refuses heads that do not divide the width", () => {
    assert.throws(() => new MultiHeadAttention(10, 3), {
      name: "RangeError",
      message: "Expected heads to divide width 10 but received 3; choose another number",
    });
  });
  for (const causal of [false, true]) {
    const kind = causal ? "causal" : "bidirectional";
    it(`composed is the definition, ${kind}`, () => {
      manualSeed(1);
      const module = new MultiHeadAttention(width, heads, { causal, implementation: "composed" });
      const [output] = run(module, (x) => module.forward(x));
      assertClose(output ?? [], naive(module, causal), { rtol: 1e-4, atol: 1e-6 });
    });
    const skip = hasFusedAttention() ? false : "this libtorch has no fused attention operator";
    it(`fused equals composed, output and gradients, ${kind}`, { skip }, () => {
      const [fused, composed] = (["fused", "composed"] as const).map((implementation) => {
        manualSeed(1);
        const module = new MultiHeadAttention(width, heads, { causal, implementation });
        return run(module, (x) => module.forward(x));
      });
      assertSame(fused ?? [], composed ?? []);
    });
  }
});

describe("attention in bfloat16 on the CPU", () => {
  const skip = hasFusedAttention() ? false : "this libtorch has no fused attention operator";

  type Implementation = "auto" | "fused" | "composed";
  function outputs(implementation: Implementation, training: boolean): Float64Array[] {
    manualSeed(1);
    const module = new MultiHeadAttention(width, heads, { causal: true, implementation });
    module.train(training);
    return run(module, (x) => autocast("cpu", () => module.forward(x)));
  }

  it("composes in training, where the fused operator is slow, and only there", { skip }, () => {
    assert.deepEqual(outputs("auto", true), outputs("composed", true));
    assert.deepEqual(outputs("auto", false), outputs("fused", false));
    assert.notDeepEqual(outputs("composed", true), outputs("fused", true));
  });

  it("is near float32, output and gradients", () => {
    manualSeed(1);
    const module = new MultiHeadAttention(width, heads, { causal: true });
    const exact = run(module, (x) => module.forward(x));
    for (const [i, values] of outputs("auto", true).entries()) {
      // A bfloat16 keeps 8 bits, and a gradient is a sum of products of such.
      const size = Math.max(...(exact[i] ?? []).map(Math.abs));
      assertClose(values, exact[i] ?? [], { rtol: 0, atol: 0.02 * size }, `tensor ${i}`);
    }
  });
});

describe("attention with padding", () => {
  // Every row keeps its first position; the second has no padding.
  const rows = [3, 7, 1].map((length) =>
    Array.from({ length: t }, (_, i) => (i >= length ? 1 : 0)),
  );
  const padding = (): Tensor => fromData(Uint8Array.from(rows.flat()), [n, t]).to("bool");
  for (const causal of [false, true]) {
    const kind = causal ? "causal" : "bidirectional";
    const make = (implementation: "fused" | "composed"): MultiHeadAttention => {
      manualSeed(1);
      return new MultiHeadAttention(width, heads, { causal, implementation });
    };
    it(`equals attention over the row without its padding, ${kind}`, () => {
      const module = make("composed");
      scope(() => {
        const whole = module.forward(input(), padding());
        for (const [i, length] of [3, 7, 1].entries()) {
          const alone = module.forward(input().narrow(0, i, 1).narrow(1, 0, length));
          const part = whole.narrow(0, i, 1).narrow(1, 0, length);
          assertSame([part.toFloat64Array()], [alone.toFloat64Array()]);
        }
      });
    });
    const skip = hasFusedAttention() ? false : "this libtorch has no fused attention operator";
    it(`fused equals composed, output and gradients, ${kind}`, { skip }, () => {
      const [fused, composed] = (["fused", "composed"] as const).map((implementation) => {
        const module = make(implementation);
        return run(module, (x) => module.forward(x, padding()));
      });
      assertSame(fused ?? [], composed ?? []);
    });
    for (const place of ["first", "last"] as const) {
      it(`at the ${place} position equals the whole, ${kind}`, () => {
        const shape = {
          width,
          heads,
          mlpWidth: 20,
          activation: "gelu",
          normEpsilon: 1e-5,
        } as const;
        for (const Kind of [Block, PostNormBlock]) {
          manualSeed(1);
          const block = new Kind({ ...shape, causal });
          const options = { checkpointing: false, padding: padding() };
          const at = place === "first" ? 0 : t - 1;
          assertSame(
            run(block, (x) => runPooled([block], x, place, options)),
            run(block, (x) => runAll([block], x, options).select(1, at)),
          );
        }
      });
    }
  }
});

describe("a block at one position per row", () => {
  const positions: [string, number[] | "first" | "last"][] = [
    ["different positions", [6, 0, 3]],
    ["the first position", "first"],
    ["the last position", "last"],
  ];
  for (const causal of [false, true]) {
    for (const [what, places] of positions) {
      it(`equals the whole block, ${causal ? "causal" : "bidirectional"}, ${what}`, () => {
        manualSeed(1);
        const shape = {
          width,
          heads,
          mlpWidth: 20,
          activation: "gelu",
          normEpsilon: 1e-5,
        } as const;
        const block = new Block({ ...shape, causal });
        const named = typeof places === "string";
        const chosen = named ? new Array<number>(n).fill(places === "first" ? 0 : t - 1) : places;
        const at = named ? places : fromData(BigInt64Array.from(chosen, BigInt), [n]);
        const rows = (y: Tensor): Tensor => {
          const index = fromData(BigInt64Array.from(chosen, BigInt), [n, 1, 1]);
          return y.gather(1, index.expand(n, 1, width)).squeeze(1);
        };
        const options = { checkpointing: false };
        const pooled = run(block, (x) => runPooled([block], x, at, options));
        assertSame(
          pooled,
          run(block, (x) => rows(block.forward(x))),
        );
      });
    }
  }
});
