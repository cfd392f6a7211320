/**
 * Checks weights: whether those that a model needs are there, and whether all of them are finite
 * numbers. Reports every difference at once.
 */
import { CheckpointError } from "../../errors.ts";
import {
  callMany,
  dtypeBytes,
  isFloating,
  noGrad,
  operator,
  scope,
  type DType,
  type Tensor,
} from "../../torch/index.ts";

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
  // What is left is right, in numbers that limn has no operators for.
  if (missing.length + unexpected.length + shapes.length === 0)
    throw unreadType(file, needed, found);
  throw new CheckpointError(
    file,
    `Expected the weights of the configured model for ${file} but received others; load it with ` +
      `its own config.json, and nothing was changed.\n${problems.join("\n")}`,
  );
}

function unreadType(
  file: string,
  needed: ReadonlyMap<string, unknown>,
  found: ReadonlyMap<string, FoundWeight>,
): CheckpointError {
  const others = [...needed.keys()].filter((name) => found.get(name)?.floating === false);
  const [first = ""] = others;
  const types = new Set(others.map((name) => found.get(name)?.storedAs));
  return new CheckpointError(
    file,
    `Expected weights in float32, float16, bfloat16 or float64 in ${file} but received ` +
      `${others.length} in ${[...types].join(", ")}, ${first} among them; other types and quantized ` +
      "weights are not supported: save the model in one of the four",
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

/**
 * The names of the tensors that hold NaN or an infinity: one reduction each, as the
 * least and the largest element are NaN where any element is, and infinite where one is. Only 16-bit
 * types are copied, one tensor at a time.
 *
 * entries  borrowed; integers are skipped
 */
export function nonFiniteNames(entries: Iterable<readonly [string, Tensor]>): string[] {
  const names: string[] = [];
  for (const [name, tensor] of entries) {
    if (!isFloating(tensor.dtype) || tensor.count === 0) continue;
    if (!allFinite(tensor)) names.push(name);
  }
  return names;
}

/** Throws CheckpointError that names the file and every weight that holds NaN or an infinity. */
export function checkFinite(file: string, entries: Iterable<readonly [string, Tensor]>): void {
  const names = nonFiniteNames(entries);
  if (names.length === 0) return;
  throw new CheckpointError(
    file,
    `Expected finite weights in ${file} but ${names.length} hold NaN or infinities; the run that ` +
      `wrote them has diverged, or the file is damaged: use an earlier one.\n` +
      names.map((name) => `    ${name}`).join("\n"),
  );
}

function allFinite(tensor: Tensor): boolean {
  return extremes(tensor).every(Number.isFinite);
}

/** The least and the largest element. */
function extremes(tensor: Tensor): number[] {
  return scope(() => {
    // libtorch 1.13 has no extrema of 16-bit types on the CPU.
    const numbers = dtypeBytes(tensor.dtype) < 4 ? tensor.detach().to("float32") : tensor;
    return noGrad(() => callMany(aminmax, numbers)).map((end) => end.item());
  });
}

/** The largest finite number of each type that weights are written in. */
const largest: Partial<Record<DType, string>> = {
  float16: "65504",
  bfloat16: "3.39e38",
  float32: "3.40e38",
};

/**
 * A weight in the floating-point type `dtype`; integers stay as they are.
 *
 * file     of the weight, for messages
 * throws   CheckpointError naming the weight where a finite number of it is beyond that type
 */
export function inType(file: string, name: string, tensor: Tensor, dtype: DType): Tensor {
  if (!isFloating(tensor.dtype) || tensor.dtype === dtype) return tensor;
  const cast = noGrad(() => tensor.detach().to(dtype));
  if (tensor.count === 0 || allFinite(cast)) return cast;
  const [low = NaN, high = NaN] = extremes(tensor);
  // What was not finite before is for the readers of the weights to refuse.
  if (!Number.isFinite(low) || !Number.isFinite(high)) return cast;
  const value = Math.abs(low) > Math.abs(high) ? low : high;
  const wider = dtype === "float16" ? "bfloat16 or float32" : "a wider type";
  throw new CheckpointError(
    file,
    `Expected numbers up to ${largest[dtype] ?? "its largest"}, the largest of ${dtype}, for ${name} ` +
      `in ${file} but received ${Number(value.toPrecision(7))}; choose ${wider} (nothing was written)`,
  );
}

const aminmax = operator("aminmax");
