import { DataError } from "../../errors.ts";

/** One step of a tokenizer.json: its type, and options that depend on it. */
export interface StepConfig {
  type: string;
  [option: string]: unknown;
}

/** The steps of a `Sequence`. */
export function stepsOf(config: StepConfig, key: string): StepConfig[] {
  const steps = config[key];
  return Array.isArray(steps) ? (steps as StepConfig[]) : [];
}

/** Fails for a step that is not known here: ids would be wrong without it. */
export function unsupported(what: string, type: string): never {
  throw new DataError(
    `Expected a known ${what} in the tokenizer.json but received "${type}"; save the tokenizer ` +
      `with steps that Hugging Face's tokenizers.js knows too.`,
    { source: "tokenizer.json" },
  );
}

/** An option that is text, or what stands for it when it is left out. */
export function textOption(config: StepConfig, name: string, otherwise: string): string {
  const value = config[name];
  return typeof value === "string" ? value : otherwise;
}
