/** Compares the weights that a model needs with those that are there, and reports every difference. */
import { CheckpointError } from "../../errors.ts";

/** A weight that is there. */
export interface FoundWeight {
  readonly shape: readonly number[];
  /** False for integers and types that limn does not read. */
  readonly floating: boolean;
  /** The element type by name, for the message. */
  readonly storedAs: string;
}

/**
 * Holds when both sides have the same names, with equal shapes and floating-point numbers. One number
 * may be [] or [1]: libraries differ, and so do files of one library.
 *
 * file      named in the error
 * needed    shapes by name        found    what is there, by name
 * throws    one CheckpointError that lists every missing, unexpected and mis-shaped weight
 */
export function matchWeights(
  file: string,
  needed: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, FoundWeight>,
): void {
  const missing = [...needed.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !needed.has(name));
  const shapes: string[] = [];
  const types: string[] = [];
  for (const [name, shape] of needed) {
    const there = found.get(name);
    if (there === undefined) continue;
    if (!there.floating) types.push(`${name} is ${there.storedAs}`);
    const equal =
      shape.length === there.shape.length && shape.every((side, i) => side === there.shape[i]);
    if (!equal && !(isOneNumber(shape) && isOneNumber(there.shape)))
      shapes.push(`${name} expected ${show(shape)} received ${show(there.shape)}`);
  }
  const problems = [
    list("missing", missing),
    list("unexpected", unexpected),
    list("mis-shaped", shapes),
    list("not floating-point", types),
  ].filter((text) => text !== "");
  if (problems.length === 0) return;
  throw new CheckpointError(
    file,
    `Expected the weights of the configured model for ${file} but received others; load it with ` +
      `its own config.json, and nothing was changed.\n${problems.join("\n")}`,
  );
}

function isOneNumber(shape: readonly number[]): boolean {
  return shape.length === 0 || (shape.length === 1 && shape[0] === 1);
}

function show(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

function list(what: string, lines: readonly string[]): string {
  return lines.length === 0
    ? ""
    : `  ${lines.length} ${what}:\n${lines.map((line) => `    ${line}`).join("\n")}`;
}
