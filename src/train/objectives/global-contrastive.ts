/**
 * SogCLR, iSogCLR and FastCLIP in a run: every example's normaliser, and its own temperatures where it
 * has them, kept from epoch to epoch. Knows no recipe; the recipes' faces are beside it.
 */
import { join } from "node:path";

import { CheckpointError } from "../../errors.ts";
import {
  globalContrastive,
  logWithEpsilon,
  movingAverage,
  temperatureTerm,
  type GlobalContrastive,
  type Sides,
} from "../../objectives/global-contrastive.ts";
import {
  adamStep,
  momentumStep,
  temperatureGradient,
  type Bounds,
} from "../../objectives/individual-temperature.ts";
import { noGrad, scope, stack, type Tensor } from "../../torch/index.ts";
import type {
  ObjectiveContext,
  ObjectiveInput,
  ObjectiveOutput,
  ObjectiveState,
  TrainingObjective,
} from "./objective.ts";
import { SampleState } from "./sample-state.ts";

/** How the temperatures of single examples are learned. */
export interface IndividualTemperature extends Bounds {
  kind: "individual";
  init: number;
  rho: number;
  learningRate: number;
  /** Of the gradient. */
  limit: number;
  /** iSogCLR: the weight of the new gradient; FastCLIP v2: Adam's betas. */
  rule: { beta: number } | { beta1: number; beta2: number };
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
  step: number;
  epoch: number;
}

export interface GlobalContrastiveSettings {
  /** The objective's name in recipes and checkpoints. */
  name: string;
  gammaAt: (progress: Progress) => number;
  /** Steps that count as an epoch; the data's own epochs when absent. */
  epochSteps: number | undefined;
  epsilon: number;
  includePositive: boolean;
  sides: "mean" | "sum";
  temperature: TemperatureSettings;
  chunkSize: number | undefined;
}

/** The numbers of one example, in the order of the file's columns. */
const columns = ["logUImage", "logUText"] as const;
const temperatureColumns = ["temperature", "momentum", "squares"] as const;

export class GlobalContrastiveObjective implements TrainingObjective {
  readonly module = null;
  readonly #settings: GlobalContrastiveSettings;
  readonly #samples: SampleState;

  constructor(settings: GlobalContrastiveSettings, { scratchFolder }: ObjectiveContext) {
    this.#settings = settings;
    const initial = columns.map(() => -Infinity);
    const { temperature } = settings;
    if (temperature.kind === "individual") {
      for (const name of namesOf(temperature)) {
        const first = name === "temperature" ? temperature.init : 0;
        initial.push(first, first);
      }
    }
    this.#samples = new SampleState({
      file: join(scratchFolder, `${settings.name}-samples.bin`),
      initial,
    });
  }

  compute(input: ObjectiveInput): ObjectiveOutput {
    return scope(() => {
      const { epochSteps, gammaAt } = this.#settings;
      const { step } = input;
      const epoch = epochSteps === undefined ? input.epoch : Math.floor(step / epochSteps);
      const gamma = gammaAt({ step, epoch });
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
      ...(chunkSize === undefined ? {} : { chunkSize }),
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

function namesOf({ rule }: IndividualTemperature): readonly string[] {
  return "beta" in rule ? temperatureColumns.slice(0, 2) : temperatureColumns;
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
    const column = (k: number): Tensor => known[2 * k + i] as Tensor;
    const before = { temperature: column(0), momentum: column(1) };
    if ("beta" in rule) {
      const { temperature, momentum } = momentumStep(before, gradient, { ...settings, ...rule });
      return [temperature, momentum];
    }
    const options = { ...settings, ...rule, epoch: found.epoch };
    const after = adamStep({ ...before, squares: column(2) }, gradient, options);
    return [after.temperature, after.momentum, after.squares];
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

/** gamma of FastCLIP: from 1 down to `min` along half a cosine until `end`, then constant. */
export function cosineGamma(at: number, end: number, min: number): number {
  if (at >= end) return min;
  return 0.5 * (1 + Math.cos((Math.PI * at) / end)) * (1 - min) + min;
}
