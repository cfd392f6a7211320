import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pixelsAddon } from "../native-pixels.ts";
import {
  type Part,
  plainColumns,
  plainRows,
  resizeColumns,
  resizeRows,
  type Weights,
} from "./passes.ts";

const skip = pixelsAddon() === undefined && "setup did not build the addon";

/** Numbers from 0 to below 1, the same ones every time. */
function numbers(): () => number {
  let state = 7;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Weights of `outputs` among `inputs`, as large as any kernel's and larger, negative ones too. */
function anyWeights(next: () => number, inputs: number, outputs: number): Weights {
  const taps = 1 + Math.floor(next() * Math.min(inputs, 14));
  const precision = 8 + Math.floor(next() * 15);
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weight = new Int32Array(outputs * taps);
  for (let i = 0; i < outputs; i++) {
    count[i] = 1 + Math.floor(next() * taps);
    first[i] = Math.floor(next() * (inputs - (count[i] as number) + 1));
  }
  for (let i = 0; i < weight.length; i++) weight[i] = (next() - 0.4) * 2.4 * (1 << precision);
  return { first, count, weight, taps, precision };
}

/** A part in a larger array that ends right behind it. */
function anyPart(next: () => number): Part {
  const [width, height] = [1 + Math.floor(next() * 90), 1 + Math.floor(next() * 40)];
  const stride = width * 3 + Math.floor(next() * 9);
  const from = Math.floor(next() * 50);
  const data = new Uint8Array(from + (height - 1) * stride + width * 3);
  for (let i = 0; i < data.length; i++) data[i] = next() < 0.3 ? 255 : next() * 256;
  return { data, from, stride, width, height };
}

describe("the addon's passes", { skip }, () => {
  it("give the same bytes as the plain ones, for parts that end with their array", () => {
    const next = numbers();
    for (let i = 0; i < 400; i++) {
      const part = anyPart(next);
      const across = anyWeights(next, part.width, 1 + Math.floor(next() * 100));
      assert.deepEqual(resizeRows(part, across), plainRows(part, across), `rows ${i}`);
      const down = anyWeights(next, part.height, 1 + Math.floor(next() * 60));
      assert.deepEqual(resizeColumns(part, down), plainColumns(part, down), `columns ${i}`);
    }
  });
  it("refuse weights and parts that leave their arrays", () => {
    const data = new Uint8Array(4 * 5 * 3);
    const part = { data, from: 0, stride: 15, width: 5, height: 4 };
    const weights = {
      first: Int32Array.of(0, 3),
      count: Int32Array.of(2, 2),
      weight: new Int32Array(4),
      taps: 2,
      precision: 22,
    };
    assert.equal(resizeRows(part, weights).data.length, 4 * 2 * 3);
    const wrong: [Partial<Part>, Partial<Weights>][] = [
      [{ from: 1 }, {}],
      [{ from: -1 }, {}],
      [{ height: 5 }, {}],
      [{ stride: 16 }, {}],
      [{}, { first: Int32Array.of(0, 4) }],
      [{}, { first: Int32Array.of(-1, 0) }],
      [{}, { count: Int32Array.of(3, 2) }],
      [{}, { count: Int32Array.of(2) }],
      [{}, { count: Int32Array.of(0, 1) }],
      [{}, { weight: new Int32Array(3) }],
      [{}, { taps: 0 }],
      [{}, { precision: 23 }],
      [{}, { precision: 0 }],
    ];
    for (const [place, weight] of wrong) {
      const given = { ...part, ...place };
      assert.throws(() => resizeRows(given, { ...weights, ...weight }), /internal: resizeRows/);
    }
    const down = { ...weights, first: Int32Array.of(0, 3) };
    assert.throws(() => resizeColumns(part, down), /internal: resizeColumns/);
  });
});
