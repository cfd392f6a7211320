/**
 * One AdamW update of many tensors, in three ways with one result: the fused operator, multi-tensor
 * operators, or tensor by tensor. Knows nothing of modules, groups or schedules.
 *
 *     p <- p (1 - lr wd);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *     p <- p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e)
 *
 * Loshchilov and Hutter, arXiv:1711.05101, Algorithm 2, in the order of torch.optim.AdamW.
 */
import {
  call,
  callForEffect,
  callInPlace,
  callMany,
  full,
  hasOperator,
  noGrad,
  operator,
  ones,
  scope,
  type Device,
  type Tensor,
} from "../torch/index.ts";
import { NativeError } from "../errors.ts";

/** Tensors of one device, type and step count; the four lists run in parallel. */
interface AdamWUpdate {
  parameters: readonly Tensor[];
  gradients: readonly Tensor[];
  firstMoments: readonly Tensor[];
  secondMoments: readonly Tensor[];
  /** The number of this update, 1 for the first. */
  step: number;
  learningRate: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

export type UpdatePath = "fused" | "multiTensor" | "perTensor";

/** The ways to update; each changes parameters and moments in place. */
export const updatePaths: Record<UpdatePath, (update: AdamWUpdate) => void> = {
  fused: updateFused,
  multiTensor: updateMultiTensor,
  perTensor: updatePerTensor,
};

/**
 * The fastest path that `device` has in this libtorch. On the CPU the multi-tensor operators are a
 * loop inside libtorch that also copies every second moment, so tensor by tensor in blocks is faster.
 */
export function bestUpdatePath(device: Device): UpdatePath {
  if (hasFused(device)) return "fused";
  return device === "cpu" ? "perTensor" : "multiTensor";
}

const fusedOn = new Map<Device, boolean>();

/** Older versions have the operator for some devices only, which shows when it is called. */
function hasFused(device: Device): boolean {
  if (!hasOperator(fusedOp)) return false;
  let found = fusedOn.get(device);
  if (found === undefined) {
    found = tryFused(device);
    fusedOn.set(device, found);
  }
  return found;
}

function tryFused(device: Device): boolean {
  try {
    scope(() => {
      const [p, g, m, v] = [0, 0, 0, 0].map(() => ones([1], { device })) as TensorQuartet;
      const settings = { step: 1, learningRate: 1, weightDecay: 0, beta1: 0, beta2: 0, epsilon: 1 };
      const lists = { parameters: [p], gradients: [g], firstMoments: [m], secondMoments: [v] };
      updateFused({ ...lists, ...settings });
    });
    return true;
  } catch (error) {
    if (error instanceof NativeError) return false;
    throw error;
  }
}

type TensorQuartet = [Tensor, Tensor, Tensor, Tensor];

function updateFused(update: AdamWUpdate): void {
  const { parameters, gradients, firstMoments, secondMoments, step, learningRate } = update;
  const { beta1, beta2, weightDecay, epsilon } = update;
  const device = (parameters[0] as Tensor).device;
  // The operator reads the step of each tensor from a tensor; here they are all the same one.
  const count = full([], step, { device });
  const steps = parameters.map(() => count);
  const moments = [firstMoments, secondMoments, [] as Tensor[], steps] as const;
  const rates = [learningRate, beta1, beta2, weightDecay, epsilon] as const;
  noGrad(() => callForEffect(fusedOp, parameters, gradients, ...moments, ...rates, false, false));
  count.dispose();
}

interface Factors {
  decay: number;
  stepSize: number;
  correction: number;
}

function factorsOf(update: AdamWUpdate): Factors {
  const { step, learningRate, weightDecay, beta1, beta2 } = update;
  return {
    decay: 1 - learningRate * weightDecay,
    stepSize: learningRate / (1 - beta1 ** step),
    correction: (1 - beta2 ** step) ** 0.5,
  };
}

function updateMultiTensor(update: AdamWUpdate): void {
  const { parameters, gradients, firstMoments, secondMoments, beta1, beta2 } = update;
  const { decay, stepSize, correction } = factorsOf(update);
  noGrad(() => {
    if (decay !== 1) callForEffect(eachMul, parameters, decay);
    if (hasOperator(eachLerp)) callForEffect(eachLerp, firstMoments, gradients, 1 - beta1);
    else firstMoments.forEach((moment, i) => moment.lerp_(gradients[i] as Tensor, 1 - beta1));
    callForEffect(eachMul, secondMoments, beta2);
    callForEffect(eachAddcmul, secondMoments, gradients, gradients, 1 - beta2);
    const denominators = callMany(eachSqrt, secondMoments);
    callForEffect(eachDiv, denominators, correction);
    callForEffect(eachAdd, denominators, update.epsilon);
    callForEffect(eachAddcdiv, parameters, firstMoments, denominators, -stepSize);
    for (const denominator of denominators) denominator.dispose();
  });
}

/** Elements that stay in the cache from the first operator on them to the last. */
const blockElements = 1 << 17;

function updatePerTensor(update: AdamWUpdate): void {
  const factors = factorsOf(update);
  noGrad(() => {
    update.parameters.forEach((parameter, i) => {
      const four: TensorQuartet = [
        parameter,
        update.gradients[i] as Tensor,
        update.firstMoments[i] as Tensor,
        update.secondMoments[i] as Tensor,
      ];
      if (parameter.device !== "cpu" || parameter.count <= blockElements) {
        updateOne(four, factors, update);
      } else updateInBlocks(four, factors, update);
    });
  });
}

function updateInBlocks(four: TensorQuartet, factors: Factors, update: AdamWUpdate): void {
  const [parameter] = four;
  const rows = parameter.size(0);
  const step = Math.max(1, Math.floor((blockElements * rows) / parameter.count));
  for (let start = 0; start < rows; start += step) {
    const length = Math.min(step, rows - start);
    const block = four.map((tensor) => tensor.narrow(0, start, length)) as TensorQuartet;
    updateOne(block, factors, update);
    for (const view of block) view.dispose();
  }
}

function updateOne([p, g, m, v]: TensorQuartet, factors: Factors, update: AdamWUpdate): void {
  if (factors.decay !== 1) p.mul_(factors.decay);
  m.lerp_(g, 1 - update.beta1);
  v.mul_(update.beta2);
  callInPlace(addcmulOp, v, g, g, 1 - update.beta2);
  const denominator = call(sqrtOp, v);
  callInPlace(divOp, denominator, factors.correction);
  denominator.add_(update.epsilon);
  callInPlace(addcdivOp, p, m, denominator, -factors.stepSize);
  denominator.dispose();
}

const fusedOp = operator("_fused_adamw_");
const eachMul = operator("_foreach_mul_", "Scalar");
const eachLerp = operator("_foreach_lerp_", "Scalar");
const eachAddcmul = operator("_foreach_addcmul_", "Scalar");
const eachAddcdiv = operator("_foreach_addcdiv_", "Scalar");
const eachSqrt = operator("_foreach_sqrt");
const eachDiv = operator("_foreach_div_", "Scalar");
const eachAdd = operator("_foreach_add_", "Scalar");
const addcmulOp = operator("addcmul_");
const addcdivOp = operator("addcdiv_");
const sqrtOp = operator("sqrt");
const divOp = operator("div_", "Scalar");
