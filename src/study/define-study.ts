/** What a study is: arms that are run with several seeds, and how their numbers are put together; the results of suites as an outcome. */
import type { RunContext, StudyContext } from "./context.ts";
import type { StudyResults } from "./results.ts";
import { metricValues } from "../evaluate/metric-table.ts";
import type { SuiteResult } from "../evaluate/run-suite.ts";

/** How a metric is shown, and which way is better. */
export interface StudyMetric {
  /** In a table's head, such as `top-5`. */
  readonly label: string;
  /** `share` is a number in [0, 1], shown in percent. */
  readonly unit: "share" | "rank" | "seconds" | "bytes" | "number";
  readonly better: "higher" | "lower";
}

/** What makes an arm what it is; numbers can be an axis of a figure. */
export type Factors = Readonly<Record<string, string | number>>;

/**
 * Scores of single test items, in an order that every arm and seed shares: one number each (1 for
 * right, 0 for wrong), or, where an item has several answers, their sum and their count.
 */
export type ItemScores =
  | Uint8Array
  | Float32Array
  | { readonly sums: Uint8Array | Float32Array; readonly counts: Uint8Array };

/** What one run found. */
export interface Outcome {
  /** Numbers by key. A metric that has items may be left out: it is their mean. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Test items behind a metric; its interval then covers the choice of items too. */
  readonly items?: Readonly<Record<string, ItemScores>>;
}

export interface Arm {
  /** Letters, digits, dots and dashes; names a folder, so case alone does not tell two apart. */
  readonly name: string;
  /** In tables and figures; the name when absent. */
  readonly label?: string;
  readonly factors: Factors;
  /** Plain data on which the outcome depends besides the factors, such as the recipe. */
  readonly settings?: unknown;
  /** What `run` trains, where that is known before: it is looked at before the study's first run. */
  recipe?(seed: number): unknown;
  run(seed: number, context: RunContext): Promise<Outcome>;
}

/** One row per arm, or one row per value of a factor, or any text. */
export type StudyTable =
  | {
      readonly kind: "arms";
      readonly title: string;
      readonly metrics: readonly string[];
      /** Names in order; all arms when absent. */
      readonly arms?: readonly string[];
      /** Adds the paired difference from this arm after every metric. */
      readonly baseline?: string;
      readonly note?: string;
    }
  | {
      readonly kind: "grid";
      readonly title: string;
      readonly metric: string;
      /** Factors whose values are the rows and the columns. */
      readonly rows: string;
      readonly columns: string;
      readonly arms?: readonly string[];
      readonly note?: string;
    }
  | {
      readonly kind: "text";
      readonly title: string;
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
      readonly note?: string;
    };

/** One measured number: of which arm, which metric. */
export interface StudyPoint {
  readonly arm: string;
  readonly metric: string;
}

export interface StudySeries {
  readonly name: string;
  readonly points: readonly (StudyPoint & { readonly x: number })[];
}

interface FigureFrame {
  /** Names the file. */
  readonly name: string;
  readonly title: string;
  /** Under the figure. */
  readonly caption?: string;
}

/** Lines over a number, or dots by category; both with intervals. */
export type StudyFigure =
  | (FigureFrame & {
      readonly kind: "line";
      /** `results.series` makes them from factors. Up to eight. */
      readonly series: readonly StudySeries[];
      readonly xLabel: string;
      readonly yLabel?: string;
      readonly logX?: boolean;
      readonly reference?: { readonly value: number; readonly label: string };
    })
  | (FigureFrame & {
      readonly kind: "dots";
      /** One row per arm of one metric; `rows` for anything else. */
      readonly metric?: string;
      readonly arms?: readonly string[];
      readonly rows?: readonly {
        readonly label: string;
        readonly marks: readonly (StudyPoint & { readonly series: string })[];
      }[];
      readonly xLabel?: string;
      readonly reference?: { readonly value: number; readonly label: string };
    });

/** A comparison that the paper's statement amounts to. */
export interface Comparison {
  readonly better: string;
  readonly worse: string;
  readonly metric: string;
  /** `similar`: the paper found no difference between the two. Default `better`. */
  readonly expect?: "better" | "similar";
}

/** How the paper's statement fares here; see `judge`. */
export type Verdict = "appears" | "partly" | "indistinct" | "mixed" | "reversed" | "unmeasured";

export interface Claim {
  /** What the paper found, as one sentence. */
  readonly claim: string;
  readonly comparisons: readonly Comparison[];
  /** Why it is so here, for the reader; a function where that depends on what was found. */
  readonly why?: string | ((verdict: Verdict) => string | undefined);
}

export interface Study<P = unknown> {
  /** Letters, digits and dashes: names the page and the folders. */
  readonly name: string;
  readonly title: string;
  /** What the paper found, with figure or table. Markdown. */
  readonly question: string;
  /** The paper, such as `LiT, arXiv:2111.07991`. */
  readonly source: string;
  /** At least three. */
  readonly seeds: readonly number[];
  /** What one run may take on two cores, for the time that is left. */
  readonly secondsPerRun: number;
  /** Every metric that tables, figures and claims name. */
  readonly metrics: Readonly<Record<string, StudyMetric>>;
  /** Raised when results of earlier code no longer count. */
  readonly version?: number;
  /** Data and whatever else all arms share. Called once, before the first run. */
  prepare(context: StudyContext): Promise<P>;
  arms(prepared: P, context: StudyContext): readonly Arm[];
  /** What a reader must know of data and recipe: a list on the page. Markdown. */
  settings(prepared: P): readonly string[];
  tables(results: StudyResults): readonly StudyTable[];
  figures(results: StudyResults): readonly StudyFigure[];
  conclusions(results: StudyResults): readonly Claim[];
}

/** Types a study: what `prepare` gives reaches `arms`. */
export function defineStudy<P>(study: Study<P>): Study<P> {
  return study;
}

/**
 * Metrics of suites under their keys, such as `vendor/name/top5`, with one score per picture for
 * top-1, top-5 and recall. Captions of one picture are one item of text-to-image recall.
 */
export function suiteOutcome(suites: readonly SuiteResult[]): {
  metrics: Record<string, number>;
  items: Record<string, ItemScores>;
} {
  const metrics: Record<string, number> = {};
  const items: Record<string, ItemScores> = {};
  for (const task of suites.flatMap(({ tasks }) => tasks)) {
    Object.assign(metrics, metricValues(task.rows));
    Object.assign(items, task.items);
  }
  return { metrics, items };
}
