/**
 * The state that training changes, and one step of it: model, optimizer, average, random numbers.
 * Knows no loader, files, logs or evaluation.
 */
import type { Batch } from "../../data/sample.ts";
import type {
  DualEncoder,
  DualEncoderConfig,
  PixelNormalization,
} from "../../pair/dual-encoder.ts";
import type { Ema } from "../../optimize/ema.ts";
import { adaptations, lowRankNames } from "../../nn/low-rank.ts";
import type { Parameter } from "../../nn/module.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import { manualSeed, scope, type Device, type Tensor } from "../../torch/index.ts";
import { RecipeError } from "../../errors.ts";
import type { ImageTower, TextTower } from "../../towers/tower.ts";
import { BatchInput, type BatchSources } from "./batch-input.ts";
import { buildModel } from "../recipe/build-model.ts";
import { parameterGroups, type ParameterGroup } from "../../optimize/groups.ts";
import { checkTrained, LockableTower } from "./lockable-tower.ts";
import { logitScaleOf, resolveLogits, ScaleRate, type Logits } from "../recipe/logits.ts";
import { createObjective } from "../../objectives/index.ts";
import type { TrainingObjective } from "../../objectives/objective.ts";
import { averageGradients, solo, type ProcessGroup } from "../process-group.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import { accumulateGradient } from "./step.ts";
import { resolveTowers, type TowerState } from "./tower-states.ts";
import { Updater } from "./updater.ts";

export interface TrainerOptions {
  recipe: ResolvedRecipe;
  config: DualEncoderConfig;
  device: Device;
  normalization: PixelNormalization;
  /** Puts pretrained weights into the model before anything is derived from them. */
  initialize?: (model: DualEncoder) => void;
  /** For the objective's working files; no other process uses it. */
  scratchFolder: string;
  /** The processes that share each batch; `solo` when absent. */
  group?: ProcessGroup;
}

/** How a step is to be taken. */
export interface StepOptions {
  /** Where the run stands in steps, which schedules go by; the steps done when absent. */
  position?: number;
  /** Whether numbers that take time of their own are among those of the step; true when absent. */
  measure?: boolean;
}

/**
 * What one step reports: beside these `contrastiveAccuracy`, where it was asked for, and the
 * objective's further numbers.
 */
export interface StepReport extends Record<string, number> {
  loss: number;
  logitScale: number;
  learningRate: number;
  gradNorm: number;
}

export class Trainer {
  readonly model: DualEncoder;
  readonly objective: TrainingObjective;
  readonly device: Device;
  readonly config: DualEncoderConfig;
  readonly recipe: ResolvedRecipe;
  readonly towers: Record<"image" | "text", LockableTower>;
  readonly group: ProcessGroup;
  /** Optimizer steps done. */
  step = 0;
  /** Pairs seen. */
  examplesSeen = 0;
  readonly #updater: Updater;
  readonly #input: BatchInput;
  readonly #logits: Logits;
  readonly #scaleRate: ScaleRate | undefined;

  /**
   * Seeds the generator and builds random weights.
   *
   * throws  RecipeError where model, towers, logits and objective contradict each other
   */
  constructor(options: TrainerOptions) {
    const { recipe, config, device, normalization, scratchFolder } = options;
    const { seed, optimizer, steps, activationCheckpointing } = recipe.train;
    const states = resolveTowers(recipe.towers, { steps, pretrained: recipe.pretrained });
    this.#logits = resolveLogits(recipe.logits, recipe.objective);
    // Weights are drawn on the CPU, so that a seed means the same on every device.
    manualSeed(seed);
    if (device !== "cpu") manualSeed(seed, device);
    this.group = options.group ?? solo;
    this.recipe = recipe;
    this.config = config;
    this.device = device;
    this.model = buildModel(config, device);
    options.initialize?.(this.model);
    const { imageTower, textTower } = this.model;
    this.towers = {
      image: lockable("image", imageTower, states.image),
      text: lockable("text", textTower, states.text),
    };
    checkTrained(this.towers);
    for (const { run } of [imageTower, textTower]) run.checkpointing = activationCheckpointing;
    this.model.scaleParameter.tensor.setRequiresGrad(this.#logits.scaleLearned);
    this.objective = createObjective(recipe.objective, {
      device,
      embedDim: config.embedDim,
      batchSize: recipe.train.batchSize,
      steps,
      hasLogitBias: this.model.logitBias !== null,
      logitScaleInit: this.#logits.scaleInit,
      logitScaleLearned: this.#logits.scaleLearned,
      scratchFolder,
    });
    const { learningRate, slowBelowTemperature } = recipe.logits.scale;
    if (learningRate !== undefined) {
      this.#scaleRate = new ScaleRate(this.model, learningRate, slowBelowTemperature);
    }
    const groups = learnedGroups(this.model, this.objective, {
      weightDecay: optimizer.weightDecay,
      towers: this.towers,
      scaleRate: this.#scaleRate,
    });
    this.#updater = new Updater(recipe.train, groups, this.model);
    this.#input = new BatchInput({
      device,
      normalization,
      textTower,
      trims: recipe.train.trimCaptions,
    });
  }

  get optimizer(): Optimizer {
    return this.#updater.optimizer;
  }

  get ema(): Ema | undefined {
    return this.#updater.ema;
  }

  get objectiveKind(): string {
    return this.recipe.objective.kind;
  }

  /** Names of the weights that are trained directly: an adapter's folder must hold them whole. */
  trainedWhole(): string[] {
    const apart = lowRankNames(this.model);
    return [...this.model.namedParameters()]
      .filter(([name, { tensor }]) => tensor.requiresGrad && !apart.has(name))
      .map(([name]) => name);
  }

  /** The state that merging rounds: low-rank changes, and the weights that they change. */
  unmerged(): [string, Tensor][] {
    const names = lowRankNames(this.model);
    for (const { weight } of adaptations(this.model)) names.add(weight);
    return [...this.model.namedState()].filter(([name]) => names.has(name));
  }

  /** Sets what replaces the batches' own pixels and tokens from now on. */
  readFrom(sources: BatchSources): void {
    this.#input.sources = sources;
  }

  /**
   * One optimizer step on a batch: this rank's share of the whole one.
   *
   * at      contrastiveAccuracy takes time of its own: the report has it where `measure` is not false
   * throws  DivergedError, with the weights as they were, when loss or gradient is not finite
   */
  trainStep(batch: Batch, { position = this.step, measure = true }: StepOptions = {}): StepReport {
    return scope(() => {
      const { train } = this.recipe;
      this.model.train(true);
      for (const tower of Object.values(this.towers)) {
        tower.at(position);
        tower.prepare();
      }
      const { pairs, metrics, ...result } = accumulateGradient(
        this.model,
        this.#input.of(batch, { step: this.step, position }),
        {
          objective: this.objective,
          towers: this.towers,
          precision: train.precision,
          microBatchSize: train.microBatchSize,
          group: this.group,
          seed: train.seed,
          measure,
        },
      );
      const at = { step: this.step, position, batch };
      this.#updater.demandFinite(result.loss, "loss", at);
      const learned = this.#learned();
      averageGradients(this.group, learned);
      const report = this.#updater.update(learned, at, {
        before: (learningRate) => this.#scaleRate?.prepare(learningRate),
        after: () => this.#limitScalars(),
      });
      this.step++;
      this.examplesSeen += pairs;
      return { ...result, logitScale: logitScaleOf(this.model), ...report, ...metrics };
    });
  }

  #limitScalars(): void {
    const { scaleMax, scaleLearned } = this.#logits;
    if (scaleMax !== null && scaleLearned) this.model.clampLogitScale(scaleMax);
    this.objective.afterStep?.();
  }

  #learned(): Parameter[] {
    return [...this.model.parameters(), ...(this.objective.module?.parameters() ?? [])];
  }

  /** Runs `body` with the averaged weights in place, where the recipe averages. */
  withAverage<T>(body: () => Promise<T>): Promise<T> {
    return this.#updater.withAverage(body);
  }

  dispose(): void {
    this.#updater.dispose();
    this.objective.dispose();
    this.model.dispose();
  }
}

function lockable(
  side: "image" | "text",
  tower: ImageTower | TextTower,
  state: TowerState,
): LockableTower {
  try {
    return new LockableTower(tower, state);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RecipeError(`towers.${side}.lora`, `towers.${side}.lora: ${cause.message}`, {
      cause,
    });
  }
}

/**
 * What shares a learning rate: the parameters of the towers, the logit scale, the objective's scalars
 * (under `objective.`), which never decay.
 */
function learnedGroups(
  model: DualEncoder,
  objective: TrainingObjective,
  {
    weightDecay,
    towers,
    scaleRate,
  }: {
    weightDecay: number;
    towers: Trainer["towers"];
    scaleRate: ScaleRate | undefined;
  },
): ParameterGroup[] {
  const own = scaleRate?.group.parameters ?? new Map<string, never>();
  const groups: ParameterGroup[] = parameterGroups(model, {
    weightDecay,
    towers: {
      ...towers.image.rates("imageTower.", weightDecay),
      ...towers.text.rates("textTower.", weightDecay),
    },
  }).map((group) => ({
    ...group,
    parameters: new Map([...group.parameters].filter(([path]) => !own.has(path))),
  }));
  if (scaleRate) groups.push(scaleRate.group);
  if (objective.module) {
    groups.push({
      parameters: new Map(objective.module.namedParameters("objective")),
      learningRateFactor: objective.learningRateFactor ?? 1,
      weightDecay: 0,
    });
  }
  return groups;
}
