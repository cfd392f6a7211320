/** A pair's trainer with what the loop asks for beyond steps: suites, checkpoints, the finished model. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Batch } from "../../data/sample.ts";
import { saveTokenizer } from "../../text/index.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { embedderOf } from "../../inference/features/embed-dataset.ts";
import { pairEncoder } from "../../inference/encoder.ts";
import { DataError } from "../../errors.ts";
import { runSuite, type SuiteResult } from "../../evaluate/run-suite.ts";
import { metricValues } from "../../evaluate/metric-table.ts";
import { saveCheckpoint } from "../../checkpoints/checkpoint.ts";
import { libraryName } from "../../checkpoints/local-model.ts";
import { saveAdapter } from "../../checkpoints/adapters/save-adapter.ts";
import { adaptations, mergedState } from "../../nn/low-rank.ts";
import type { Evaluation, Learner } from "../run/learner.ts";
import { pathOf } from "../../checkpoints/named-model.ts";
import type { ProcessGroup } from "../process-group.ts";
import {
  Trainer,
  type StepOptions,
  type StepReport,
  type TrainerOptions,
} from "../step/trainer.ts";
import { withTrainingState, type TrainingState } from "../run/run-checkpoint.ts";

interface PairLearnerOptions extends Omit<TrainerOptions, "normalization"> {
  tokenizer: Tokenizer;
  transform: EvaluationTransform;
  /** What the model carries for the names of classes; undefined where the recipe says none. */
  templates: readonly string[] | undefined;
  /** Where the low-rank changes of a run with LoRA go, apart from the model. */
  adapterFolder: string;
}

export class PairLearner extends Trainer implements Learner {
  readonly evaluate: Learner["evaluate"];
  readonly #options: PairLearnerOptions;

  /** throws  RecipeError where model, towers, logits and objective contradict each other */
  constructor(options: PairLearnerOptions) {
    super({ ...options, normalization: options.transform });
    this.#options = options;
    const measures = options.recipe.evaluate.suites.length > 0;
    this.evaluate = measures ? (pictures) => this.#evaluate(pictures) : null;
  }

  override trainStep(batch: Batch, at?: StepOptions): StepReport {
    checkPairs(batch, this.group);
    return super.trainStep(batch, at);
  }

  async #evaluate(pictures: number): Promise<Evaluation> {
    const { tokenizer, transform, templates } = this.#options;
    const { model, recipe } = this;
    const { precision } = recipe.train;
    const encoder = pairEncoder(model, transform);
    const embedder = embedderOf({ encoder, tokenizer, templates }, { precision });
    const { batchSize, suites } = recipe.evaluate;
    const loader = { transform, tokenizer: tokenizer.description, batchSize };
    const results = await this.withAverage(async () => {
      const done: SuiteResult[] = [];
      for (const suite of suites) done.push(await runSuite(suite, embedder, { loader, pictures }));
      return done;
    });
    const rows = results.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
    return { values: metricValues(rows), suites: results };
  }

  saveTraining(folder: string, state: TrainingState): Promise<void> {
    const tokenizerFiles = withTrainingState(this.#tokenizerFiles, this, state);
    return this.#save(folder, tokenizerFiles);
  }

  /** The model with its low-rank changes merged, and the changes apart where there are some. */
  saveModel(folder: string): Promise<void> {
    const { model, recipe } = this;
    return this.withAverage(async () => {
      await this.#save(folder, this.#tokenizerFiles);
      if (adaptations(model).length === 0) return;
      const whole = this.trainedWhole();
      const base = recipe.pretrained && libraryName(pathOf(recipe.pretrained));
      await saveAdapter(this.#options.adapterFolder, model, { base, whole });
    });
  }

  async #save(folder: string, tokenizerFiles: (folder: string) => Promise<void>): Promise<void> {
    const state = mergedState(this.model);
    const own = new Set([...this.model.namedState()].map(([, tensor]) => tensor));
    try {
      await saveCheckpoint(folder, {
        config: this.config,
        weights: state,
        evaluationTransform: this.#options.transform,
        templates: this.#options.templates,
        tokenizerFiles,
      });
    } finally {
      for (const tensor of state.values()) if (!own.has(tensor)) tensor.dispose();
    }
  }

  readonly #tokenizerFiles = (folder: string): Promise<void> =>
    saveTokenizer(this.#options.tokenizer, folder);

  warnings(): readonly string[] {
    return this.objective.warnings?.() ?? [];
  }
}

/** Throws DataError for a batch of all ranks that is one picture over and over: data of one pair. */
function checkPairs({ imageIds: own, keys }: Batch, group: ProcessGroup): void {
  const imageIds = group.gatherValues(own).flat();
  const [first] = imageIds;
  if (imageIds.some((id) => id !== first)) return;
  throw new DataError(
    `Expected at least two different pairs in a batch but received ${imageIds.length} times ` +
      `${keys[0] ?? "nothing"}; a pair has nothing to be told apart from, so give data.train more`,
    { source: "data.train" },
  );
}
