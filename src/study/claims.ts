/** Does the paper's ordering appear here? Paired differences, judged and put into words. */
import { formatDifference, formatValue, manySeeds, metricTitle } from "./format.ts";
import type { StudyResults } from "./results.ts";
import type { Difference, Estimate } from "./statistics.ts";
import type { Claim, Comparison, StudyMetric, Verdict } from "./define-study.ts";

/** A comparison with what was measured. */
interface Measured {
  comparison: Comparison;
  difference: Difference | undefined;
  /** 1 the paper's way, -1 the other way, 0 not distinguishable. */
  way: -1 | 0 | 1;
}

/**
 * The verdict over all comparisons of a statement: it `appears` when every one goes the paper's way
 * beyond its interval, is `reversed` when none does and some go the other way beyond theirs, `partly`
 * there when some do and the rest cannot be told apart, `mixed` when some go each way.
 */
export function judge(claim: Claim, results: StudyResults): Verdict {
  return verdictOf(measure(claim, results));
}

/** A claim's paragraph and the list of its comparisons. */
export function renderClaim(claim: Claim, results: StudyResults): string {
  const measured = measure(claim, results);
  const verdict = verdictOf(measured);
  const why = typeof claim.why === "function" ? claim.why(verdict) : claim.why;
  const heading = `**${claim.claim}** ${sentence(verdict, measured)}`;
  const lines = measured.map((one) => `- ${describe(one, results)}`);
  return [heading, lines.join("\n"), why ?? ""].filter((part) => part !== "").join("\n\n");
}

/** Claims as JSON holds them. */
export function claimJson(claim: Claim, results: StudyResults): unknown {
  const measured = measure(claim, results);
  return {
    claim: claim.claim,
    verdict: verdictOf(measured),
    comparisons: measured.map(({ comparison, difference }) => ({
      ...comparison,
      difference: difference?.mean ?? null,
      ...difference?.interval,
      ...tBounds(difference),
      seeds: difference?.seeds.length ?? 0,
    })),
  };
}

/** The t interval as results.json has it. */
export function tBounds(found: Estimate | undefined): { tLow?: number; tHigh?: number } {
  const { tInterval } = found ?? {};
  return tInterval === undefined ? {} : { tLow: tInterval.low, tHigh: tInterval.high };
}

/** What three seeds can say, for the reader of the intervals. */
export function caution(results: StudyResults): string {
  const count = results.seeds.length;
  const text =
    `Every number is a mean over ${count} ${count === 1 ? "seed" : "seeds"} with its 95 % bootstrap ` +
    "interval in brackets: seeds are resampled and, where there are results per test item, the test " +
    "items with them. Differences are paired: same seeds, same test items. Two arms are called " +
    "distinguishable where that interval leaves out zero; several comparisons on a page make a chance " +
    "finding likelier than one in twenty.";
  if (count === 1) return `${text} One seed says nothing of how much the seed matters.`;
  if (count >= manySeeds) return text;
  return (
    `${text} With ${count} seeds the part of the interval that comes from seeds is crude, hardly more ` +
    `than their range: a difference that is only just clear here may not be with other seeds. Behind t ` +
    `stands half the width of the 95 % t interval over seeds, which covers what it says for ` +
    "few seeds too; it takes the test items as given."
  );
}

function measure(claim: Claim, results: StudyResults): Measured[] {
  return claim.comparisons.map((comparison) => {
    const { better, worse, metric, expect = "better" } = comparison;
    const difference = results.difference(better, worse, metric);
    const sign = difference?.sign ?? 0;
    const upward = results.metric(metric).better === "higher" ? sign : (-sign as -1 | 0 | 1);
    if (expect === "better") return { comparison, difference, way: upward };
    return { comparison, difference, way: sign === 0 ? 1 : -1 };
  });
}

function verdictOf(measured: readonly Measured[]): Verdict {
  const known = measured.filter(({ difference }) => difference !== undefined);
  if (known.length === 0) return "unmeasured";
  const forward = known.filter(({ way }) => way === 1).length;
  const backward = known.filter(({ way }) => way === -1).length;
  if (forward === known.length) return "appears";
  if (forward > 0) return backward === 0 ? "partly" : "mixed";
  return backward > 0 ? "reversed" : "indistinct";
}

function sentence(verdict: Verdict, measured: readonly Measured[]): string {
  const known = measured.filter(({ difference }) => difference !== undefined);
  const forward = known.filter(({ way }) => way === 1).length;
  const backward = known.filter(({ way }) => way === -1).length;
  const of = `${forward} of ${known.length}`;
  switch (verdict) {
    case "appears":
      return known.length === 1 ? "Yes, here too." : `Yes, here too: ${of} comparisons.`;
    case "partly":
      return `In part: ${of} comparisons go this way, the others cannot be told apart.`;
    case "mixed":
      return `In part: ${of} comparisons go this way, ${backward} the other way.`;
    case "reversed": {
      const many = known.length === 1 ? "" : ` in ${backward} of ${known.length} comparisons`;
      const similar = known.every(({ comparison }) => comparison.expect === "similar");
      return `No: here ${similar ? "they differ" : "it is the other way round"}${many}.`;
    }
    case "indistinct":
      return "Not visible here: the difference cannot be told from chance.";
    case "unmeasured":
      return "Not measured here.";
  }
}

function describe({ comparison, difference }: Measured, results: StudyResults): string {
  const { better, worse, metric } = comparison;
  const shown = results.metric(metric);
  const label = (name: string): string => results.arm(name)?.label ?? name;
  const pair = `${label(better)} against ${label(worse)}, ${metricTitle(shown)}`;
  if (difference === undefined) return `${pair}: not measured.`;
  return `${pair}: ${values(comparison, results, shown)}, difference ${formatDifference(difference, shown.unit)}. ${statement(difference, shown, label(better), label(worse))}`;
}

function values(
  { better, worse, metric }: Comparison,
  results: StudyResults,
  { unit }: StudyMetric,
): string {
  const value = (name: string): string =>
    formatValue(results.estimate(name, metric)?.mean ?? NaN, unit);
  return `${value(better)} and ${value(worse)}`;
}

function statement(
  { sign, tInterval, seeds }: Difference,
  { better }: StudyMetric,
  first: string,
  second: string,
): string {
  if (sign === 0) return "Not distinguishable.";
  const firstWins = (sign === 1) === (better === "higher");
  const winner = `${firstWins ? first : second} is better`;
  const isClear = tInterval === undefined || tInterval.low > 0 || tInterval.high < 0;
  if (isClear || seeds.length >= manySeeds) return `${winner}.`;
  return `${winner}, but the t interval over seeds holds zero.`;
}
