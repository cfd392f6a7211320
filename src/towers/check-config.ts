/** What towers refuse: configurations, which may come from a file, and pixels of another shape. */
import { didYouMean, ShapeError } from "../errors.ts";
import { activationNames } from "../nn/activation.ts";
import type { Tensor } from "../torch/index.ts";
import { initializations } from "./big-vision-defaults.ts";

/** Throws RangeError, with the field's name, unless `value` is one of `choices` or absent. */
export function checkChoice(
  name: string,
  value: string | undefined,
  choices: readonly string[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw new RangeError(
    `Expected one of ${choices.join(", ")} for ${name} but received "${value}";` +
      (didYouMean(value, choices) || " choose one of them"),
  );
}

interface TransformerSizes {
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: string;
  initialization?: string;
}

/** Throws RangeError for what no transformer tower can have. */
export function checkTransformer(config: TransformerSizes): void {
  const { width, depth, heads, mlpWidth } = config;
  checkSizes({ width, depth, heads, mlpWidth });
  checkChoice("activation", config.activation, activationNames);
  checkChoice("initialization", config.initialization, initializations);
}

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
