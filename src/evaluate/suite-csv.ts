/** A suite's results as a row of a table, in the columns of open_clip's docs/openclip_results.csv. */
import { mainOf } from "./evaluate-suite.ts";
import type { SuiteResults } from "./suite-results.ts";

/**
 * A head and a row: `name,pretrained,params (M),FLOPs (B)`, the average, then every set under its title, as shares
 * with four decimals. What was not measured is empty, and so is an average that lacks a set. `pretrained` and
 * FLOPs are limn's fingerprint and empty: it knows no tag of weights, and counts no operations.
 *
 * averageTitle   of the column, such as `Average perf. on 38 datasets`
 */
export function suiteCsv(results: SuiteResults, averageTitle: string): string {
  const { model, sets, averages } = results;
  const whole = averages.find(({ of }) => of === sets.length);
  const average = whole !== undefined && whole.measured === whole.of ? whole.value : null;
  const parameters = typeof model["parameters"] === "number" ? model["parameters"] / 1e6 : null;
  const columns: [string, string][] = [
    ["name", model.name],
    ["pretrained", model.fingerprint.slice(0, 12)],
    ["params (M)", parameters === null ? "" : parameters.toFixed(2)],
    ["FLOPs (B)", ""],
    [averageTitle, share(average)],
    ...sets.map((set): [string, string] => [set.title, share(mainOf(set)?.value ?? null)]),
  ];
  return `${columns.map(([head]) => cell(head)).join(",")}\n${columns.map(([, value]) => cell(value)).join(",")}\n`;
}

function share(value: number | null): string {
  return value === null ? "" : value.toFixed(4);
}

/** RFC 4180. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
