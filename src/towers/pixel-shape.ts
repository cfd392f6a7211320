/** What image towers refuse: pixels of another shape, and sizes that no tower can have. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../torch/index.ts";

/** Throws ShapeError unless `pixels` is [N, 3, side, side]. */
export function checkPixels(pixels: Tensor, side: number): void {
  if (pixels.rank === 4 && pixels.shape.slice(1).join() === `3,${side},${side}`) return;
  throw new ShapeError(
    `Expected pixels [N, 3, ${side}, ${side}] for imageTower but received ` +
      `[${pixels.shape.join(", ")}]; resize the pictures to ${side} x ${side}`,
  );
}

/** Throws RangeError, with the field's name, for one that is no whole number of at least 1. */
export function checkSizes(sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= 1) continue;
    throw new RangeError(
      `Expected a whole number of at least 1 for ${name} but received ${size}; choose another size`,
    );
  }
}

/** Throws RangeError unless `value` is in [0, 1). */
export function checkProbability(name: string, value: number): void {
  if (value >= 0 && value < 1) return;
  throw new RangeError(
    `Expected at least 0 and less than 1 for ${name} but received ${value}; choose another`,
  );
}

/** Throws RangeError, with the field's name, for one that `unit` does not divide. */
export function checkMultiple(sizes: Readonly<Record<string, number>>, unit: number): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (size % unit === 0) continue;
    throw new RangeError(
      `Expected a multiple of ${unit} for ${name} but received ${size}; choose another size`,
    );
  }
}
