/** Reads the elements of one weight from where they lie, in whatever order and type. */
import { ShapeError } from "../../errors.ts";
import {
  call,
  dtypeBytes,
  empty,
  noGrad,
  operator,
  scope,
  type DType,
  type Tensor,
} from "../../torch/index.ts";
import type { ByteSource } from "./byte-source.ts";

export interface StoredArray {
  readonly source: ByteSource;
  /** Bytes before the first element. */
  readonly position: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements, one per side; row-major when absent. Never negative. */
  readonly strides?: readonly number[] | undefined;
}

/** One place along the first side, which `checkPlace` knows. */
export function layerOf(stored: StoredArray, at: number): StoredArray {
  const { position, dtype, shape, strides } = stored;
  const [step = 0, ...steps] = strides ?? rowMajor(shape);
  return {
    ...stored,
    position: position + at * step * dtypeBytes(dtype),
    shape: shape.slice(1),
    strides: strides && steps,
  };
}

/** A new contiguous tensor of the stored type. */
export function readArray(stored: StoredArray): Tensor {
  const { source, position, dtype, shape } = stored;
  if (!isRowMajor(stored)) return scope(() => gather(stored).contiguous());
  const made = empty(shape, { dtype });
  if (made.count > 0) source.fill(made, position);
  return made;
}

/**
 * Fills `target`. Row-major elements of its own type go straight to its memory; those of another
 * type pass through a few MB.
 */
export function readArrayInto(stored: StoredArray, target: Tensor): void {
  const { source, position, dtype } = stored;
  const { count } = target;
  if (count === 0) return;
  scope(() => {
    const into = target.detach();
    if (!isRowMajor(stored)) noGrad(() => into.copy_(gather(stored)));
    else if (dtype === target.dtype && target.device === "cpu") source.fill(into, position);
    else {
      const flat = into.view(-1);
      const most = Math.min(count, stagingElements);
      const staging = empty([most], { dtype });
      for (let at = 0; at < count; at += most) {
        const length = Math.min(most, count - at);
        scope(() => {
          const part = staging.narrow(0, 0, length);
          source.fill(part, position + at * dtypeBytes(dtype));
          noGrad(() => flat.narrow(0, at, length).copy_(part));
        });
      }
    }
  });
}

/** 4 to 16 MB: large enough that the calls cost nothing. */
const stagingElements = 1 << 21;

/** Throws ShapeError unless `target` can take elements of this shape as they come. */
export function checkTarget(name: string, shape: readonly number[], target: Tensor): void {
  if (shape.join() === target.shape.join()) return;
  throw new ShapeError(
    `Expected a tensor [${shape.join(", ")}] to read ${name} into but received ` +
      `[${target.shape.join(", ")}]; make it of the weight's shape`,
  );
}

/** Throws RangeError unless a weight of this shape has this place along its first side. */
export function checkPlace(name: string, shape: readonly number[], at: number): void {
  const [count = 0] = shape;
  if (Number.isInteger(at) && at >= 0 && at < count) return;
  throw new RangeError(
    `Expected a place from 0 to ${count - 1} of ${name} [${shape.join(", ")}] but received ${at}; ` +
      "ask info for its shape",
  );
}

/** Elements between the first and the last that the strides reach, both included. */
export function extent(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((reach, side, i) => reach + (side - 1) * (strides[i] ?? 0), 1);
}

/** Row-major strides of a shape. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (const side of shape.toReversed()) {
    strides.unshift(step);
    step *= Math.max(side, 1);
  }
  return strides;
}

function isRowMajor({ shape, strides }: StoredArray): boolean {
  if (strides === undefined || shape.includes(0)) return true;
  const expected = rowMajor(shape);
  return shape.every((side, i) => side === 1 || strides[i] === expected[i]);
}

/** A view of what the strides reach, which is read as one piece. */
function gather({ source, position, dtype, shape, strides = [] }: StoredArray): Tensor {
  const piece = empty([extent(shape, strides)], { dtype });
  source.fill(piece, position);
  return call(asStrided, piece, shape, strides, 0);
}

const asStrided = operator("as_strided");
