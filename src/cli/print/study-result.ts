/** A study's outcome as text and as JSON. */
import { counted } from "../../errors.ts";
import { judge } from "../../study/claims.ts";
import { formatEstimate, metricTitle } from "../../study/format.ts";
import type { StudyOutcome } from "../../study/run-study.ts";
import type { Study, Verdict } from "../../study/define-study.ts";

const words: Record<Verdict, string> = {
  appears: "appears here",
  partly: "appears in part",
  mixed: "appears in part, and the other way in part",
  reversed: "is the other way round here",
  indistinct: "cannot be told from chance here",
  unmeasured: "was not measured",
};

/** Means by arm, what became of the paper's statements, and where the page is. */
export function describeStudy(study: Study, outcome: StudyOutcome): string {
  const { results, page, found, done, left } = outcome;
  if (page === undefined) {
    return `Stopped: ${counted(found + done, "run")} finished, ${left} left; the same command goes on.`;
  }
  const lines = results.arms.flatMap(({ name, label }) => {
    const values = Object.entries(results.metrics).flatMap(([key, metric]) => {
      const estimate = results.estimate(name, key);
      if (estimate === undefined) return [];
      return [`    ${metricTitle(metric)}: ${formatEstimate(estimate, metric.unit)}`];
    });
    return [`  ${label}`, ...values];
  });
  const claims = study
    .conclusions(results)
    .map((claim) => `  ${claim.claim} - ${words[judge(claim, results)]}`);
  return ["", study.title, ...lines, ...claims, "", `Page: ${page}`].join("\n");
}

export function studyJson(study: Study, outcome: StudyOutcome): unknown {
  const { results, ...rest } = outcome;
  const arms = results.arms.map(({ name, factors }) => ({
    name,
    factors,
    metrics: Object.fromEntries(
      Object.keys(results.metrics).flatMap((key) => {
        const found = results.estimate(name, key);
        return found === undefined ? [] : [[key, { mean: found.mean, ...found.interval }]];
      }),
    ),
  }));
  const claims = study
    .conclusions(results)
    .map((claim) => ({ claim: claim.claim, verdict: judge(claim, results) }));
  return { name: study.name, ...rest, seeds: results.seeds, arms, claims };
}
