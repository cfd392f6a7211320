/** AdamW over groups of parameters, with a state that saves and restores exactly. */
import { CheckpointError, didYouMean } from "../errors.ts";
import { dtypeBytes, fromData, noGrad, scope, zerosLike, type Tensor } from "../torch/index.ts";
import type { Parameter } from "./module.ts";
import { checkRate, type ParameterGroup } from "./optimizer-groups.ts";
import { bestUpdatePath, updatePaths, type UpdatePath } from "./optimizer-update.ts";

export interface AdamWOptions {
  /** Decay of the gradients' running mean; 0.9 when absent. */
  beta1?: number;
  /** Decay of the squared gradients' running mean; 0.98 when absent (CLIP's for ViT). */
  beta2?: number;
  /** Added to the denominator; 1e-6 when absent (CLIP's for ViT). */
  epsilon?: number;
  /** Forces one way to update; all give the same. The fastest one of each device when absent. */
  path?: UpdatePath;
}

interface Moments {
  first: Tensor;
  second: Tensor;
  step: number;
}

interface Member {
  path: string;
  tensor: Tensor;
  gradient: Tensor;
  moments: Moments;
}

const optionKeys = ["beta1", "beta2", "epsilon", "path"];
const parts = ["exp_avg", "exp_avg_sq"] as const;

/**
 * AdamW with decoupled weight decay (arXiv:1711.05101), equal to torch.optim.AdamW without amsgrad.
 *
 * A parameter's state appears with its first gradient; parameters without a gradient, or locked, are
 * left as they are, bit for bit.
 *
 * ownership   borrows the parameters; owns their moments until `dispose()`
 * throws      RangeError for rates out of range, or a parameter in two groups
 */
export class AdamW {
  readonly groups: readonly ParameterGroup[];
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly #path: UpdatePath | undefined;
  readonly #moments = new Map<string, Moments>();

  constructor(groups: readonly ParameterGroup[], options: AdamWOptions = {}) {
    checkOptions(options);
    checkGroups(groups);
    this.groups = groups;
    this.beta1 = options.beta1 ?? 0.9;
    this.beta2 = options.beta2 ?? 0.98;
    this.epsilon = options.epsilon ?? 1e-6;
    this.#path = options.path;
  }

  /** Changes every parameter that has a gradient. `learningRate` is multiplied by each group's. */
  step(learningRate: number): void {
    checkRate("learningRate", learningRate);
    scope(() => {
      for (const group of this.groups) this.#stepGroup(group, learningRate);
    });
  }

  #stepGroup(group: ParameterGroup, learningRate: number): void {
    const { beta1, beta2, epsilon } = this;
    const rates = {
      learningRate: learningRate * (group.learningRateFactor ?? 1),
      weightDecay: group.weightDecay ?? 0,
    };
    for (const members of this.#alike(group)) {
      const first = members[0] as Member;
      const update = updatePaths[this.#path ?? bestUpdatePath(first.tensor.device)];
      for (const { moments } of members) moments.step++;
      update({
        parameters: members.map((member) => member.tensor),
        gradients: members.map((member) => member.gradient),
        firstMoments: members.map((member) => member.moments.first),
        secondMoments: members.map((member) => member.moments.second),
        step: first.moments.step,
        ...rates,
        beta1,
        beta2,
        epsilon,
      });
    }
  }

  /** The group's parameters with gradients, parted by device, type and step count. */
  #alike(group: ParameterGroup): Iterable<Member[]> {
    const found = new Map<string, Member[]>();
    for (const [path, { tensor }] of group.parameters) {
      if (!tensor.requiresGrad) continue;
      const gradient = tensor.grad;
      if (gradient === null) continue;
      const moments = this.#momentsOf(path, tensor);
      const key = `${tensor.device} ${tensor.dtype} ${moments.step}`;
      const member = { path, tensor, gradient, moments };
      const list = found.get(key);
      if (list) list.push(member);
      else found.set(key, [member]);
    }
    return found.values();
  }

  #momentsOf(path: string, tensor: Tensor): Moments {
    let moments = this.#moments.get(path);
    if (moments === undefined) {
      const [first, second] = noGrad(() => [zerosLike(tensor).keep(), zerosLike(tensor).keep()]);
      moments = { first, second, step: 0 };
      this.#moments.set(path, moments);
    }
    return moments;
  }

  /** Drops the gradients of every parameter. */
  zeroGrad(): void {
    for (const { parameters } of this.groups) {
      for (const { tensor } of parameters.values()) tensor.grad = null;
    }
  }

  /** Bytes of the moments. */
  get bytes(): number {
    let total = 0;
    for (const { first } of this.#moments.values()) {
      total += 2 * first.count * dtypeBytes(first.dtype);
    }
    return total;
  }

  /**
   * The state by parameter path: `<path>.step` (int64 []) for every parameter, and for those that
   * were updated `<path>.exp_avg` and `<path>.exp_avg_sq`.
   *
   * ownership   new handles that belong to the caller; they share the moments' memory
   */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const { parameters } of this.groups) {
      for (const path of parameters.keys()) {
        const moments = this.#moments.get(path);
        state.set(`${path}.step`, fromData(BigInt64Array.of(BigInt(moments?.step ?? 0)), []));
        if (moments === undefined) continue;
        state.set(`${path}.exp_avg`, moments.first.detach());
        state.set(`${path}.exp_avg_sq`, moments.second.detach());
      }
    }
    return state;
  }

  /**
   * Restores what `stateDict` gave, exactly. `source` names the origin in errors.
   *
   * ownership   copies from `state`
   * throws      CheckpointError that lists every missing, unexpected and mis-shaped entry; nothing
   *             is changed then
   */
  load(state: ReadonlyMap<string, Tensor>, source = "optimizer state"): void {
    const parameters = new Map(this.groups.flatMap((group) => [...group.parameters]));
    checkState(state, parameters, source);
    this.dispose();
    for (const [path, { tensor }] of parameters) {
      const step = (state.get(`${path}.step`) as Tensor).item();
      if (step === 0) continue;
      const moments = this.#momentsOf(path, tensor);
      moments.step = step;
      moments.first.copy_(state.get(`${path}.exp_avg`) as Tensor);
      moments.second.copy_(state.get(`${path}.exp_avg_sq`) as Tensor);
    }
  }

  /** Frees the moments; the next step starts from none. */
  dispose(): void {
    for (const { first, second } of this.#moments.values()) {
      first.dispose();
      second.dispose();
    }
    this.#moments.clear();
  }
}

function checkState(
  state: ReadonlyMap<string, Tensor>,
  parameters: ReadonlyMap<string, Parameter>,
  source: string,
): void {
  const left = new Set(state.keys());
  const problems: string[] = [];
  const take = (key: string, shape: readonly number[]): Tensor | undefined => {
    const found = state.get(key);
    left.delete(key);
    if (found === undefined) problems.push(`missing ${key}`);
    else if (found.shape.join() !== shape.join()) {
      problems.push(`${key} is [${found.shape.join(", ")}], not [${shape.join(", ")}]`);
    }
    return found;
  };
  for (const [path, { tensor }] of parameters) {
    const step = take(`${path}.step`, []);
    if (step === undefined || step.count !== 1 || step.item() === 0) continue;
    for (const part of parts) take(`${path}.${part}`, tensor.shape);
  }
  for (const key of left) problems.push(`unexpected ${key}`);
  if (problems.length === 0) return;
  throw new CheckpointError(
    source,
    `Expected the state of these parameters in ${source} but it differs: ${problems.join("; ")}`,
  );
}

function checkOptions(options: AdamWOptions): void {
  for (const key of Object.keys(options)) {
    if (optionKeys.includes(key)) continue;
    throw new RangeError(
      `Expected an option of AdamW but received "${key}".${didYouMean(key, optionKeys)}`,
    );
  }
  const { beta1 = 0, beta2 = 0, epsilon = 0, path = "perTensor" } = options;
  for (const [name, beta] of Object.entries({ beta1, beta2 })) {
    if (beta >= 0 && beta < 1) continue;
    throw new RangeError(`Expected at least 0 and less than 1 for ${name} but received ${beta}`);
  }
  checkRate("epsilon", epsilon);
  if (!(path in updatePaths)) {
    throw new RangeError(
      `Expected one of ${Object.keys(updatePaths).join(", ")} for path but received ${path}`,
    );
  }
}

function checkGroups(groups: readonly ParameterGroup[]): void {
  const seen = new Map<Parameter, string>();
  const paths = new Set<string>();
  for (const group of groups) {
    checkRate("learningRateFactor", group.learningRateFactor ?? 1);
    checkRate("weightDecay", group.weightDecay ?? 0);
    for (const [path, parameter] of group.parameters) {
      const before = paths.has(path) ? path : seen.get(parameter);
      if (before !== undefined) {
        throw new RangeError(
          `Expected each parameter in one group but received ${path} in two` +
            (before === path ? "" : ` (also as ${before})`),
        );
      }
      seen.set(parameter, path);
      paths.add(path);
    }
  }
}
