/** The steps of a tokenizer.json as the file has them, unchecked, and checks that they share. */
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

/** The greatest id that rows of 32-bit integers can hold. */
const greatestId = 2 ** 31 - 1;

/** An id as a file has it; throws a TypeError for anything else. */
export function checkId(id: unknown): number {
  if (Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) <= greatestId) return Number(id);
  throw new TypeError(`the id ${JSON.stringify(id ?? null).slice(0, 40)}`);
}

/** The post-processor that puts the end of text behind the ids, and the start, if any, in front. */
export function postProcessor(
  ends: readonly string[],
  idOf: (token: string) => number,
): StepConfig {
  const special = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  const sequence = (id: string): object => ({ Sequence: { id, type_id: 0 } });
  const start = ends.slice(0, -1).map(special);
  const end = ends.slice(-1).map(special);
  return {
    type: "TemplateProcessing",
    single: [...start, sequence("A"), ...end],
    pair: [...start, sequence("A"), sequence("B"), ...end],
    special_tokens: Object.fromEntries(
      ends.map((name) => [name, { id: name, ids: [idOf(name)], tokens: [name] }]),
    ),
  };
}
