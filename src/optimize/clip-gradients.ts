/** The global norm of gradients, and its limit. Knows nothing of optimizers. */
import {
  call,
  callForEffect,
  callMany,
  hasOperator,
  noGrad,
  operator,
  scope,
  stack,
  zeros,
  type Tensor,
} from "../torch/index.ts";
import type { Parameter } from "../nn/module.ts";

/** The Euclidean norm of all gradients as one vector, []; 0 where there is none. No host sync. */
export function gradientNorm(parameters: Iterable<Parameter>): Tensor {
  return scope(() => noGrad(() => normOf(gradientsOf(parameters))));
}

/**
 * Scales the gradients in place so that their global norm is at most `maxNorm`.
 *
 *     g <- g min(1, maxNorm / (norm + 1e-6))          as torch.nn.utils.clip_grad_norm_
 *
 * returns   [] the norm before, on the first gradient's device; reading it is left to the caller
 * throws    RangeError unless maxNorm > 0
 */
export function clipGradients(parameters: Iterable<Parameter>, maxNorm: number): Tensor {
  if (!(maxNorm > 0)) {
    throw new RangeError(`Expected a positive number for maxNorm but received ${maxNorm}`);
  }
  return scope(() =>
    noGrad(() => {
      const gradients = gradientsOf(parameters);
      const norm = normOf(gradients);
      const factor = call(reciprocalOp, norm.add(1e-6)).mul(maxNorm).clamp(null, 1);
      // Off the CPU the product with 1 costs less than waiting for the norm.
      if (norm.device === "cpu" && factor.item() === 1) return norm;
      for (const alike of byDeviceAndType(gradients)) scale(alike, factor);
      return norm;
    }),
  );
}

function gradientsOf(parameters: Iterable<Parameter>): Tensor[] {
  const found: Tensor[] = [];
  for (const { tensor } of parameters) {
    const gradient = tensor.grad;
    if (gradient !== null) found.push(gradient);
  }
  return found;
}

function normOf(gradients: readonly Tensor[]): Tensor {
  const first = gradients[0];
  if (first === undefined) return zeros([]);
  const norms = byDeviceAndType(gradients).flatMap((alike) => callMany(eachNorm, alike, 2));
  const { device } = first;
  return stack(norms.map((norm) => (norm.device === device ? norm : norm.to(device)))).norm();
}

function byDeviceAndType(tensors: readonly Tensor[]): Tensor[][] {
  const found = new Map<string, Tensor[]>();
  for (const tensor of tensors) {
    const key = `${tensor.device} ${tensor.dtype}`;
    const alike = found.get(key);
    if (alike) alike.push(tensor);
    else found.set(key, [tensor]);
  }
  return [...found.values()];
}

function scale(gradients: readonly Tensor[], factor: Tensor): void {
  const { device } = gradients[0] as Tensor;
  const here = factor.device === device ? factor : factor.to(device);
  if (hasOperator(eachMul)) callForEffect(eachMul, gradients, here);
  else for (const gradient of gradients) gradient.mul_(here);
}

const eachNorm = operator("_foreach_norm", "Scalar");
const eachMul = operator("_foreach_mul_", "Tensor");
const reciprocalOp = operator("reciprocal");
