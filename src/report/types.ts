/** What a report of a training run shows. Everything is plain data; texts are escaped on output. */
import type { Confusion } from "../evaluate/tasks/task.ts";
import type { MetricRow } from "../evaluate/metric-table.ts";

export interface ReportData {
  readonly title: string;
  /** One line under the title, such as model, steps and date. */
  readonly subtitle?: string;
  readonly summary: Summary;
  /** Sentences that a reader of the numbers must not miss, shown above the summary. */
  readonly warnings?: readonly string[];
  /** In the order shown. */
  readonly curves: readonly Curve[];
  readonly evaluations?: readonly EvaluationTable[];
  /** What was asked for in words and what was found, shown first. */
  readonly searches?: readonly RetrievalGroup[];
  readonly predictions?: readonly PredictionGroup[];
  readonly retrievals?: readonly RetrievalGroup[];
  /** The resolved recipe, shown as JSON. */
  readonly recipe?: unknown;
  /** Versions, device, threads, seeds: what is needed to repeat the run. */
  readonly environment?: Readonly<Record<string, string | number | boolean>>;
}

/** For a reader who has never trained a model. */
export interface Summary {
  /** Paragraphs. */
  readonly text: readonly string[];
  /** A few numbers in large type. */
  readonly facts?: readonly Fact[];
}

interface Fact {
  readonly label: string;
  readonly value: string;
  /** What the number is to be compared with, such as `chance 0.4 %`. */
  readonly note?: string;
}

/** One metric over training. */
export interface Curve {
  /** A path such as `train/loss`; curves of known keys are explained in words. */
  readonly key: string;
  readonly points: readonly CurvePoint[];
  /** Replaces the explanation. */
  readonly description?: string;
  /** A horizontal line to compare with, such as the loss of guessing. */
  readonly reference?: { readonly value: number; readonly label: string };
}

interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

/** The metrics of one test set. */
export interface EvaluationTable {
  readonly title: string;
  readonly note?: string;
  readonly rows: readonly MetricRow[];
  /** Coverage of the rows' intervals. Default 0.95. */
  readonly level?: number;
  readonly confusions?: readonly Confusion[];
}

/** Pictures with the captions that the model gives them. */
export interface PredictionGroup {
  readonly title: string;
  readonly note?: string;
  readonly items: readonly Prediction[];
}

export interface Prediction {
  /** A data URI; see imageDataUri. */
  readonly image: string;
  /** The right caption. */
  readonly truth: string;
  /** Best first. */
  readonly candidates: readonly {
    readonly text: string;
    /** Share in [0, 1], drawn as a bar. */
    readonly score: number;
    readonly correct: boolean;
  }[];
}

/** Texts with the pictures found for them. */
export interface RetrievalGroup {
  readonly title: string;
  readonly note?: string;
  readonly items: readonly RetrievalExample[];
}

export interface RetrievalExample {
  readonly query: string;
  /** Said beside the query, in place of where the right picture stands. */
  readonly note?: string;
  /** Best first. */
  readonly results: readonly {
    /** A data URI; see imageDataUri. */
    readonly image: string;
    /** What the picture shows. */
    readonly caption: string;
    /** More about it, such as where it is from. */
    readonly detail?: string;
    /** Cosine, in [-1, 1]. */
    readonly similarity: number;
    readonly correct: boolean;
  }[];
}
