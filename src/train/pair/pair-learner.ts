/** A pair's trainer as the loop sees it: with its suites, its tokenizer and its model folder. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Batch } from "../../data/sample.ts";
import { saveTokenizer } from "../../text/index.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { embedderOf } from "../../inference/embed-dataset.ts";
import { pairEncoder } from "../../inference/encoder.ts";
import { DataError } from "../../errors.ts";
import { runSuite, type SuiteResult } from "../../evaluate/run-suite.ts";
import { metricValues } from "../../evaluate/metric-table.ts";
import { saveCheckpoint } from "../../checkpoints/checkpoint.ts";
import { saveAdapter } from "../../checkpoints/adapters/save-adapter.ts";
import { adaptations, mergedState } from "../../nn/low-rank.ts";
import type { Evaluation, Learner } from "../run/learner.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import type { Trainer } from "../step/trainer.ts";
import { withTrainingState, type TrainingState } from "../run/training-checkpoint.ts";

export interface PairLearnerParts {
  recipe: ResolvedRecipe;
  trainer: Trainer;
  tokenizer: Tokenizer;
  transform: EvaluationTransform;
  /** Where the low-rank changes of a run with LoRA go, apart from the model. */
  adapterFolder: string;
}

export class PairLearner implements Learner {
  readonly trainer: Trainer;
  readonly evaluate: Learner["evaluate"];
  readonly #parts: PairLearnerParts;

  constructor(parts: PairLearnerParts) {
    this.#parts = parts;
    this.trainer = parts.trainer;
    const measures = parts.recipe.evaluate.suites.length > 0;
    this.evaluate = measures ? (pictures) => this.#evaluate(pictures) : null;
  }

  get step(): number {
    return this.trainer.step;
  }

  get examplesSeen(): number {
    return this.trainer.examplesSeen;
  }

  trainStep(batch: Batch, measure = true): { loss: number } & Record<string, number> {
    checkPairs(batch);
    const { metrics, ...report } = this.trainer.trainStep(batch, measure);
    return { ...report, ...metrics };
  }

  async #evaluate(pictures: number): Promise<Evaluation> {
    const { recipe, trainer, tokenizer, transform } = this.#parts;
    const { precision } = recipe.train;
    const encoder = pairEncoder(trainer.model, transform);
    const embedder = embedderOf(encoder, tokenizer, { precision });
    const { batchSize, suites } = recipe.evaluate;
    const loader = { transform, tokenizer: tokenizer.description, batchSize };
    const results = await trainer.withAverage(async () => {
      const done: SuiteResult[] = [];
      for (const suite of suites) done.push(await runSuite(suite, embedder, { loader, pictures }));
      return done;
    });
    const rows = results.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
    return { values: metricValues(rows), suites: results };
  }

  saveTraining(folder: string, state: TrainingState): Promise<void> {
    const tokenizerFiles = withTrainingState(this.#tokenizerFiles, this.trainer, state);
    return this.#save(folder, tokenizerFiles);
  }

  /** The model with its low-rank changes merged, and the changes apart where there are some. */
  saveModel(folder: string): Promise<void> {
    const { trainer, recipe, adapterFolder } = this.#parts;
    return trainer.withAverage(async () => {
      await this.#save(folder, this.#tokenizerFiles);
      if (adaptations(trainer.model).length === 0) return;
      const whole = trainer.trainedWhole();
      await saveAdapter(adapterFolder, trainer.model, { base: recipe.pretrained, whole });
    });
  }

  async #save(folder: string, tokenizerFiles: (folder: string) => Promise<void>): Promise<void> {
    const { trainer, transform } = this.#parts;
    const state = mergedState(trainer.model);
    const own = new Set([...trainer.model.namedState()].map(([, tensor]) => tensor));
    try {
      await saveCheckpoint(folder, {
        config: trainer.config,
        weights: state,
        evaluationTransform: transform,
        tokenizerFiles,
      });
    } finally {
      for (const tensor of state.values()) if (!own.has(tensor)) tensor.dispose();
    }
  }

  readonly #tokenizerFiles = (folder: string): Promise<void> =>
    saveTokenizer(this.#parts.tokenizer, folder);

  warnings(): readonly string[] {
    return this.trainer.objective.warnings?.() ?? [];
  }
}

/** Throws DataError for a batch that is one picture over and over: data of one pair. */
function checkPairs({ imageIds, keys }: Batch): void {
  const [first] = imageIds;
  if (imageIds.some((id) => id !== first)) return;
  throw new DataError(
    `Expected at least two different pairs in a batch but received ${imageIds.length} times ` +
      `${keys[0] ?? "nothing"}; a pair has nothing to be told apart from, so give data.train more`,
    { source: "data.train" },
  );
}
