/** Which parameters share a learning rate and a weight decay. Knows nothing of gradients. */
import { didYouMean } from "../errors.ts";
import type { Module, Parameter } from "../nn/module.ts";

/** Parameters, by path, that are updated alike. */
export interface ParameterGroup {
  parameters: ReadonlyMap<string, Parameter>;
  /** Multiplies the learning rate of the step; 1 when absent. */
  learningRateFactor?: number;
  /** Share of a weight taken off per unit of learning rate; 0 when absent. */
  weightDecay?: number;
}

export interface TowerRates {
  /** Multiplies the learning rate of the step. */
  learningRateFactor?: number;
  weightDecay?: number;
}

export interface GroupOptions {
  /** For every matrix that no tower's own figure covers. */
  weightDecay: number;
  /**
   * Parameters that scale or shift and never decay whatever their shape: whole paths, or last parts
   * of paths. Those of fewer than two dimensions need no naming.
   */
  scales?: readonly string[];
  /** Rates of the parameters whose path starts so, such as `imageTower.`; the longest start counts. */
  towers?: Readonly<Record<string, TowerRates>>;
}

/**
 * The parameters of a module in groups of equal rates.
 *
 * Weight decay is 0 for parameters of fewer than two dimensions (biases, norms, `logitScaleLog`) and
 * for `scales`, as CLIP trains (arXiv:2103.00020, section 2.5: "all weights that are not gains or
 * biases").
 *
 * throws  RangeError for a rate that is negative or not finite, and for a name that fits nothing
 */
export function parameterGroups(module: Module, options: GroupOptions): Required<ParameterGroup>[] {
  const named = new Map(module.namedParameters());
  check(named, options);
  const groups = new Map<
    string,
    Required<ParameterGroup> & { parameters: Map<string, Parameter> }
  >();
  for (const [path, parameter] of named) {
    const rates = ratesOf(path, options);
    const decays = parameter.tensor.rank >= 2 && !isScale(path, options.scales ?? []);
    const weightDecay = decays ? (rates.weightDecay ?? options.weightDecay) : 0;
    const learningRateFactor = rates.learningRateFactor ?? 1;
    const key = `${learningRateFactor} ${weightDecay}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = { parameters: new Map(), learningRateFactor, weightDecay };
      groups.set(key, group);
    }
    group.parameters.set(path, parameter);
  }
  return [...groups.values()];
}

function isScale(path: string, scales: readonly string[]): boolean {
  return scales.some((name) => path === name || path.endsWith(`.${name}`));
}

function ratesOf(path: string, { towers = {} }: GroupOptions): TowerRates {
  const prefixes = Object.keys(towers).filter((prefix) => path.startsWith(prefix));
  const longest = prefixes.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? {} : (towers[longest] ?? {});
}

function check(named: ReadonlyMap<string, Parameter>, options: GroupOptions): void {
  checkRate("weightDecay", options.weightDecay);
  const paths = [...named.keys()];
  const towers = [...new Set(paths.map((path) => path.slice(0, path.indexOf(".") + 1)))];
  for (const [prefix, rates] of Object.entries(options.towers ?? {})) {
    for (const [key, value] of Object.entries(rates)) checkRate(`${prefix} ${key}`, value);
    if (paths.some((path) => path.startsWith(prefix))) continue;
    throw new RangeError(
      `Expected the start of a parameter's path for towers but received "${prefix}".` +
        didYouMean(prefix, towers),
    );
  }
  const names = paths.map((path) => path.slice(path.lastIndexOf(".") + 1));
  for (const scale of options.scales ?? []) {
    if (paths.some((path) => isScale(path, [scale]))) continue;
    throw new RangeError(
      `Expected a parameter's name for scales but received "${scale}".` +
        didYouMean(scale, [...names, ...paths]),
    );
  }
}

/** Throws RangeError unless `value` is a finite number of at least 0. */
export function checkRate(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return;
  throw new RangeError(
    `Expected a finite number of at least 0 for ${name} but received ${String(value)}`,
  );
}
