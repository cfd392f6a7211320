/**
 * One optimizer step's gradient: forward, objective, backward, in one pass or in micro-batches whose
 * gradient is exactly that of the whole batch. Embeddings of a group's ranks meet here, in `compute`.
 * Knows no schedule, files or logs.
 */
import { contrastiveAccuracy } from "../../objectives/shared/contrastive-accuracy.ts";
import { unitRows, type DualEncoder } from "../../pair/dual-encoder.ts";
import { withoutStatistics } from "../../nn/index.ts";
import {
  autocast,
  backward,
  cat,
  noGrad,
  randomState,
  scope,
  setRandomState,
  type Tensor,
} from "../../torch/index.ts";
import type {
  ObjectiveInput,
  ObjectiveOutput,
  TrainingObjective,
} from "../../objectives/objective.ts";
import { drawOwn, type ProcessGroup } from "../process-group.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import type { LockableTower } from "./lockable-tower.ts";

/** What a tower is given: its input, or its features where they were computed before. */
export interface TowerInput {
  /** pixels float32 [N, 3, S, S], normalised; or tokens int [N, T]; or features [N, W] */
  tensor: Tensor;
  /** `tensor` holds features, from a cache. */
  cached: boolean;
}

export interface StepInput {
  image: TowerInput;
  text: TowerInput;
  /** What else the objective may look at. */
  about: Pick<ObjectiveInput, "ids" | "step" | "position" | "epoch" | "teacher">;
}

interface StepResult {
  /** Pairs in the batches of all ranks. */
  pairs: number;
  /** In the objective's own unit; nats for the contrastive ones. */
  loss: number;
  /** Absent where it was not asked for. */
  contrastiveAccuracy?: number;
  /** The objective's further numbers. */
  metrics: Record<string, number>;
}

export interface StepOptions {
  objective: TrainingObjective;
  towers: Record<"image" | "text", LockableTower>;
  precision: ResolvedRecipe["train"]["precision"];
  microBatchSize?: number | undefined;
  /** Whether `contrastiveAccuracy` is wanted, which takes two N x N products; true when absent. */
  measure?: boolean;
  group: ProcessGroup;
  /** The run's; decides a rank's own random numbers. */
  seed: number;
}

/** The towers' outputs before they are brought to length 1. */
interface Raw {
  image: Tensor;
  text: Tensor;
}

/**
 * Accumulates the gradient of the batch's loss into the model's and the objective's parameters; in a
 * group of several, what their mean over the ranks makes that of the whole batch.
 */
export function accumulateGradient(
  model: DualEncoder,
  input: StepInput,
  options: StepOptions,
): StepResult {
  const size = input.image.tensor.size(0);
  const micro = options.microBatchSize ?? size;
  return scope(() =>
    micro >= size ? onePass(model, input, options) : microBatches(model, input, options, micro),
  );
}

function onePass(model: DualEncoder, input: StepInput, options: StepOptions): StepResult {
  const raw = drawn(model, input, options, () => embed(input, options));
  const { loss, ...result } = compute(model, raw, input, options);
  const value = loss.item();
  if (Number.isFinite(value)) backward(loss);
  return { loss: value, ...result };
}

/**
 * Embeddings first without a graph, the loss on all of them, then each micro-batch again with one,
 * seeded with its share of the embeddings' gradient (GradCache, arXiv:2101.06983). The logit scale
 * gets its gradient once, from the loss itself. Random layers repeat their numbers in the second
 * pass; batch norm sees micro-batches and counts each once.
 */
function microBatches(
  model: DualEncoder,
  input: StepInput,
  options: StepOptions,
  size: number,
): StepResult {
  const parts = split(input, size);
  const { device } = model;
  const states: Tensor[] = [];
  const cached = drawn(model, input, options, () =>
    parts.map((part) => {
      states.push(randomState(device));
      return noGrad(() => scope(() => withoutStatistics(() => embed(part, options))));
    }),
  );
  const whole: Raw = {
    image: cat(cached.map(({ image }) => image)).setRequiresGrad(true),
    text: cat(cached.map(({ text }) => text)).setRequiresGrad(true),
  };
  const { loss, ...result } = compute(model, whole, input, options);
  // The objective may have drawn some too.
  const after = randomState(device);
  const value = loss.item();
  if (!Number.isFinite(value)) return { loss: value, ...result };
  backward(loss);
  const gradients = [whole.image.grad, whole.text.grad] as [Tensor, Tensor];
  for (const [i, part] of parts.entries()) {
    scope(() => {
      setRandomState(states[i] as Tensor, device);
      const { image, text } = embed(part, options);
      const rows = image.size(0);
      const live = [image, text].map((side, which) => ({
        side,
        gradient: (gradients[which] as Tensor).narrow(0, i * size, rows),
      }));
      const trained = live.filter(({ side }) => side.requiresGrad);
      backward(
        trained.map(({ side }) => side),
        trained.map(({ gradient }) => gradient),
      );
    });
  }
  setRandomState(after, device);
  return { loss: value, ...result };
}

function drawn<T>(
  { device }: DualEncoder,
  { about }: StepInput,
  { group, seed }: StepOptions,
  body: () => T,
): T {
  return drawOwn(group, { seed, step: about.step, device }, body);
}

function embed({ image, text }: StepInput, { precision, towers }: StepOptions): Raw {
  const device = precision === "bfloat16" ? image.tensor.device : undefined;
  return autocast(device, () => ({
    image: output(towers.image, image),
    text: output(towers.text, text),
  }));
}

/** [N, D] float32: a locked tower's features come without a graph, a head of its own with one. */
function output({ tower, locked }: LockableTower, { tensor, cached }: TowerInput): Tensor {
  const features = (): Tensor => (cached ? tensor : tower.features(tensor));
  const found = locked ? noGrad(features) : features();
  return (tower.projection ? tower.projection.forward(found) : found).to("float32");
}

function compute(
  model: DualEncoder,
  own: Raw,
  { about }: StepInput,
  { objective, group, measure = true }: StepOptions,
): Omit<StepResult, "loss"> & { loss: Tensor } {
  const raw = { image: group.gather(own.image), text: group.gather(own.text) };
  const [image, text] = [unitRows(raw.image), unitRows(raw.text)];
  const { loss, metrics = {} }: ObjectiveOutput = objective.compute({
    image,
    text,
    rawImage: raw.image,
    rawText: raw.text,
    logitScale: model.logitScale(),
    logitBias: model.logitBias?.tensor ?? null,
    ...gatherAbout(about, group),
  });
  const result = { loss, metrics, pairs: image.size(0) };
  if (!measure) return result;
  return { ...result, contrastiveAccuracy: contrastiveAccuracy(image.detach(), text.detach()) };
}

function gatherAbout(about: StepInput["about"], group: ProcessGroup): StepInput["about"] {
  const { ids, teacher } = about;
  return {
    ...about,
    ids: group.gatherValues(ids).flat(),
    ...(teacher === undefined
      ? {}
      : {
          teacher: {
            ...teacher,
            image: group.gather(teacher.image),
            text: group.gather(teacher.text),
          },
        }),
  };
}

function split({ image, text, about }: StepInput, size: number): StepInput[] {
  const texts = text.tensor.split(size);
  return image.tensor.split(size).map((part, i) => ({
    image: { ...image, tensor: part },
    text: { ...text, tensor: texts[i] as Tensor },
    about,
  }));
}
