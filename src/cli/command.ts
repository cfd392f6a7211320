/** What a command of the command line is: its options, its help and the strict reading of both. */
import { parseArgs } from "node:util";
import { UsageError, didYouMean } from "../errors.ts";

export interface OptionSpec {
  readonly type: "string" | "boolean" | "number" | "integer";
  readonly help: string;
  /** What stands for the value in the help, such as `<folder>`. */
  readonly value?: string;
  readonly short?: string;
  /** The flag may be given several times. */
  readonly multiple?: boolean;
  readonly choices?: readonly string[];
  /** The smallest and the largest number that is taken. */
  readonly least?: number;
  readonly most?: number;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type Plain<S extends OptionSpec> = S["type"] extends "boolean"
  ? boolean
  : S["type"] extends "string"
    ? S extends { choices: readonly (infer C)[] }
      ? C
      : string
    : number;

/** The values of a command's options; a flag that was not given is absent. */
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]?: O[K] extends { multiple: true } ? Plain<O[K]>[] : Plain<O[K]>;
};

export interface Invocation<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  readonly operands: readonly string[];
  /** `--json`: standard output carries one JSON value and nothing else. */
  readonly json: boolean;
  /** Writes to standard output: `data` as JSON with `--json`, else the text. */
  readonly print: (text: string, data: unknown) => void;
  /** Writes a line about progress to standard error. */
  readonly note: (text: string) => void;
}

export interface CommandSpec<O extends OptionSpecs> {
  /** As it is typed, such as `data pack`. */
  readonly name: string;
  readonly summary: string;
  /** The operands: `<recipe>` is required, `[folder]` may be left out, `...` takes several. */
  readonly usage?: string;
  readonly options?: O;
  /** Lines as a user would type them. */
  readonly examples: readonly string[];
  /** Returns the exit code; none is 0. */
  run(invocation: Invocation<O>): Promise<number | void>;
}

/** A command with its options' types forgotten, as the table of commands holds it. */
export type Command = Omit<CommandSpec<OptionSpecs>, "run"> & {
  run(invocation: Invocation<never>): Promise<number | void>;
};

/** Defines a command; the types of `options` reach `run`. */
export function defineCommand<const O extends OptionSpecs>(spec: CommandSpec<O>): Command {
  return spec;
}

/** Options that every command takes. */
export const commonOptions: OptionSpecs = {
  json: { type: "boolean", help: "print the result as JSON" },
  debug: { type: "boolean", help: "show the stack of an error" },
  help: { type: "boolean", short: "h", help: "show this text" },
};

export interface ParsedCommandLine {
  options: Record<string, unknown>;
  operands: string[];
}

/**
 * Reads the arguments of a command.
 *
 * throws   UsageError for an unknown flag (with the nearest one), a missing or malformed value,
 *          a repeated flag and a wrong number of operands
 */
export function parseCommandLine(command: Command, args: readonly string[]): ParsedCommandLine {
  const specs: OptionSpecs = { ...commonOptions, ...command.options };
  const shapes = Object.entries(specs).map(([name, { type, short }]) => [
    name,
    { type: type === "boolean" ? "boolean" : "string", ...(short ? { short } : {}) } as const,
  ]);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(shapes) as Record<string, { type: "boolean" | "string" }>,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options: Record<string, unknown> = {};
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind === "option") assign(options, token, specs, command.name);
  }
  if (options["help"] !== true) checkOperands(command, operands);
  return { options, operands };
}

function assign(
  options: Record<string, unknown>,
  token: {
    name: string;
    rawName: string;
    value?: string | undefined;
    inlineValue?: boolean | undefined;
  },
  specs: OptionSpecs,
  command: string,
): void {
  const { name, rawName, value, inlineValue } = token;
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (!spec) {
    const near = didYouMean(
      rawName,
      Object.keys(specs).map((one) => `--${one}`),
    );
    throw new UsageError(`Unknown option ${rawName}.${near || ` See: limn ${command} --help`}`);
  }
  // parseArgs takes whatever follows as the value; another flag is not a value, but -3 is
  if (spec.type !== "boolean" && !inlineValue && /^-\D/.test(value ?? "")) {
    throw new UsageError(
      `Expected ${spec.value ?? "a value"} after ${rawName} but received ${value}.`,
    );
  }
  const read = readValue(rawName, spec, value);
  if (spec.multiple) options[name] = [...((options[name] as unknown[]) ?? []), read];
  else if (name in options) throw new UsageError(`Expected ${rawName} once but received it twice.`);
  else options[name] = read;
}

function readValue(flag: string, spec: OptionSpec, value: string | undefined): unknown {
  if (spec.type === "boolean") {
    if (value === undefined) return true;
    throw new UsageError(`Expected no value for ${flag} but received "${value}".`);
  }
  if (value === undefined || value === "") {
    throw new UsageError(`Expected ${spec.value ?? "a value"} after ${flag} but received nothing.`);
  }
  if (spec.choices && !spec.choices.includes(value)) {
    const near = didYouMean(value, spec.choices);
    throw new UsageError(
      `Expected one of ${spec.choices.join(", ")} for ${flag} but received "${value}".${near}`,
    );
  }
  if (spec.type === "string") return value;
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) {
    throw new UsageError(`Expected a number for ${flag} but received "${value}".`);
  }
  if (spec.type === "integer" && !Number.isSafeInteger(number)) {
    throw new UsageError(`Expected a whole number for ${flag} but received "${value}".`);
  }
  const { least = -Infinity, most = Infinity } = spec;
  if (number < least || number > most) {
    const bounds = most === Infinity ? `at least ${least}` : `from ${least} to ${most}`;
    throw new UsageError(`Expected a number ${bounds} for ${flag} but received ${number}.`);
  }
  return number;
}

function checkOperands({ name, usage = "" }: Command, operands: readonly string[]): void {
  const places = usage.split(/\s+/).filter(Boolean);
  const least = places.filter((place) => place.startsWith("<")).length;
  const most = usage.includes("...") ? Infinity : places.length;
  const missing = places[operands.length];
  if (operands.length < least) {
    throw new UsageError(`Expected ${missing} but received nothing; usage: limn ${name} ${usage}`);
  }
  // As an unset variable of a shell gives it: it would stand for the working folder.
  const empty = operands.indexOf("");
  if (empty >= 0) {
    const place = places[Math.min(empty, places.length - 1)];
    throw new UsageError(`Expected ${place} but received ""; usage: limn ${name} ${usage}`);
  }
  if (operands.length > most) {
    const extra = operands[places.length];
    throw new UsageError(`Unexpected argument "${extra}"; usage: limn ${name} ${usage}`.trimEnd());
  }
}
