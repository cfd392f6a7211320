/** Learning rates as pure functions of the step, from a description that JSON can carry. */
import { RecipeError, didYouMean } from "../errors.ts";

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

const scheduleKinds = ["cosine", "linear", "constant", "rsqrt"] as const;

export interface ScheduleDescription {
  kind: (typeof scheduleKinds)[number];
  /** Steps of the whole run, warm-up and cooldown included. */
  steps: number;
  /** The full rate; 1 when absent, so that the result is a factor. */
  learningRate?: number;
  /** Steps over which the rate rises linearly: step s of w has (s + 1) / w of it. 0 when absent. */
  warmupSteps?: number;
  /** The rate after the last step as a share of the full one, in [0, 1]; 0 when absent. */
  endFactor?: number;
  /** constant, rsqrt: last steps, over which the rate falls to `endFactor`. 0 when absent. */
  cooldownSteps?: number;
  /** The fall is (1 - e / cooldownSteps)^power; 1, a line, when absent. */
  cooldownPower?: number;
  /** rsqrt: steps after warm-up at which the rate is 1 / sqrt(2) of the full one; 10,000 if absent. */
  timescale?: number;
}

const defaults = {
  learningRate: 1,
  warmupSteps: 0,
  endFactor: 0,
  cooldownSteps: 0,
  cooldownPower: 1,
  timescale: 10_000,
};

type Plan = Required<ScheduleDescription>;

/**
 * The learning rate of every step of a run.
 *
 * Warm-up, cosine, constant and cooldown follow open_clip (open_clip_train/scheduler.py), the
 * reciprocal square root big_vision (`rsqrt` without shift). Of w warm-up steps, S steps in all, c of
 * them cooldown, full rate r and last rate z = endFactor r:
 *
 *     warm-up    r (s + 1) / w                                   s < w
 *     cosine     (1 + cos(pi (s - w) / (S - w))) / 2 (r - z) + z
 *     linear     (1 - (s - w) / (S - w)) (r - z) + z
 *     constant   r
 *     rsqrt      r / sqrt(1 + (s - w) / timescale)
 *     cooldown   (1 - e / c)^p (rate - z) + z                    e = s - (S - c) >= 0
 *
 * throws   RecipeError for an unknown kind or key, or a value out of range
 */
export function createSchedule(description: ScheduleDescription): Schedule {
  const plan = check(description);
  const { steps, warmupSteps, cooldownSteps, cooldownPower } = plan;
  const rate = plan.learningRate;
  const end = plan.endFactor * rate;
  const main = mainPhase(plan, end);
  return (step) => {
    if (step < warmupSteps) return (rate * (step + 1)) / warmupSteps;
    const cooling = step - (steps - cooldownSteps);
    if (cooldownSteps === 0 || cooling < 0) return main(step - warmupSteps);
    const left = Math.max(0, 1 - cooling / cooldownSteps) ** cooldownPower;
    return left * (main(step - warmupSteps) - end) + end;
  };
}

/** The rate by the number of steps since warm-up. */
function mainPhase(plan: Plan, end: number): (elapsed: number) => number {
  const { kind, learningRate: rate, timescale } = plan;
  const span = plan.steps - plan.warmupSteps;
  const progress = (elapsed: number): number => (span === 0 ? 1 : Math.min(1, elapsed / span));
  switch (kind) {
    case "cosine":
      return (elapsed) => 0.5 * (1 + Math.cos(Math.PI * progress(elapsed))) * (rate - end) + end;
    case "linear":
      return (elapsed) => (1 - progress(elapsed)) * (rate - end) + end;
    case "constant":
      return () => rate;
    case "rsqrt":
      return (elapsed) => rate / Math.sqrt(1 + elapsed / timescale);
  }
}

function refuse(key: string, wanted: string, received: unknown): never {
  const path = `train.schedule.${key}`;
  throw new RecipeError(path, `Expected ${wanted} for ${path} but received ${String(received)}`);
}

function check(description: ScheduleDescription): Plan {
  const known = ["kind", "steps", ...Object.keys(defaults)];
  for (const key of Object.keys(description)) {
    if (known.includes(key)) continue;
    throw new RecipeError(
      `train.schedule.${key}`,
      `Expected a key of train.schedule but received "${key}".${didYouMean(key, known)}`,
    );
  }
  const plan: Plan = { ...defaults, ...description };
  if (!scheduleKinds.includes(plan.kind)) {
    refuse("kind", `one of ${scheduleKinds.join(", ")}`, plan.kind);
  }
  checkRanges(plan);
  return plan;
}

function checkRanges(plan: Plan): void {
  const { kind, steps, warmupSteps, cooldownSteps, endFactor } = plan;
  const whole = (value: number): boolean => Number.isInteger(value) && value >= 0;
  const positive = (value: number): boolean => value > 0 && Number.isFinite(value);
  if (!whole(steps) || steps === 0) refuse("steps", "a whole number above 0", steps);
  for (const key of ["warmupSteps", "cooldownSteps"] as const) {
    if (!whole(plan[key])) refuse(key, "a whole number of at least 0", plan[key]);
  }
  for (const key of ["learningRate", "cooldownPower", "timescale"] as const) {
    const zeroFits = key === "learningRate" && plan[key] === 0;
    if (!positive(plan[key]) && !zeroFits) refuse(key, "a finite number above 0", plan[key]);
  }
  if (!(endFactor >= 0 && endFactor <= 1)) refuse("endFactor", "a share in [0, 1]", endFactor);
  if (cooldownSteps > 0 && (kind === "cosine" || kind === "linear")) {
    refuse("cooldownSteps", `0, since ${kind} falls all the way,`, cooldownSteps);
  }
  if (warmupSteps + cooldownSteps > steps) {
    const sum = `${warmupSteps} and ${cooldownSteps}`;
    refuse("warmupSteps", `warm-up and cooldown to fit into ${steps} steps`, sum);
  }
}
