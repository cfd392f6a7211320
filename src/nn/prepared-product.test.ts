import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromData, manualSeed, noGrad, ones, randn, scope, type Tensor } from "../torch/index.ts";
import { operator } from "../torch/operators.ts";
import { callInPlace, callMany } from "../torch/tensor.ts";
import { availability } from "./precision.ts";
import { quantizedProduct } from "./prepared-product.ts";

const found = availability("int8");
const skip = found.has ? false : found.why;

/** Rows of a matrix as they are in JavaScript. */
function rowsOf(x: Tensor): number[][] {
  const [numbers, width] = [x.toFloat32Array(), x.size(-1)];
  return Array.from({ length: numbers.length / width }, (_, i) => [
    ...numbers.subarray(i * width, (i + 1) * width),
  ]);
}

/** The equation of `quantizedProduct` in float64, from weights and inputs as numbers. */
function reference(x: number[][], weight: number[][], bias: number[]): number[][] {
  const outputs = weight.map((row) => {
    const scale = Math.max(...row.map(Math.abs)) / 127;
    return { scale, levels: row.map((w) => Math.round(w / scale)) };
  });
  return x.map((row) => {
    const [least, greatest] = [Math.min(0, ...row), Math.max(0, ...row)];
    const scale = (greatest - least) / 255;
    const zero = Math.round(-least / scale);
    const levels = row.map((value) => Math.min(255, Math.max(0, Math.round(value / scale) + zero)));
    return outputs.map((output, o) => {
      const sum = levels.reduce(
        (total, q, i) => total + (q - zero) * (output.levels[i] as number),
        0,
      );
      return scale * output.scale * sum + (bias[o] as number);
    });
  });
}

describe("products of 8-bit integers", { skip }, () => {
  const [width, outputs] = [96, 40];

  function given(): { weight: Tensor; bias: Tensor; x: Tensor } {
    manualSeed(3);
    // Rows of very different sizes, and one of positive numbers only.
    const x = noGrad(() => {
      const sizes = fromData(new Float32Array([1, 1e-3, 50, 0.1, 2]), [5, 1]);
      const rows = randn([5, width]).mul(sizes);
      rows.select(0, 4).copy_(rows.select(0, 4).abs());
      return rows;
    });
    return { weight: randn([outputs, width]), bias: randn([outputs]), x };
  }

  it("are the equation's", () =>
    scope(() => {
      const { weight, bias, x } = given();
      const product = quantizedProduct(weight, bias, (tensor) => tensor.keep());
      const wanted = reference(rowsOf(x), rowsOf(weight), [...bias.toFloat32Array()]);
      const onto = randn([5, outputs]);
      const y = rowsOf(product(x));
      const after = rowsOf(product(x, { onto, activation: "relu" }));
      const other = rowsOf(onto);
      for (const [r, row] of wanted.entries()) {
        const size = Math.max(...row.map(Math.abs));
        for (const [o, value] of row.entries()) {
          // A value halfway between two levels may go either way in float32.
          const near = 2e-3 * size;
          assert.ok(Math.abs((y[r]?.[o] as number) - value) < near, `row ${r}, output ${o}`);
          const sum = Math.max(0, value + (other[r]?.[o] as number));
          assert.ok(Math.abs((after[r]?.[o] as number) - sum) < near);
        }
      }
    }));

  it("are near those of floats in every row, however large the rows beside it", () =>
    scope(() => {
      const { weight, x } = given();
      const y = rowsOf(quantizedProduct(weight, null, (tensor) => tensor.keep())(x));
      for (const [r, row] of rowsOf(x.matmul(weight.transpose(0, 1))).entries()) {
        const norm = Math.hypot(...row);
        const apart = Math.hypot(...row.map((value, o) => value - (y[r]?.[o] as number)));
        assert.ok(apart < 0.02 * norm, `row ${r}: ${apart / norm}`);
      }
    }));

  it("do not depend on the rest of a batch", () =>
    scope(() => {
      const { weight, bias, x } = given();
      const product = quantizedProduct(weight, bias, (tensor) => tensor.keep());
      const whole = rowsOf(product(x.view(1, 5, width)));
      for (let r = 0; r < 5; r++) {
        assert.deepEqual(rowsOf(product(x.narrow(0, r, 1))), [whole[r]]);
      }
    }));

  it("refuse numbers that are not finite, and scales for other rows", () =>
    scope(() => {
      const quantize = operator("limn::quantize_rows");
      for (const value of [NaN, Infinity, -Infinity]) {
        const x = ones([2, width]);
        x.select(1, 17).fill_(value);
        assert.throws(() => callMany(quantize, x), /Expected finite numbers for x/);
      }
      assert.throws(
        () => callMany(quantize, ones([2, 3]).to("int64")),
        /Expected float32 .* for x/,
      );
      const rescale = operator("limn::rescale_rows_");
      const attempt = (...operands: [Tensor, Tensor, Tensor, Tensor | null, Tensor | null]): void =>
        void callInPlace(rescale, ones([2, 4]), ...operands);
      const [two, four] = [ones([2]), ones([4])];
      assert.throws(
        () => attempt(four, two, four, null, null),
        /Expected 2 numbers for scales .* 4/,
      );
      assert.throws(() => attempt(two, two, two, null, null), /Expected 4 numbers for sums .* 2/);
      assert.throws(() => attempt(two, two, four, two, null), /Expected 4 numbers for bias .* 2/);
      assert.throws(() => attempt(two, two, four, null, two), /Expected y's shape for onto/);
    }));
});
