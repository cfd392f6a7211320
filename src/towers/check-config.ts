/** What towers refuse in their configurations, which may come from a file. */
import { didYouMean } from "../errors.ts";
import { activationNames } from "../nn/activation.ts";
import { checkSizes } from "./pixel-shape.ts";

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

export interface TransformerSizes {
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
  checkChoice("initialization", config.initialization, ["clip", "bigVision"]);
}
