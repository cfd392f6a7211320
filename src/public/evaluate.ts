/**
 * `limn/evaluate`: retrieval, zero-shot classification and what an audit measures on plain arrays; tables,
 * classifier weights.
 */
export { classifierWeights } from "../inference/classifier-weights.ts";
export { retrieval, type RetrievalResult } from "../evaluate/retrieval.ts";
export { zeroShotClassification, type ZeroShotResult } from "../evaluate/zero-shot.ts";
export { groupReport, type Answers, type GroupReport } from "../evaluate/audit/group-metrics.ts";
export { groupSamples, type Grouping } from "../evaluate/audit/grouping.ts";
export { rankingSkew, type RankingSkew } from "../evaluate/audit/skew.ts";
export { associationTest, type Association } from "../evaluate/audit/association.ts";
export { projectionAway, type BiasDirections } from "../arrays/projection.ts";
export { readSuiteResults, type SuiteResults } from "../evaluate/suite-results.ts";
export {
  compareResults,
  type CompareOptions,
  type SuiteComparison,
} from "../evaluate/compare-results.ts";
export { takeaways } from "../evaluate/comparison-words.ts";
