/** Antialiased interpolation of a grid against its definition in float64, also to one row or column. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { backward, fromData, noGrad, randn, scope, type Tensor } from "../torch/index.ts";
import { resizeGrid, resizeImagePositionEmbedding } from "./resize-position-embedding.ts";

type Interpolation = "bilinear" | "bicubic";

const radius = { bilinear: 1, bicubic: 2 };

/** The triangle, and Keys' cubic with a = -1/2, as Pillow and torch have them where they antialias. */
function kernel(interpolation: Interpolation, t: number): number {
  const x = Math.abs(t);
  if (interpolation === "bilinear") return Math.max(0, 1 - x);
  if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

/** The weights of `from` places in each of `to` places; rows sum to 1. */
function weights(from: number, to: number, interpolation: Interpolation): number[][] {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const row = Array.from({ length: from }, (_, j) => {
      const reach = radius[interpolation] * wide;
      const [first, end] = [Math.trunc(centre - reach + 0.5), Math.trunc(centre + reach + 0.5)];
      if (j < Math.max(0, first) || j >= end) return 0;
      return kernel(interpolation, (j + 0.5 - centre) / wide);
    });
    const sum = row.reduce((total, weight) => total + weight, 0);
    return row.map((weight) => weight / sum);
  });
}

/** [rows, columns, W] -> [rows', columns', W], both row-major. */
function naive(
  table: Float64Array,
  [rows, columns, width]: readonly [number, number, number],
  [high, wide]: readonly [number, number],
  interpolation: Interpolation,
): Float64Array {
  const [down, across] = [
    weights(rows, high, interpolation),
    weights(columns, wide, interpolation),
  ];
  const result = new Float64Array(high * wide * width);
  for (const [y, vertical] of down.entries()) {
    for (const [x, horizontal] of across.entries()) {
      for (let i = 0; i < rows * columns; i++) {
        const weight = (vertical[Math.trunc(i / columns)] ?? 0) * (horizontal[i % columns] ?? 0);
        for (let c = 0; c < width; c++) {
          result[(y * wide + x) * width + c]! += weight * (table[i * width + c] ?? 0);
        }
      }
    }
  }
  return result;
}

function gradientOf(table: Tensor): Float64Array {
  return (table.grad as Tensor).toFloat64Array();
}

const limits = { rtol: 1e-4, atol: 1e-5 };
const grids = [
  [1, 1],
  [5, 1],
  [20, 1],
  [100, 1],
  [1, 5],
  [1, 20],
  [3, 4],
  [16, 2],
  [6, 6],
] as const;

for (const interpolation of ["bilinear", "bicubic"] as const) {
  test(`${interpolation} resizing of a grid is what its definition gives, to a line too`, () => {
    for (const [rows, columns, width] of [
      [6, 6, 1],
      [6, 6, 5],
      [4, 9, 3],
      [1, 1, 2],
    ] as const) {
      for (const grid of grids) {
        scope(() => {
          const table = randn([rows * columns, width]).setRequiresGrad(true);
          const places = table.reshape(1, rows, columns, width).permute(0, 3, 1, 2);
          // The memory's order must not matter.
          for (const input of [places, places.contiguous()]) {
            const resized = resizeGrid(input, grid, interpolation).permute(0, 2, 3, 1);
            const wanted = naive(
              table.toFloat64Array(),
              [rows, columns, width],
              grid,
              interpolation,
            );
            const name = `${rows} x ${columns} of ${width} to ${grid.join(" x ")}`;
            assert.deepEqual(resized.shape, [1, ...grid, width]);
            assertClose(resized.toFloat64Array(), wanted, limits, name);
            // The gradient of the sum is what each place weighs in all.
            table.grad = null;
            backward(resized.sum());
            const sums = naiveSums([rows, columns], grid, interpolation, width);
            assertClose(gradientOf(table), sums, limits, `gradient of ${name}`);
          }
        });
      }
    }
  });
}

function naiveSums(
  [rows, columns]: readonly [number, number],
  [high, wide]: readonly [number, number],
  interpolation: Interpolation,
  width: number,
): Float64Array {
  const total = (matrix: number[][], place: number): number =>
    matrix.reduce((sum, row) => sum + (row[place] ?? 0), 0);
  const [down, across] = [
    weights(rows, high, interpolation),
    weights(columns, wide, interpolation),
  ];
  return Float64Array.from({ length: rows * columns * width }, (_, i) => {
    const place = Math.trunc(i / width);
    return total(down, Math.trunc(place / columns)) * total(across, place % columns);
  });
}

test("a table of positions for a picture of one patch is the definition's", () => {
  scope(() =>
    noGrad(() => {
      const table = Float64Array.from({ length: 16 * 3 }, (_, i) => Math.sin(i * i));
      const resized = resizeImagePositionEmbedding(fromData(Float32Array.from(table), [16, 3]), 1, {
        leading: 0,
      });
      const wanted = naive(table, [4, 4, 3], [1, 1], "bicubic");
      assertClose(resized.toFloat64Array(), wanted, limits, "positions");
    }),
  );
});
