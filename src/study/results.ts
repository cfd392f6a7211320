/** The numbers of all finished runs, as tables, figures and conclusions ask for them. */
import { didYouMean } from "../errors.ts";
import type { StoredResult } from "./result-file.ts";
import {
  difference,
  estimate,
  type Difference,
  type Estimate,
  type SeedValue,
} from "./statistics.ts";
import type { Factors, StudyMetric, StudySeries } from "./define-study.ts";

/** An arm without what it does. */
export interface ArmDescription {
  readonly name: string;
  readonly label: string;
  readonly factors: Factors;
}

export class StudyResults {
  /** Arms that have at least one finished run, in the study's order. */
  readonly arms: readonly ArmDescription[];
  /** Seeds that at least one arm has finished, ascending. */
  readonly seeds: readonly number[];
  readonly metrics: Readonly<Record<string, StudyMetric>>;
  readonly #runs: readonly StoredResult[];
  readonly #estimates = new Map<string, Estimate | undefined>();

  constructor(
    arms: readonly ArmDescription[],
    runs: readonly StoredResult[],
    metrics: Readonly<Record<string, StudyMetric>>,
  ) {
    const finished = new Set(runs.map(({ arm }) => arm));
    this.arms = arms.filter(({ name }) => finished.has(name));
    this.seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b);
    this.metrics = metrics;
    this.#runs = runs.filter(({ arm }) => arms.some(({ name }) => name === arm));
  }

  get runs(): readonly StoredResult[] {
    return this.#runs;
  }

  /** Arms whose factors have these values. */
  where(factors: Factors): readonly ArmDescription[] {
    const wanted = Object.entries(factors);
    return this.arms.filter((arm) => wanted.every(([key, value]) => arm.factors[key] === value));
  }

  arm(name: string): ArmDescription | undefined {
    return this.arms.find((arm) => arm.name === name);
  }

  /** How a metric is shown. throws  RangeError for one that the study does not declare */
  metric(key: string): StudyMetric {
    const known = Object.keys(this.metrics);
    const metric = Object.hasOwn(this.metrics, key) ? this.metrics[key] : undefined;
    if (metric !== undefined) return metric;
    throw new RangeError(
      `Expected a metric of the study but received "${key}".${didYouMean(key, known) || ` Known: ${known.join(", ")}`}`,
    );
  }

  /** Mean over seeds with its interval; undefined where no run has measured it. */
  estimate(arm: string, metric: string): Estimate | undefined {
    const key = `${arm}\n${metric}`;
    if (!this.#estimates.has(key)) {
      const values = this.#values(arm, metric);
      this.#estimates.set(key, values.length === 0 ? undefined : estimate(values));
    }
    return this.#estimates.get(key);
  }

  /** Paired difference first - second, over the seeds and items that both have. */
  difference(first: string, second: string, metric: string): Difference | undefined {
    return difference(this.#values(first, metric), this.#values(second, metric));
  }

  /** Lines over the numeric factor `x`, one for each value of the factor `by`. */
  series(options: {
    metric: string;
    x: string;
    by: string;
    arms?: readonly string[];
  }): StudySeries[] {
    const lines = new Map<string, { x: number; arm: string; metric: string }[]>();
    for (const { name, factors } of this.arms) {
      const x = factors[options.x];
      if (typeof x !== "number" || !(options.arms?.includes(name) ?? true)) continue;
      const line = String(factors[options.by] ?? "");
      lines.set(line, [...(lines.get(line) ?? []), { x, arm: name, metric: options.metric }]);
    }
    return [...lines].map(([name, points]) => ({
      name,
      points: points.sort((a, b) => a.x - b.x),
    }));
  }

  #values(arm: string, metric: string): SeedValue[] {
    this.metric(metric);
    return this.#runs
      .filter((run) => run.arm === arm)
      .sort((a, b) => a.seed - b.seed)
      .flatMap(({ seed, metrics, items }) => {
        const value = metrics[metric];
        return value === undefined ? [] : [{ seed, value, items: items[metric] }];
      });
  }
}
