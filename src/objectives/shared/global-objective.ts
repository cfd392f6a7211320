/**
 * The global contrastive loss in a run: every example's normaliser, and its own temperatures where it
 * has them, kept from epoch to epoch. SogCLR, iSogCLR and FastCLIP are settings of it; knows no recipe.
 */
import { join } from "node:path";

import { CheckpointError } from "../../errors.ts";
import { noGrad, scope, stack, type Tensor } from "../../torch/index.ts";
import type {
  ObjectiveContext,
  ObjectiveInput,
  ObjectiveOutput,
  ObjectiveReads,
  ObjectiveState,
  TrainingObjective,
  KeptState,
} from "../objective.ts";
import type { ChunkOptions } from "./chunks.ts";
import {
  globalContrastive,
  logWithEpsilon,
  movingAverage,
  temperatureTerm,
  type GlobalContrastive,
  type Sides,
} from "./global-contrastive.ts";
import { SampleState } from "./sample-state.ts";

/** How an example's own temperature is learned: one step of iSogCLR's, or of FastCLIP version 2's. */
export interface TemperatureRule {
  /** Of each example and side: the temperature, then what the rule keeps beside it, 0 at first. */
  readonly numbers: number;
  /** [N] of each number, and the gradient [N], to the numbers after the step. */
  step(numbers: readonly Tensor[], gradient: Tensor, epoch: number): Tensor[];
}

/** How the temperatures of single examples are learned. */
interface IndividualTemperature {
  kind: "individual";
  init: number;
  rho: number;
  /** Of the gradient. */
  limit: number;
  rule: TemperatureRule;
  /** Multiplies each term by its temperature, as in RGCL's equation. */
  weigh: boolean;
}

export type TemperatureSettings =
  /** The model's logit scale, through the surrogate alone where it is learned; `weigh` as in GCL. */
  | { kind: "model"; weigh: boolean }
  /** The model's logit scale, by RGCL-g. */
  | { kind: "robust"; rho: number }
  | IndividualTemperature;

/** Where a run is, for gamma and Adam. */
export interface Progress {
  /** In steps. */
  position: number;
  epoch: number;
}

export interface GlobalContrastiveSettings extends ChunkOptions {
  /** The objective's name in recipes and checkpoints. */
  name: string;
  gammaAt: (progress: Progress) => number;
  /** Steps that count as an epoch; the data's own epochs when absent. */
  epochSteps: number | undefined;
  epsilon: number;
  includePositive: boolean;
  sides: "mean" | "sum";
  temperature: TemperatureSettings;
}

export const globalReads: readonly ObjectiveReads[] = ["ids"];

export class GlobalContrastiveObjective implements TrainingObjective, KeptState {
  readonly module = null;
  readonly kept: KeptState = this;
  readonly #settings: GlobalContrastiveSettings;
  readonly #samples: SampleState;

  constructor(settings: GlobalContrastiveSettings, { scratchFolder }: ObjectiveContext) {
    this.#settings = settings;
    // log u of the image and of the text, then each number of their temperatures.
    const initial = [-Infinity, -Infinity];
    const { temperature } = settings;
    if (temperature.kind === "individual") {
      initial.push(temperature.init, temperature.init);
      for (let i = 1; i < temperature.rule.numbers; i++) initial.push(0, 0);
    }
    this.#samples = new SampleState({
      file: join(scratchFolder, `${settings.name}-samples.bin`),
      initial,
    });
  }

  compute(input: ObjectiveInput): ObjectiveOutput {
    return scope(() => {
      const { epochSteps, gammaAt } = this.#settings;
      const { step, position } = input;
      const epoch = epochSteps === undefined ? input.epoch : Math.floor(step / epochSteps);
      const gamma = gammaAt({ position, epoch });
      const rows = this.#samples.rows(input.ids);
      const known = this.#samples.gather(rows).to(input.image.device).unbind(1);
      const { loss, logU, temperatures } = this.#loss(input, known, { gamma, epoch });
      const next = stack([logU.image, logU.text, ...temperatures], 1);
      this.#samples.scatter(rows, next.to("cpu"));
      const temperature = temperatures[0]
        ?.add(temperatures[1] as Tensor)
        .mean()
        .mul(0.5)
        .item();
      return {
        loss,
        metrics: {
          gamma,
          temperature: temperature ?? 1 / input.logitScale.item(),
          ...meanNormalizers(logU),
        },
      };
    });
  }

  /** The loss, and what the batch's examples have from now on. */
  #loss(
    input: ObjectiveInput,
    known: Tensor[],
    { gamma, epoch }: { gamma: number; epoch: number },
  ): { loss: Tensor; logU: Sides; temperatures: Tensor[] } {
    const { epsilon, includePositive, sides, chunkSize, temperature } = this.#settings;
    const { image, text, logitScale } = input;
    const [imageU, textU, imageT, textT] = known as [Tensor, Tensor, Tensor, Tensor];
    const own = temperature.kind === "individual";
    const estimate = (logG: Sides): Sides => ({
      image: movingAverage(imageU, logG.image, gamma),
      text: movingAverage(textU, logG.text, gamma),
    });
    const denominatorsOf = (logU: Sides): Sides => ({
      image: logWithEpsilon(logU.image, epsilon),
      text: logWithEpsilon(logU.text, epsilon),
    });
    const result = globalContrastive(image, text, {
      logitScale: own ? { image: imageT.pow(-1), text: textT.pow(-1) } : logitScale,
      denominators: (logG) => denominatorsOf(estimate(logG)),
      ...(own && temperature.weigh ? { weights: { image: imageT, text: textT } } : {}),
      includePositive,
      sides,
      chunkSize,
    });
    const logU = estimate(result.logG);
    const loss = withTemperature(result.loss, input, logU, temperature);
    if (!own) return { loss, logU, temperatures: [] };
    const logDenominators = denominatorsOf(logU);
    const found = { result, logDenominators, epoch };
    return { loss, logU, temperatures: learnTemperatures(known.slice(2), temperature, found) };
  }

  state(): ObjectiveState {
    const { values, hashes } = this.#samples.save();
    return {
      tensors: [
        ["samples.values", values],
        ["samples.hashes", hashes],
      ],
      json: { kind: this.#settings.name },
    };
  }

  restore(tensors: ReadonlyMap<string, Tensor>, json: unknown, source: string): void {
    const { name } = this.#settings;
    const kind = (json as { kind?: unknown } | null | undefined)?.kind;
    const [values, hashes] = [tensors.get("samples.values"), tensors.get("samples.hashes")];
    if (kind !== name || !values || !hashes || tensors.size !== 2) {
      throw new CheckpointError(
        source,
        `Expected samples.values and samples.hashes of a ${name} objective in ${source} but ` +
          `received ${[...tensors.keys()].join(", ") || "no tensors"} of ${String(kind)}; ` +
          "resume with the recipe that the run began with",
      );
    }
    this.#samples.load({ values, hashes }, source);
  }

  dispose(): void {
    this.#samples.dispose();
  }
}

/** sg(T) x surrogate where it is so weighted; with RGCL-g, the temperature's own terms beside it. */
function withTemperature(
  surrogate: Tensor,
  { logitScale }: ObjectiveInput,
  logU: Sides,
  settings: TemperatureSettings,
): Tensor {
  if (settings.kind === "individual") return surrogate;
  if (settings.kind === "model" && !settings.weigh) return surrogate;
  const weighted = surrogate.mul(logitScale.detach().pow(-1));
  if (settings.kind === "model") return weighted;
  return weighted.add(temperatureTerm(logitScale, logU, settings.rho));
}

/** The temperature columns after a step: image and text of each, alternating. */
function learnTemperatures(
  known: readonly Tensor[],
  settings: IndividualTemperature,
  found: { result: GlobalContrastive; logDenominators: Sides; epoch: number },
): Tensor[] {
  const { rule } = settings;
  const stepped = (["image", "text"] as const).map((side, i) => {
    const gradient = temperatureGradient(
      found.logDenominators[side],
      found.result.moments[side],
      settings,
    );
    const own = Array.from({ length: rule.numbers }, (_, k) => known[2 * k + i] as Tensor);
    return rule.step(own, gradient, found.epoch);
  });
  const [image = [], text = []] = stepped;
  return image.flatMap((column, i) => [column, text[i] as Tensor]);
}

function meanNormalizers(logU: Sides): { meanU: number; meanLogU: number } {
  return noGrad(() =>
    scope(() => {
      const all = logU.image.add(logU.text);
      // In float64, as u itself overflows float32 at a logit scale of 100.
      const sum = logU.image.to("float64").exp().add(logU.text.to("float64").exp());
      const meanU = Math.min(sum.mean().item() / 2, Number.MAX_VALUE);
      return { meanU, meanLogU: all.mean().item() / 2 };
    }),
  );
}

/**
 * [N] dF/dT of T (log(eps + g) + rho), T >= T0, at the estimate u of g:
 *
 *     log(u + eps) + rho - sum_j w_ij h_ij / T_i,   w_ij = exp(h_ij / T_i) / (N-1) / (u_i + eps)
 *     iSogCLR, arXiv:2305.11965, Section 3; limited to +-`limit` as in both systems' code
 *
 * logDenominators   [N] log(u + eps)
 * moments           [N] the sum, from globalContrastive
 */
export function temperatureGradient(
  logDenominators: Tensor,
  moments: Tensor,
  { rho, limit }: { rho: number; limit: number },
): Tensor {
  return noGrad(() => scope(() => logDenominators.add(rho).sub(moments).clamp(-limit, limit)));
}
