/** Accuracy against the number of examples, over several draws of them. */
import { correctOnes, type Adapter } from "./adapter.ts";
import { rowsAt, type Embeddings } from "../arrays/embeddings.ts";
import { sampleEpisode, sampleSupport } from "./episode.ts";
import { selectSetting } from "./select-setting.ts";

/** Labelled embeddings: [n, D] unit rows and [n] integers from 0 to classCount - 1. */
export interface LabelledEmbeddings {
  readonly embeddings: Embeddings;
  readonly labels: ArrayLike<number>;
}

export interface FewShotTask {
  /** What the examples are drawn from. */
  readonly pool: LabelledEmbeddings;
  /** What is classified; what the largest draw leaves of the pool when absent. */
  readonly queries?: LabelledEmbeddings;
  readonly classCount: number;
  /** [C, D] unit rows; needed by Tip-Adapter. */
  readonly textWeights?: Embeddings;
}

export interface FewShotCurveOptions {
  /** Examples of each class; [1, 2, 4, 8, 16, 32] when absent. */
  shots?: readonly number[];
  /** One draw each; [0, 1, 2, 3, 4] when absent. */
  seeds?: readonly number[];
  /** At most so many queries of each class from the pool. */
  queriesPerClass?: number;
  /** Choose the setting inside each support; the adapter's fixed one where false. Default true. */
  select?: boolean;
  /** Of the choice; see selectSetting. */
  folds?: number;
}

/** One draw of one number of shots. */
export interface FewShotPoint<Setting> {
  readonly shots: number;
  readonly seed: number;
  /** Share of the queries that were classified right, [0, 1]. */
  readonly accuracy: number;
  /** [Q] 1 where query q was right: what an interval over queries is made of. */
  readonly correct: Uint8Array;
  /** [Q] the rows of the queries in their set. */
  readonly queries: Int32Array;
  readonly setting: Setting;
}

export interface FewShotCurve<Setting> {
  readonly adapter: string;
  readonly shots: readonly number[];
  /** Over all draws, one for each number of shots. */
  readonly accuracy: readonly number[];
  readonly points: readonly FewShotPoint<Setting>[];
}

/**
 * Draws a support for every seed and number of shots, chooses the setting inside it, and classifies
 * the queries. Under one seed fewer shots are a part of more, and the queries are the same for all.
 *
 * throws  RangeError where a class has too few examples; as the adapter does
 */
export function fewShotCurve<Setting>(
  adapter: Adapter<Setting>,
  task: FewShotTask,
  options: FewShotCurveOptions = {},
): FewShotCurve<Setting> {
  const { shots = [1, 2, 4, 8, 16, 32], seeds = [0, 1, 2, 3, 4] } = options;
  if (shots.length === 0 || seeds.length === 0) {
    throw new RangeError("Expected at least one number of shots and one seed but received none");
  }
  const points = seeds.flatMap((seed) => drawsOf(adapter, task, { ...options, shots, seed }));
  const accuracy = shots.map((count) => {
    const own = points.filter((point) => point.shots === count);
    return own.reduce((sum, point) => sum + point.accuracy, 0) / own.length;
  });
  return { adapter: adapter.name, shots, accuracy, points };
}

interface DrawOptions extends FewShotCurveOptions {
  shots: readonly number[];
  seed: number;
}

function drawsOf<Setting>(
  adapter: Adapter<Setting>,
  task: FewShotTask,
  { shots, seed, select = true, folds, queriesPerClass }: DrawOptions,
): FewShotPoint<Setting>[] {
  const { pool, classCount, textWeights } = task;
  const draw = { labels: pool.labels, classCount, shots: Math.max(...shots), seed };
  const { queries, supportRows } = task.queries
    ? {
        queries: Int32Array.from({ length: task.queries.labels.length }, (_, i) => i),
        supportRows: (count: number) => sampleSupport({ ...draw, shots: count }),
      }
    : episodeOf({ ...draw, ...(queriesPerClass === undefined ? {} : { queriesPerClass }) });
  const asked = task.queries ?? pool;
  const questions = rowsAt(asked.embeddings, queries);
  const answers = Array.from(queries, (row) => asked.labels[row]!);
  return shots.map((count) => {
    const rows = supportRows(count);
    const support = {
      embeddings: rowsAt(pool.embeddings, rows),
      labels: Array.from(rows, (row) => pool.labels[row]!),
      classCount,
      ...(textWeights === undefined ? {} : { textWeights }),
    };
    const selection = { seed, ...(folds === undefined ? {} : { folds }) };
    const setting = select
      ? selectSetting(adapter, support, selection).setting
      : adapter.fixed(support);
    const correct = correctOnes(adapter.fit(support, setting).scores(questions), answers);
    const accuracy = correct.reduce((sum, one) => sum + one, 0) / correct.length;
    return { shots: count, seed, accuracy, correct, queries, setting };
  });
}

function episodeOf(options: Parameters<typeof sampleEpisode>[0]): {
  queries: Int32Array;
  supportRows: (shots: number) => Int32Array;
} {
  const { queries, support } = sampleEpisode(options);
  return { queries, supportRows: support };
}
