/** File bytes straight into a tensor's memory, by copying or by mapping. */
import { readSync } from "node:fs";
import { addon } from "./binding.ts";
import { fromData } from "./create.ts";
import { dtypeBytes, dtypeCode, type DType } from "./dtype.ts";
import { call, named, operator } from "./operators.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Fills a tensor with the bytes of an open file, from `position` on, without a buffer between.
 *
 * target  contiguous, on the CPU; its element type says how many bytes are read
 * throws  NativeError where the file ends too soon or the target is not contiguous
 */
export function readFileInto(target: Tensor, descriptor: number, position: number): void {
  if (process.platform === "win32") return readThroughBuffer(target, descriptor, position);
  named("readFile", [target], () => addon().readFile(target.handle, descriptor, position));
}

/** What `readFileInto` does on a system without positioned reads in C. */
export function readThroughBuffer(target: Tensor, descriptor: number, position: number): void {
  const size = target.count * dtypeBytes(target.dtype);
  const buffer = new Uint8Array(Math.min(size, 1 << 24));
  scope(() => {
    if (size === 0) return;
    const bytes = viewAs(target.detach().view(-1), "uint8");
    for (let at = 0; at < size;) {
      const wanted = Math.min(buffer.length, size - at);
      const count = readSync(descriptor, buffer, 0, wanted, position + at);
      if (count === 0) throw new Error(`the file ends at byte ${position + at}`);
      scope(() => bytes.narrow(0, at, count).copy_(fromData(buffer.subarray(0, count))));
      at += count;
    }
  });
}

/**
 * The first `size` bytes of a file as a uint8 tensor over mapped memory: pages are read when they
 * are used. Writes to the tensor stay in memory and never reach the file. The mapping ends with the
 * last tensor that shares it; the file must not be cut short before.
 */
export function mapFile(file: string, size: number): Tensor {
  return call(fromFile, file, false, size, dtypeCode("uint8"), null, "cpu");
}

/**
 * The same memory as elements of another type. The last side grows or shrinks by the ratio of the
 * element sizes; throws NativeError where it does not divide or the memory is not aligned.
 */
export function viewAs(tensor: Tensor, dtype: DType): Tensor {
  return call(viewDType, tensor, dtypeCode(dtype));
}

const fromFile = operator("from_file");
const viewDType = operator("view", "dtype");
