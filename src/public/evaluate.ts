/**
 * `limn/evaluate`: retrieval, zero-shot classification and what an audit measures on plain arrays; tables,
 * classifier weights; suites and their sets.
 */
export { classifierWeights } from "../inference/classifier-weights.ts";
export { retrieval, type RetrievalResult } from "../evaluate/retrieval.ts";
export { zeroShotClassification, type ZeroShotResult } from "../evaluate/zero-shot.ts";
export { groupReport, type Answers, type GroupReport } from "../evaluate/audit/group-metrics.ts";
export { groupSamples, type Grouping } from "../evaluate/audit/grouping.ts";
export { rankingSkew, type RankingSkew } from "../evaluate/audit/skew.ts";
export { associationTest, type Association } from "../evaluate/audit/association.ts";
export { projectionAway, type BiasDirections } from "../arrays/projection.ts";
export {
  evaluateSuite,
  type EvaluateSuiteOptions,
  type SetToMeasure,
} from "../evaluate/evaluate-suite.ts";
export { suiteCsv } from "../evaluate/suite-csv.ts";
export { readSuiteResults, type SuiteResults } from "../evaluate/suite-results.ts";
export {
  compareResults,
  type CompareOptions,
  type SuiteComparison,
} from "../evaluate/compare/compare-results.ts";
export { takeaways } from "../evaluate/compare/comparison-words.ts";
export {
  openBenchmarkSet,
  type BenchmarkSet,
  type BenchmarkSetOptions,
} from "../evaluate/suites/benchmark-set.ts";
export { checkSet, type CheckedSet, type CheckSetOptions } from "../evaluate/suites/check-set.ts";
export {
  fetchSuite,
  type FetchedSet,
  type FetchSuiteOptions,
} from "../evaluate/suites/fetch-suite.ts";
export { fetchSet, type FetchSetOptions } from "../evaluate/suites/hub-set.ts";
export { suites } from "../evaluate/suites/index.ts";
export { readLanguages, type LanguageOfSet } from "../evaluate/suites/languages.ts";
export { openSet, setsToMeasure, type OpenSuiteOptions } from "../evaluate/suites/open-set.ts";
export { readSuite } from "../evaluate/suites/read-suite.ts";
export type { SetDefinition, SuiteDefinition, TaskDefinition } from "../evaluate/suites/suite.ts";
