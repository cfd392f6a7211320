/**
 * The path to libtorch's operators: looked up by name and overload once, called with arguments in
 * the schema's order. Knows nothing of what an operator computes.
 */
import { didYouMean, NativeError, StorageError } from "../errors.ts";
import { addon, type NativeArgument, type NativeResult } from "./binding.ts";
import { shown } from "./dtype.ts";
import { reasonOf } from "./native-reason.ts";
import { writeCall } from "./operand-words.ts";
import { TensorHandle } from "./tensor-handle.ts";

/** Anything an operator takes; undefined stands for the schema's default. */
export type OperatorArgument =
  | TensorHandle
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined
  | readonly (TensorHandle | number | boolean | null)[];

/** One operator of libtorch, looked up on first use. */
export interface Operator {
  readonly name: string;
  readonly overload: string;
  /** Index in the addon's table, -1 where this libtorch lacks it, undefined before the look-up. */
  index: number | undefined;
}

/** Names an operator, such as `operator("add", "Tensor")` for `aten::add.Tensor`. */
export function operator(name: string, overload = ""): Operator {
  return { name: name.includes("::") ? name : `aten::${name}`, overload, index: undefined };
}

/** True where this libtorch has the operator; callers fall back to a composed form otherwise. */
export function hasOperator(op: Operator): boolean {
  op.index ??= addon().findOperator(op.name, op.overload);
  return op.index >= 0;
}

/** The operator's schema as libtorch prints it. */
export function operatorSchema(op: Operator): string {
  return addon().operatorSchema(resolve(op));
}

/** The names of all operators of this libtorch with their overloads: `aten::add.Tensor`. */
export function operatorNames(): string[] {
  return addon().operatorNames();
}

function resolve(op: Operator): number {
  if (hasOperator(op)) return op.index as number;
  const name = fullName(op);
  throw new NativeError(
    name,
    `Expected libtorch ${addon().libtorchVersion()} to have the operator ${name} but it does not; ` +
      `use a newer libtorch (limn doctor says which one is in use).${hint(op)}`,
  );
}

function hint(op: Operator): string {
  const names = operatorNames().sort();
  const overloads = names.filter((name) => name === op.name || name.startsWith(`${op.name}.`));
  if (overloads.length === 0) return didYouMean(op.name, names);
  const shown = overloads.map((name) => `"${name.slice(op.name.length + 1)}"`).sort();
  return ` It has the overloads ${shown.join(", ")} of ${op.name}.`;
}

/** Calls an operator; the results are handles that nobody owns yet. */
export function invoke(op: Operator, operands: readonly OperatorArgument[]): NativeResult {
  const index = resolve(op);
  try {
    if (writeCall(index, operands)) {
      const result = addon().callWords();
      if (result !== false) return result;
    }
    return addon().callOperator(index, ...nativeOperands(op, operands));
  } catch (error) {
    throw explain(fullName(op), operands, error);
  }
}

/** Which operands are tensors, and the operands, for a call that no words can carry or that is refused. */
function nativeOperands(
  op: Operator,
  operands: readonly OperatorArgument[],
): [number, ...NativeArgument[]] {
  const native = new Array<NativeArgument>(operands.length);
  // A handle is a number to the addon, so it is told which operands are tensors.
  let tensors = 0;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i];
    if (operand instanceof TensorHandle) {
      tensors |= 1 << i;
      native[i] = operand.handle;
    } else if (Array.isArray(operand)) {
      const items = operand as readonly ListItem[];
      if (items.some((item) => item instanceof TensorHandle)) tensors |= 1 << i;
      native[i] = items.map((item) => lowerItem(op, item, (tensors & (1 << i)) !== 0));
    } else {
      native[i] = operand as NativeArgument;
    }
  }
  return [tensors, ...native];
}

type ListItem = TensorHandle | number | boolean | null;

function lowerItem(op: Operator, item: ListItem, amongTensors: boolean): number | boolean | null {
  if (item instanceof TensorHandle) return item.handle;
  if (!amongTensors || item === null || item === undefined) return item;
  throw new NativeError(
    fullName(op),
    `Expected only tensors beside tensors in a list for ${fullName(op)} but received ${shown(item)}; ` +
      "make it a tensor with tensor()",
  );
}

function fullName(op: Operator): string {
  return op.overload === "" ? op.name : `${op.name}.${op.overload}`;
}

/** Runs a call of the addon that is no operator; its errors name it and its operands likewise. */
export function named<T>(name: string, operands: readonly OperatorArgument[], body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw explain(name, operands, error);
  }
}

function explain(name: string, operands: readonly OperatorArgument[], error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, file } = error as { code?: unknown; file?: unknown };
  if (code === "NATIVE_LOST_FILE") {
    return new StorageError(String(file), error.message, { cause: error });
  }
  if (code !== "NATIVE") return error;
  const given = operands.map(describeOperand).join(", ");
  return new NativeError(name, `${name} failed on (${given}): ${reasonOf(error.message)}`, {
    cause: error,
  });
}

function describeOperand(operand: OperatorArgument): string {
  if (operand instanceof TensorHandle) return operand.toString();
  if (Array.isArray(operand)) {
    const shown = operand.slice(0, 8).map(describeOperand);
    if (operand.length > 8) shown.push(`${operand.length - 8} more`);
    return `[${shown.join(", ")}]`;
  }
  return typeof operand === "string" ? operand : shown(operand);
}
