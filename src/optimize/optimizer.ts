/** What every optimizer shares: groups of parameters, and moments that save and restore exactly. */
import { CheckpointError, didYouMean } from "../errors.ts";
import { dtypeBytes, fromData, noGrad, scope, zerosLike, type Tensor } from "../torch/index.ts";
import type { Parameter } from "../nn/module.ts";
import { checkRate, type ParameterGroup } from "./groups.ts";

/** A running mean of gradients or of their squares, under torch's names. */
type MomentName = "exp_avg" | "exp_avg_sq";

interface Moments {
  /** One for each name of the optimizer's. */
  tensors: readonly Tensor[];
  step: number;
}

/** A parameter that is updated in a step. */
export interface Member {
  tensor: Tensor;
  gradient: Tensor;
  moments: Moments;
}

/** Of one group in one step. */
export interface GroupRates {
  learningRate: number;
  weightDecay: number;
}

/**
 * An optimizer over groups of parameters.
 *
 * A parameter's state appears with its first gradient; parameters without a gradient, or locked, are
 * left as they are, bit for bit.
 *
 * ownership   borrows the parameters; owns their moments until `dispose()`
 * throws      RangeError for rates out of range, or a parameter in two groups
 */
export abstract class Optimizer {
  readonly groups: readonly ParameterGroup[];
  readonly #names: readonly MomentName[];
  readonly #moments = new Map<string, Moments>();

  constructor(groups: readonly ParameterGroup[], names: readonly MomentName[]) {
    checkGroups(groups);
    this.groups = groups;
    this.#names = names;
  }

  /** Changes members of one device, type and step count, which is that of this update. */
  protected abstract update(members: readonly Member[], rates: GroupRates): void;

  /** Changes every parameter that has a gradient. `learningRate` is multiplied by each group's. */
  step(learningRate: number): void {
    checkRate("learningRate", learningRate);
    scope(() => {
      for (const group of this.groups) {
        const rates = {
          learningRate: learningRate * (group.learningRateFactor ?? 1),
          weightDecay: group.weightDecay ?? 0,
        };
        for (const members of this.#alike(group)) {
          for (const { moments } of members) moments.step++;
          this.update(members, rates);
        }
      }
    });
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
      const member = { tensor, gradient, moments };
      const list = found.get(key);
      if (list) list.push(member);
      else found.set(key, [member]);
    }
    return found.values();
  }

  #momentsOf(path: string, tensor: Tensor): Moments {
    let moments = this.#moments.get(path);
    if (moments === undefined) {
      const tensors = noGrad(() => this.#names.map(() => zerosLike(tensor).keep()));
      moments = { tensors, step: 0 };
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
    for (const { tensors } of this.#moments.values()) {
      for (const { count, dtype } of tensors) total += count * dtypeBytes(dtype);
    }
    return total;
  }

  /**
   * The state by parameter path: `<path>.step` (int64 []) for every parameter, and for those that
   * were updated `<path>.<name>` for every moment's name.
   *
   * ownership   new handles that belong to the caller; they share the moments' memory
   */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const { parameters } of this.groups) {
      for (const path of parameters.keys()) {
        const moments = this.#moments.get(path);
        state.set(`${path}.step`, fromData(BigInt64Array.of(BigInt(moments?.step ?? 0)), []));
        for (const [i, name] of this.#names.entries()) {
          const moment = moments?.tensors[i];
          if (moment) state.set(`${path}.${name}`, moment.detach());
        }
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
    checkState(state, { parameters, names: this.#names }, source);
    this.dispose();
    for (const [path, { tensor }] of parameters) {
      const step = (state.get(`${path}.step`) as Tensor).item();
      if (step === 0) continue;
      const moments = this.#momentsOf(path, tensor);
      moments.step = step;
      moments.tensors.forEach((moment, i) => {
        moment.copy_(state.get(`${path}.${this.#names[i]}`) as Tensor);
      });
    }
  }

  /** Frees the moments; the next step starts from none. */
  dispose(): void {
    for (const { tensors } of this.#moments.values()) {
      for (const tensor of tensors) tensor.dispose();
    }
    this.#moments.clear();
  }
}

/** Throws RangeError for an option of `owner` that is unknown, or a rate out of range. */
export function checkOptions(
  owner: string,
  options: Readonly<Record<string, unknown>>,
  known: readonly string[],
): void {
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key)) {
      throw new RangeError(
        `Expected an option of ${owner} but received "${key}".${didYouMean(key, known)}`,
      );
    }
    if (value === undefined) continue;
    if (key === "epsilon") checkRate(key, value);
    if (!key.startsWith("beta")) continue;
    if (typeof value === "number" && value >= 0 && value < 1) continue;
    const received = JSON.stringify(value);
    throw new RangeError(`Expected at least 0 and less than 1 for ${key} but received ${received}`);
  }
}

function checkState(
  state: ReadonlyMap<string, Tensor>,
  { parameters, names }: { parameters: ReadonlyMap<string, Parameter>; names: readonly string[] },
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
    for (const name of names) take(`${path}.${name}`, tensor.shape);
  }
  for (const key of left) problems.push(`unexpected ${key}`);
  if (problems.length === 0) return;
  throw new CheckpointError(
    source,
    `Expected the state of these parameters in ${source} but it differs: ${problems.join("; ")}`,
  );
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
