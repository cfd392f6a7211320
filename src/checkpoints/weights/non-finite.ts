/** Finds weights that are not numbers: a diverged run's, or a damaged file's. */
import { CheckpointError } from "../../errors.ts";
import {
  callMany,
  dtypeBytes,
  isFloating,
  noGrad,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";

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
  return scope(() => {
    // libtorch 1.13 has no extrema of 16-bit types on the CPU.
    const numbers = dtypeBytes(tensor.dtype) < 4 ? tensor.detach().to("float32") : tensor;
    const ends = noGrad(() => callMany(aminmax, numbers));
    return ends.every((end) => Number.isFinite(end.item()));
  });
}

const aminmax = operator("aminmax");
