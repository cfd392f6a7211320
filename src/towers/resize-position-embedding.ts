/**
 * Tables of learned positions for another image size or context length, as open_clip resizes them
 * when it loads weights (model.py, `resize_pos_embed` and `resize_text_pos_embed`).
 */
import { ShapeError } from "../errors.ts";
import { call, cat, noGrad, operator, scope, type Tensor } from "../torch/index.ts";

interface GridOptions {
  /** Rows at the start that are no place of the grid, kept as they are: a class or a mean token. */
  leading?: number;
}

/**
 * Image positions on another grid, by antialiased bicubic interpolation. Also the table of attention
 * pooling (`leading: 1`).
 *
 * table     [leading + G^2, W], row by row
 * side      places along a side of the new grid: imageSize / patchSize
 * leading   1 with a class token (the default), 0 without
 * returns   [leading + side^2, W] in the table's type; the same numbers where the grid fits already
 * throws    ShapeError where the rows are no square grid; RangeError for a side below 1
 */
export function resizeImagePositionEmbedding(
  table: Tensor,
  side: number,
  { leading = 1 }: GridOptions = {},
): Tensor {
  checkCount("side", side);
  const [rows, width] = matrix(table);
  const old = Math.sqrt(rows - leading);
  if (!Number.isInteger(old) || old === 0) {
    throw new ShapeError(
      `Expected ${leading} + G x G rows for the table of positions but received ${rows}; ` +
        "say how many leading rows it has",
    );
  }
  if (old === side) return noGrad(() => table.clone());
  return scope(() =>
    noGrad(() => {
      const places = table.narrow(0, leading, old * old).to("float32");
      const grid = places.reshape(1, old, old, width).permute(0, 3, 1, 2);
      const resized = resizeGrid(grid, [side, side], "bicubic");
      const flat = resized
        .permute(0, 2, 3, 1)
        .reshape(side * side, width)
        .to(table.dtype);
      return leading === 0 ? flat : cat([table.narrow(0, 0, leading), flat]);
    }),
  );
}

/**
 * Antialiased interpolation between places of a grid, as torch's `interpolate(antialias=True)`. To one
 * column in two steps, rows first: libtorch 2.15 resizes rows wrongly once a single column is left.
 *
 * grid      float [N, W, rows, columns]
 * returns   [N, W, rows', columns']
 */
export function resizeGrid(
  grid: Tensor,
  [rows, columns]: readonly [number, number],
  interpolation: "bilinear" | "bicubic",
): Tensor {
  const op = interpolation === "bicubic" ? bicubic : bilinear;
  const tall = columns === 1 ? call(op, grid, [rows, grid.size(3)], false, null, null) : grid;
  return call(op, tall, [rows, columns], false, null, null);
}

/**
 * Text positions for another context length, by linear interpolation. A table that is only to be
 * read at fewer places (BERT's, whose texts have different lengths) is better cut to its first rows.
 *
 * table           [T, W]
 * returns         [contextLength, W] in the table's type
 * throws          RangeError for a contextLength below 1
 */
export function resizeTextPositionEmbedding(table: Tensor, contextLength: number): Tensor {
  checkCount("contextLength", contextLength);
  const [rows] = matrix(table);
  if (rows === contextLength) return noGrad(() => table.clone());
  return scope(() =>
    noGrad(() => {
      const line = table.to("float32").t().unsqueeze(0);
      const resized = call(linear1d, line, [contextLength], false, null);
      return resized.squeeze(0).t().contiguous().to(table.dtype);
    }),
  );
}

function matrix(table: Tensor): readonly [number, number] {
  const [rows, width] = table.shape;
  if (table.rank === 2 && rows !== undefined && width !== undefined) return [rows, width];
  throw new ShapeError(
    `Expected [places, width] for the table of positions but received [${table.shape.join(", ")}]; ` +
      "leave out its dimension of size 1",
  );
}

function checkCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RangeError(
    `Expected a whole number of at least 1 for ${name} but received ${value}; give the new size`,
  );
}

// These fail with the operator's name and what to do where a libtorch is too old to have them.
const bicubic = operator("_upsample_bicubic2d_aa");
const bilinear = operator("_upsample_bilinear2d_aa");
const linear1d = operator("upsample_linear1d");
