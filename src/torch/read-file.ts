/** File bytes straight into a tensor's memory, by copying or by mapping. */
import { addon } from "./binding.ts";
import { dtypeCode, type DType } from "./dtype.ts";
import { named, operator } from "./operators.ts";
import { handleOf } from "./tensor-handle.ts";
import { adopt, call, type Tensor } from "./tensor.ts";

/**
 * Fills a tensor with the bytes of an open file, from `position` on, without a buffer between.
 *
 * target  contiguous, on the CPU; its element type says how many bytes are read
 * throws  NativeError where the file ends too soon or the target is not contiguous
 */
export function readFileInto(target: Tensor, descriptor: number, position: number): void {
  const handle = handleOf(target, "target");
  named("readFile", [target], () => addon().readFile(handle, descriptor, position));
}

export interface MapOptions {
  /** Element type; uint8 when absent. */
  dtype?: DType;
  /** Writes to the tensor reach the file, which must be writable; otherwise they stay in memory. */
  shared?: boolean;
}

/**
 * The first `count` elements of a file as a vector over mapped memory: pages are read when they are
 * used. The mapping ends with the last tensor that shares it.
 *
 * Where the file is cut while it is mapped, or its disk fails, the call that uses a page without bytes
 * throws StorageError with the file's name. Bytes that are missing from the page where the file now
 * ends read as zero: `checkMapped` tells.
 *
 * throws  NativeError where there is no such regular file, or it is shorter
 */
export function mapFile(
  file: string,
  count: number,
  { dtype = "uint8", shared = false }: MapOptions = {},
): Tensor {
  const code = dtypeCode(dtype);
  return adopt(
    named(`mapFile of ${file}`, [count], () => addon().mapFile(file, count, code, shared)),
  );
}

/** Throws StorageError where a tensor lies on a file of `mapFile` that was cut. */
export function checkMapped(tensor: Tensor): void {
  const handle = handleOf(tensor, "tensor");
  named("checkMapped", [tensor], () => addon().checkMapped(handle));
}

/**
 * The same memory as elements of another type. The last side grows or shrinks by the ratio of the
 * element sizes; throws NativeError where it does not divide or the memory is not aligned.
 */
export function viewAs(tensor: Tensor, dtype: DType): Tensor {
  return call(viewDType, tensor, dtypeCode(dtype));
}

const viewDType = operator("view", "dtype");
