/**
 * The operands of a call as numbers in memory that the addon reads: far cheaper than one value of
 * JavaScript after the other. native/dispatcher.cc reads what is written here.
 */
import { addon } from "./binding.ts";
import type { OperatorArgument } from "./operators.ts";
import { TensorHandle } from "./tensor-handle.ts";

/** The first word of an operand; then its value, or a length and the values. */
const tag = { undefined: 0, null: 1, handle: 2, number: 3, boolean: 4, handles: 5, numbers: 6 };

/** More than any call needs but those with long lists, which go the other way. */
const capacity = 4096;

let words: Float64Array | undefined;

function share(): Float64Array {
  const made = new Float64Array(capacity);
  addon().shareWords(made);
  return made;
}

/** Writes a call of the operator with this index; false where the operands cannot be written so. */
export function writeCall(index: number, operands: readonly OperatorArgument[]): boolean {
  words ??= share();
  words[0] = index;
  words[1] = operands.length;
  let at = 2;
  for (const operand of operands) {
    if (at + 2 > capacity) return false;
    if (operand instanceof TensorHandle) {
      words[at] = tag.handle;
      words[at + 1] = operand.handle;
      at += 2;
    } else if (typeof operand === "number") {
      words[at] = tag.number;
      words[at + 1] = operand;
      at += 2;
    } else if (operand === undefined || operand === null) {
      words[at++] = operand === null ? tag.null : tag.undefined;
    } else if (typeof operand === "boolean") {
      words[at] = tag.boolean;
      words[at + 1] = Number(operand);
      at += 2;
    } else if (Array.isArray(operand)) {
      at = writeList(words, at, operand);
      if (at < 0) return false;
    } else {
      return false;
    }
  }
  return true;
}

/** Writes tensors or numbers, and returns where the next operand goes; -1 for other lists. */
function writeList(into: Float64Array, start: number, items: readonly unknown[]): number {
  if (items.length === 0 || start + 2 + items.length > capacity) return -1;
  const tensors = items[0] instanceof TensorHandle;
  into[start] = tensors ? tag.handles : tag.numbers;
  into[start + 1] = items.length;
  let at = start + 2;
  for (const item of items) {
    if (tensors && item instanceof TensorHandle) into[at++] = item.handle;
    else if (!tensors && typeof item === "number") into[at++] = item;
    else return -1;
  }
  return at;
}
