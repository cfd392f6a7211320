/** A comparison in plain words: a sentence a set, and what to take away from all of them. */
import { counted } from "../../errors.ts";
import type { Interval } from "../../arrays/bootstrap.ts";
import type { ComparedSet, SuiteComparison } from "./compare-results.ts";
import { formatMetric } from "../metric-table.ts";

/** What a reader should take away, in sentences, the first one first. */
export function takeaways(comparison: SuiteComparison): string[] {
  const { sets, leftOut, average } = comparison;
  return [
    verdictOf(comparison),
    ...(average === undefined ? [] : [averageSentence(comparison, average)]),
    ...(sets.some(({ main }) => main.p === undefined)
      ? [
          "Where items were not kept, or nothing was resampled, there is no interval and no verdict.",
        ]
      : []),
    ...(leftOut.length === 0
      ? []
      : [`Left out: ${leftOut.map(({ name, reason }) => `${name} (${reason})`).join(", ")}.`]),
    ...unlikeNotes(sets),
  ];
}

function verdictOf({ first, second, sets, level }: SuiteComparison): string {
  const won = (winner: ComparedSet["winner"]): number =>
    sets.filter((set) => set.winner === winner).length;
  const error = `${+((1 - level) * 100).toFixed(1)} %`;
  const [one, other, open] = [won("first"), won("second"), won("open")];
  const all = sets.length;
  const how =
    all === 1
      ? `at an error of ${error}`
      : `at an error of ${error} for all ${all} sets together, by Holm's correction`;
  if (all === open) {
    return `No difference between ${first.name} and ${second.name} can be shown (${how}).`;
  }
  if (all === 1) return `${(other > 0 ? second : first).name} is better (${how}).`;
  const parts = [
    ...(other > 0 ? [`${second.name} is better on ${other} of ${all} sets`] : []),
    ...(one > 0 ? [`${first.name} is better on ${one}${other > 0 ? "" : ` of ${all} sets`}`] : []),
    ...(open > 0 ? [`on ${open} no difference can be shown`] : []),
  ];
  return `${parts.join("; ")} (${how}).`;
}

function averageSentence(
  { first, second, level }: SuiteComparison,
  { sets, difference, interval, overSets }: NonNullable<SuiteComparison["average"]>,
): string {
  const percent = `${+(level * 100).toFixed(1)} %`;
  const of = sets === 1 ? "of the one set" : `averaged over ${counted(sets, "set")}`;
  const size = points(Math.abs(difference)).replace("+", "");
  const way = difference >= 0 ? "higher" : "lower";
  const found = /[1-9]/.test(size)
    ? `The main metric ${of} is ${size} points ${way} with ${second.name} than with ${first.name}`
    : `The main metric ${of} is the same with ${second.name} and ${first.name}`;
  const ranges = [
    ...(interval === undefined
      ? []
      : [`${percent} interval ${pointRange(interval)} for these sets`]),
    ...(overSets === undefined || sets < 3
      ? []
      : [`${pointRange(overSets)} for other sets like them`]),
  ];
  return ranges.length === 0 ? `${found}.` : `${found} (${ranges.join("; ")}).`;
}

function unlikeNotes(sets: readonly ComparedSet[]): string[] {
  const unlike = new Map<string, string[]>();
  for (const { name, tasks } of sets) {
    for (const fact of new Set(tasks.flatMap(({ notes }) => notes))) {
      unlike.set(fact, [...(unlike.get(fact) ?? []), name]);
    }
  }
  return [...unlike].map(
    ([fact, names]) => `Not measured alike: ${fact} differs in ${names.join(", ")}.`,
  );
}

/** Who is better on a set, in words. */
export function winnerText(
  { first, second }: SuiteComparison,
  { winner, main }: ComparedSet,
): string {
  if (winner === "first") return `${first.name} is better`;
  if (winner === "second") return `${second.name} is better`;
  return main.p === undefined ? "no verdict" : "no difference shown";
}

/** A difference with its sign: of shares in points, `+1.2`. */
export function formatChange(value: number, unit: string): string {
  if (!Number.isFinite(value)) return "-";
  if (unit === "share") return points(value);
  const text = formatMetric(Math.abs(value), unit === "rank" ? "rank" : "number");
  return withSign(text, value);
}

/** `+0.3 to +2.1`; empty without one. */
export function formatChanges(interval: Interval | undefined, unit: string): string {
  if (interval === undefined) return "";
  return `${formatChange(interval.low, unit)} to ${formatChange(interval.high, unit)}`;
}

/** Two digits of what counts: `0.032`, `0.00041`, `< 1e-12`. */
export function formatP(p: number | undefined): string {
  if (p === undefined) return "";
  if (p < 1e-12) return "< 1e-12";
  return p >= 0.095 ? p.toFixed(2) : String(Number(p.toPrecision(2)));
}

function points(share: number): string {
  const size = Math.abs(share) * 100;
  return withSign(size.toFixed(size > 0 && size < 0.1 ? 2 : 1), share);
}

function pointRange({ low, high }: Interval): string {
  return `${points(low)} to ${points(high)}`;
}

/** What rounds to nothing has no sign. */
function withSign(text: string, value: number): string {
  if (!/[1-9]/.test(text)) return text;
  return `${value < 0 ? "-" : "+"}${text}`;
}
