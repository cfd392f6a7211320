/** Metrics and statistics of reference packages; test/goldens/generate/metrics.py makes the file. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Of all items once each, and of the items as often as `weights` say. */
interface Both<Value> {
  once: Value;
  drawn: Value;
}

interface Accuracies {
  top1: number;
  top5: number;
  meanPerClass: number;
  macroF1: number;
  groups: (number | null)[];
  groupsTop5: (number | null)[];
  worst: number;
}

interface MetricsGolden {
  accuracy: Both<Accuracies> & {
    classes: number;
    regions: string[];
    labels: number[];
    predictions: number[];
    ranks: number[];
    groups: number[];
    weights: number[];
  };
  precision: Both<{ perClass: number[]; mean: number }> & {
    classes: number;
    scores: string;
    targets: string;
    weights: number[];
    scikitLearn: number[];
  };
  jaccard: Both<number[]> & {
    instances: { similarities: number[]; right: number[]; score: number }[];
    weights: number[];
  };
  calibration: Both<number[]> & {
    classes: number;
    labels: number[];
    similarities: string;
    logitScale: number;
    weights: number[];
    curve: { accuracies: number[]; confidences: number[] };
    temperature: { logitScale: number; nll: number };
    sigmoid: {
      logitBias: number;
      nll: number;
      fitted: { logitScale: number; logitBias: number; nll: number };
    };
  };
  captions: Both<{ bleu: number[]; rouge: number }> & {
    candidates: string[];
    references: string[][];
    candidateWords: string[];
    referenceWords: string[][];
    weights: number[];
    bleu: number[];
    rouge: number[];
    cider: number[];
    ciderMean: number;
  };
  statistics: {
    t: [q: number, freedom: number, value: number][];
    tTail: [t: number, freedom: number, p: number][];
    normal: [z: number, p: number][];
    chiSquared: [x: number, p: number][];
    logGamma: [x: number, value: number][];
    beta: [x: number, a: number, b: number, value: number][];
    mcnemar: [b: number, c: number, exact: number, asymptotic: number][];
    corrections: { p: number[]; holm: number[]; benjaminiHochberg: number[] }[];
    intervals: { values: number[]; level: number; interval: [number, number] }[];
  };
}

export function metricsGolden(): MetricsGolden {
  const file = new URL("../../../test/goldens/metrics.json.gz", import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString()) as MetricsGolden;
}

export function floatsOf(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
}
