/**
 * Two models on the same items: what their metrics differ by, how sure that is, and whether it holds
 * among as many questions as were asked. Takes results of suites; knows no models and no pictures.
 */
import { pairedBootstrap, resolveBootstrap, type Interval } from "../../arrays/bootstrap.ts";
import { studentQuantile } from "../../arrays/distributions.ts";
import { holm, mcNemarOf, tInterval, type McNemar } from "../../arrays/hypothesis-tests.ts";
import type { SetResult, TaskRecord } from "../suite-results.ts";
import type { ItemColumns } from "../tasks/task.ts";
import {
  checkChance,
  commonSets,
  sameItems,
  statisticOf,
  unlike,
  unlikeSettings,
  type Files,
  type ResultsOf,
} from "./same-items.ts";

export type { ResultsOf } from "./same-items.ts";

/** A metric of both models; differences are second - first, in the metric's unit. */
export interface ComparedMetric {
  /** Behind `<set>/<task>/`. */
  readonly path: string;
  readonly unit: string;
  readonly better: "larger" | "smaller";
  readonly first: number;
  readonly second: number;
  readonly difference: number;
  /** Paired bootstrap; absent where items were not kept, as `p` is. */
  readonly interval?: Interval;
  readonly standardError?: number;
  /** Two-sided; McNemar's for a top-1 accuracy of independent items, else the bootstrap's. */
  readonly p?: number;
}

export interface ComparedTask {
  readonly name: string;
  readonly kind: string;
  /** Those that both have, in the first one's order. */
  readonly metrics: readonly ComparedMetric[];
  /** Of top-1 accuracy; absent where items share sources, as the test takes them to be independent. */
  readonly mcNemar?: McNemar;
  /** Settings that were not alike, such as the templates. */
  readonly notes: readonly string[];
}

/** Which of two is better: `open` where no difference can be shown. */
export type Winner = "first" | "second" | "open";

export interface ComparedSet {
  readonly name: string;
  readonly title: string;
  readonly tasks: readonly ComparedTask[];
  /** The number that stands for the set. */
  readonly main: ComparedMetric & {
    readonly task: string;
    /** `p` adjusted by Holm's method for the main metrics of all sets. */
    readonly adjustedP?: number;
  };
  readonly winner: Winner;
}

/** The mean of the sets' main differences, of those that are shares. */
export interface AverageDifference {
  /** Sets that it is of. */
  readonly sets: number;
  readonly first: number;
  readonly second: number;
  readonly difference: number;
  /** For these sets: their items are drawn again. Normal, from the sets' standard errors. */
  readonly interval?: Interval;
  /** For sets like these: Student's, over the sets' differences. Absent for one set. */
  readonly overSets?: Interval;
}

export interface ComparedModel {
  /** Told apart by file where both have one name. */
  readonly name: string;
  readonly file: string;
  readonly fingerprint: string;
  readonly precision: string;
}

export interface SuiteComparison {
  readonly first: ComparedModel;
  readonly second: ComparedModel;
  /** Coverage of the intervals; verdicts are at an error of 1 - level. */
  readonly level: number;
  readonly resamples: number;
  readonly sets: readonly ComparedSet[];
  /** Sets that only one has, or that were not measured for both. */
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  /** Absent where no main metric is a share. */
  readonly average?: AverageDifference;
}

export interface CompareOptions {
  /** Default 0.95. */
  readonly level?: number;
  /** Default 1,000; 0 leaves out intervals and all p values but McNemar's. */
  readonly resamples?: number;
  readonly seed?: number;
  readonly onSet?: (title: string) => void;
}

/**
 * Compares two results set by set. In every resample both models get the same items, with those of one
 * source together; see pairedBootstrap, mcNemar and holm for the equations.
 *
 * throws  DataError where no set is common, or a set's tasks, items or right answers differ; it names the
 *         set and the first item. RangeError for options out of range
 */
export function compareResults(
  first: ResultsOf,
  second: ResultsOf,
  options: CompareOptions = {},
): SuiteComparison {
  const { level, resamples } = resolveBootstrap(options);
  const { pairs, leftOut } = commonSets(first, second);
  const compared = pairs.map(([one, other]) => {
    options.onSet?.(one.title);
    return compareSets(one, other, { ...options, level, files: [first.file, second.file] });
  });
  const sets = judged(compared, level);
  const average = averageOf(sets, level);
  return {
    ...models(first, second),
    ...{ level, resamples, sets, leftOut },
    ...(average !== undefined && { average }),
  };
}

function models(first: ResultsOf, second: ResultsOf): Pick<SuiteComparison, "first" | "second"> {
  const isShared = first.results.model.name === second.results.model.name;
  const of = ({ file, results: { model } }: ResultsOf): ComparedModel => ({
    name: isShared ? `${model.name} (${file})` : model.name,
    file,
    fingerprint: model.fingerprint,
    precision: model.precision,
  });
  return { first: of(first), second: of(second) };
}

interface SetOptions extends CompareOptions {
  level: number;
  files: Files;
}

type UnjudgedSet = Omit<ComparedSet, "winner">;

function compareSets(one: SetResult, other: SetResult, options: SetOptions): UnjudgedSet {
  const tasks = one.tasks.map((task) => {
    const pair = other.tasks.find(({ name }) => name === task.name);
    if (pair === undefined) {
      const names = other.tasks.map(({ name }) => name).join(", ");
      throw unlike(
        options.files,
        `the task ${task.name} of set ${one.name}`,
        `only ${names || "none"}`,
      );
    }
    return compareTasks(`${one.name}/${task.name}`, task, pair, options);
  });
  const metrics = tasks.flatMap(({ name, metrics: own }) =>
    own.map((metric) => ({ ...metric, task: name })),
  );
  const main = metrics.find(({ task, path }) => `${task}/${path}` === one.main) ?? metrics[0];
  if (main === undefined)
    throw unlike(options.files, `metrics of set ${one.name}`, "none in common");
  return { name: one.name, title: one.title, tasks, main };
}

function compareTasks(
  place: string,
  one: TaskRecord,
  other: TaskRecord,
  options: SetOptions,
): ComparedTask {
  if (one.kind !== other.kind) {
    throw unlike(options.files, `a task of kind ${one.kind} for ${place}`, other.kind);
  }
  const paths = Object.keys(one.metrics).filter((path) => Object.hasOwn(other.metrics, path));
  const items = sameItems(place, one, other, options.files);
  checkChance(place, paths, [one, other], options.files);
  const mcNemar = items && top1Test(...items, paths);
  const differences =
    items === undefined
      ? []
      : pairedBootstrap(
          items[0].keys.length,
          statisticOf(place, other, items[1], paths, options.files[1]),
          statisticOf(place, one, items[0], paths, options.files[0]),
          { ...options, ...(items[0].clusters && { clusters: items[0].clusters }) },
        );
  const metrics = paths.flatMap((path, i): ComparedMetric[] => {
    const [left, right] = [one.metrics[path]!, other.metrics[path]!];
    if (left.value === null || right.value === null) return [];
    const { interval, standardError, p } = differences[i] ?? {};
    const { unit, better } = left;
    const [first, second] = [left.value, right.value];
    const own = path === "top1" && mcNemar !== undefined ? mcNemar.p : p;
    return [
      {
        ...{ path, unit, better, first, second },
        difference: second - first,
        ...(interval !== undefined && { interval }),
        ...(standardError !== undefined && { standardError }),
        ...(own !== undefined && { p: own }),
      },
    ];
  });
  const { name, kind } = one;
  return { name, kind, metrics, ...(mcNemar && { mcNemar }), notes: unlikeSettings(one, other) };
}

/** McNemar's test of first guesses, where a column has the rank of every independent item. */
function top1Test(
  one: ItemColumns,
  other: ItemColumns,
  paths: readonly string[],
): McNemar | undefined {
  const ranks = [one, other].map(({ columns }) => columns["rank"]);
  const [left, right] = ranks;
  if (!paths.includes("top1") || one.clusters !== undefined) return undefined;
  if (left?.length !== one.keys.length || right?.length !== one.keys.length) return undefined;
  const hits = (of: ArrayLike<number>): Uint8Array => Uint8Array.from(of, (rank) => +(rank === 1));
  return mcNemarOf(hits(left), hits(right));
}

/** Sets with their winners: p values of the main metrics are corrected together. */
function judged(sets: readonly UnjudgedSet[], level: number): ComparedSet[] {
  const asked = sets.filter(({ main }) => main.p !== undefined);
  const adjusted = holm(asked.map(({ main }) => main.p!));
  return sets.map((set) => {
    const place = asked.indexOf(set);
    if (place < 0) return { ...set, winner: "open" };
    const adjustedP = adjusted[place]!;
    const main = { ...set.main, adjustedP };
    return { ...set, main, winner: adjustedP < 1 - level ? winnerOf(main) : "open" };
  });
}

function winnerOf({ difference, better }: ComparedMetric): Winner {
  if (difference === 0) return "open";
  return difference > 0 === (better === "larger") ? "second" : "first";
}

function averageOf(sets: readonly ComparedSet[], level: number): AverageDifference | undefined {
  const shares = sets.flatMap(({ main }) =>
    main.unit === "share" && main.better === "larger" ? [main] : [],
  );
  if (shares.length === 0) return undefined;
  const mean = (of: (main: ComparedMetric) => number): number =>
    shares.reduce((sum, main) => sum + of(main), 0) / shares.length;
  const difference = mean((main) => main.difference);
  const variance = mean(({ standardError = NaN }) => standardError ** 2) / shares.length;
  // Student's with this many degrees of freedom is normal to nine digits.
  const half = studentQuantile((1 + level) / 2, 1e9) * Math.sqrt(variance);
  const overSets = tInterval(
    shares.map((main) => main.difference),
    level,
  );
  return {
    sets: shares.length,
    first: mean((main) => main.first),
    second: mean((main) => main.second),
    difference,
    ...(Number.isFinite(half) && {
      interval: { low: difference - half, high: difference + half },
    }),
    ...(overSets !== undefined && { overSets }),
  };
}
