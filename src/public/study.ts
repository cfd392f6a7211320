/** `limn/study`: a paper's comparison over arms and seeds. */
export { runStudy, type StudyOptions, type StudyOutcome } from "../study/run-study.ts";
export {
  defineStudy,
  type Arm,
  type Claim,
  type Comparison,
  type ItemScores,
  type Outcome,
  type Study,
  type StudyFigure,
  type StudyMetric,
  type StudyTable,
  type Verdict,
} from "../study/define-study.ts";
export { judge } from "../study/claims.ts";
export type { RunContext, StudyContext, StudyTraining } from "../study/context.ts";
export { peakMemoryBytes, resetPeakMemory } from "../study/measurements.ts";
export type { StudyResults } from "../study/results.ts";
export type { Difference, Estimate } from "../study/statistics.ts";
export { suiteOutcome } from "../study/define-study.ts";
