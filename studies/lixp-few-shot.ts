/**
 * What the study `lixp` measures of a finished model: zero-shot, and few-shot without training, on
 * the pictures of a vendor that no run has seen.
 */
import { evaluate, loadModel, type SuiteResult } from "limn";
import { fewShotCurve, nearestNeighbors, prototypes, tipAdapter, type Adapter } from "limn/adapt";
import { classifierWeights } from "limn/evaluate";
import { suiteOutcome, type ItemScores, type Outcome, type StudyMetric } from "limn/study";
import * as torch from "limn/torch";

import type { EmojiSuite } from "../examples/emoji/suites.ts";
import type { EmojiStudyData } from "./emoji.ts";

export interface FewShotQuestion {
  readonly name: string;
  readonly title: string;
  /** Key of a sample's JSON that is the class. */
  readonly answer: "group" | "subgroup";
  readonly shots: readonly number[];
  /** Pictures that a class must have to take part. */
  readonly leastPictures: number;
}

/** Few subgroups have the pictures for 32 shots, so that question is asked of groups. */
export const questions: readonly FewShotQuestion[] = [
  {
    name: "groups",
    title: "groups",
    answer: "group",
    shots: [1, 2, 4, 8, 16, 32],
    leastPictures: 64,
  },
  {
    name: "subgroups",
    title: "subgroups",
    answer: "subgroup",
    shots: [1, 2, 4, 8, 16],
    leastPictures: 24,
  },
];

export const adapterTitles = {
  tip: "Tip-Adapter",
  prototypes: "prototypes",
  neighbors: "k-NN",
} as const;
export type AdapterName = keyof typeof adapterTitles;

/**
 * About what all models here learn; of Tip-Adapter's grid only alpha over this counts, and over 100
 * examples would hardly ever outweigh the texts of models this weak.
 */
const logitScale = 10;

/** Draws of examples; the same for every model. */
const episodes = [0, 1, 2, 3, 4];

/** `groups/tip/8`; `mean` is over all shots, `growth` from the fewest to the most. */
export function fewShotKey(
  question: string,
  adapter: AdapterName,
  shots: number | "mean" | "growth",
): string {
  return `${question}/${adapter}/${shots}`;
}

export function fewShotMetrics(): Record<string, StudyMetric> {
  const metrics: Record<string, StudyMetric> = {};
  for (const { name, title, shots } of questions) {
    const share = (label: string): StudyMetric => ({ label, unit: "share", better: "higher" });
    metrics[`${name}/zeroShot`] = share(`${title}, zero-shot`);
    for (const adapter of Object.keys(adapterTitles) as AdapterName[]) {
      const method = `${title}, ${adapterTitles[adapter]}`;
      for (const count of shots) {
        metrics[fewShotKey(name, adapter, count)] = share(
          `${method}, ${count} ${count === 1 ? "shot" : "shots"}`,
        );
      }
      metrics[fewShotKey(name, adapter, "mean")] = share(`${method}, mean over shots`);
      metrics[fewShotKey(name, adapter, "growth")] = share(
        `${method}, gain from ${shots[0]} to ${shots.at(-1)} shots`,
      );
    }
  }
  return metrics;
}

/** Zero-shot and few-shot of a model folder on the suite's pictures. */
export async function measureModel(
  model: string,
  data: EmojiStudyData,
  suites: readonly EmojiSuite[],
): Promise<Required<Outcome>> {
  const results = await evaluate({ model, suites, batchSize: 256, bootstrap: { resamples: 2 } });
  const { metrics, items } = suiteOutcome(results);
  const [vendor] = results;
  if (vendor === undefined) throw new Error("internal: no suite to measure few-shot on");
  for (const question of questions) {
    Object.assign(items, await fewShot(model, data, vendor, question));
  }
  return { metrics, items };
}

type Task = Parameters<typeof fewShotCurve>[1];
type Rows = Task["pool"]["embeddings"];

/** [Q, D] x [M, D] -> [Q, M]: one matrix product of libtorch on the CPU. */
function similarities(queries: Rows, candidates: Rows): Float32Array {
  return torch.noGrad(() =>
    torch.scope(() => {
      const rows = torch.fromData(queries.data, [queries.count, queries.dim]);
      const columns = torch.fromData(candidates.data, [candidates.count, candidates.dim]);
      return rows.mm(columns.t()).toFloat32Array();
    }),
  );
}

async function fewShot(
  model: string,
  data: EmojiStudyData,
  { dataset }: SuiteResult,
  question: FewShotQuestion,
): Promise<Record<string, ItemScores>> {
  const { classes, rows, labels } = chooseClasses(dataset.metas, data, question);
  const textWeights = await textWeightsOf(
    model,
    classes.map(({ names }) => names),
  );
  const task: Task = {
    pool: { embeddings: rowsOf(dataset.imageEmbeddings, rows), labels },
    classCount: classes.length,
    textWeights,
  };
  const scores: Record<string, ItemScores> = {
    [`${question.name}/zeroShot`]: zeroShotItems(task),
  };
  const adapters: Record<AdapterName, () => Record<string, ItemScores>> = {
    tip: () => curveItems(tipAdapter({ logitScale, similarities }), task, question, "tip"),
    prototypes: () => curveItems(prototypes({ similarities }), task, question, "prototypes"),
    neighbors: () =>
      curveItems(
        nearestNeighbors({ voting: "softmax", similarities }),
        task,
        question,
        "neighbors",
      ),
  };
  for (const measure of Object.values(adapters)) Object.assign(scores, measure());
  return scores;
}

interface ChosenClasses {
  classes: { key: string; names: readonly string[] }[];
  /** Pictures of these classes, and their class. */
  rows: number[];
  labels: number[];
}

/** Classes with enough pictures, in Unicode's order. */
function chooseClasses(
  metas: readonly Record<string, unknown>[],
  { built }: EmojiStudyData,
  { answer, leastPictures }: FewShotQuestion,
): ChosenClasses {
  const counts = new Map<unknown, number>();
  for (const meta of metas) counts.set(meta[answer], (counts.get(meta[answer]) ?? 0) + 1);
  const all = answer === "group" ? built.classes.groups : built.classes.subgroups;
  const classes = all.filter(({ key }) => (counts.get(key) ?? 0) >= leastPictures);
  const place = new Map(classes.map(({ key }, i) => [key, i]));
  const rows = [...metas.keys()].filter((row) => place.has(String(metas[row]?.[answer])));
  return {
    classes,
    rows,
    labels: rows.map((row) => place.get(String(metas[row]?.[answer])) ?? -1),
  };
}

async function textWeightsOf(
  folder: string,
  classes: readonly (readonly string[])[],
): Promise<Task["pool"]["embeddings"]> {
  const loaded = await loadModel(folder);
  try {
    const embedTexts = (texts: string[]): Promise<Task["pool"]["embeddings"]> => {
      const data = torch.scope(() => loaded.encodeTexts(texts).toFloat32Array());
      return Promise.resolve({ data, count: texts.length, dim: data.length / texts.length });
    };
    const { weights } = await classifierWeights({ classes, templates: "bare", embedTexts });
    return weights;
  } finally {
    loaded.dispose();
  }
}

function rowsOf(
  { data, dim }: Task["pool"]["embeddings"],
  rows: readonly number[],
): Task["pool"]["embeddings"] {
  const out = new Float32Array(rows.length * dim);
  for (const [i, row] of rows.entries()) {
    out.set(data.subarray(row * dim, (row + 1) * dim), i * dim);
  }
  return { data: out, count: rows.length, dim };
}

/** Every picture of the classes by their names alone. */
function zeroShotItems({ pool, textWeights }: Task): ItemScores {
  const { data, count, dim } = pool.embeddings;
  const scoreOf = (row: number, c: number): number => {
    let sum = 0;
    for (let i = 0; i < dim; i++) {
      sum += (data[row * dim + i] ?? 0) * (textWeights?.data[c * dim + i] ?? 0);
    }
    return sum;
  };
  return Uint8Array.from({ length: count }, (_, row) => {
    const scores = Array.from({ length: textWeights?.count ?? 0 }, (_, c) => scoreOf(row, c));
    return scores.indexOf(Math.max(...scores)) === pool.labels[row] ? 1 : 0;
  });
}

/**
 * How often each picture was classified right, of how many draws it was a query in: by number of
 * shots, over all of them, and as the change from the fewest to the most.
 */
function curveItems<Setting>(
  adapter: Adapter<Setting>,
  task: Task,
  { name, shots }: FewShotQuestion,
  as: AdapterName,
): Record<string, ItemScores> {
  const curve = fewShotCurve(adapter, task, { shots, seeds: episodes });
  const { count } = task.pool.embeddings;
  const tally = shots.map((wanted) => {
    const [sums, counts] = [new Uint8Array(count), new Uint8Array(count)];
    for (const { queries, correct } of curve.points.filter((point) => point.shots === wanted)) {
      for (const [i, row] of queries.entries()) {
        counts[row] = (counts[row] ?? 0) + 1;
        sums[row] = (sums[row] ?? 0) + (correct[i] ?? 0);
      }
    }
    return { sums, counts };
  });
  const scores: Record<string, ItemScores> = {};
  for (const [i, wanted] of shots.entries()) {
    const own = tally[i];
    if (own !== undefined) scores[fewShotKey(name, as, wanted)] = own;
  }
  const [first, last] = [tally[0], tally.at(-1)];
  if (first === undefined || last === undefined) return scores;
  const total = (part: "sums" | "counts"): Uint8Array =>
    first[part].map((_, row) => tally.reduce((sum, one) => sum + (one[part][row] ?? 0), 0));
  scores[fewShotKey(name, as, "mean")] = { sums: total("sums"), counts: total("counts") };
  scores[fewShotKey(name, as, "growth")] = {
    sums: Float32Array.from(last.sums, (sum, row) => sum - (first.sums[row] ?? 0)),
    counts: first.counts,
  };
  return scores;
}
