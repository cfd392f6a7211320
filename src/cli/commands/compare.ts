/** `limn compare`: two models on the same items. */
import { compareResults } from "../../evaluate/compare/compare-results.ts";
import { comparisonJson, comparisonText } from "../../evaluate/compare/comparison-table.ts";
import { readSuiteResults } from "../../evaluate/suite-results.ts";
import { writeComparison } from "../../report/comparison-page.ts";
import { pageFile } from "../options/page-file.ts";
import { defineCommand, type Command } from "../command.ts";

const command: Command = defineCommand({
  name: "compare",
  summary:
    "Compares two models by the results of limn suite run on the same sets: differences with\n" +
    "intervals from the same items, McNemar's test, and a verdict corrected for the number of sets.",
  usage: "<first.json> <second.json>",
  options: {
    html: { type: "string", value: "<file>", help: "write a page with charts, ending in .html" },
    level: {
      type: "number",
      least: 0.5,
      most: 0.999,
      value: "<share>",
      help: "coverage of the intervals; default 0.95",
    },
    resamples: {
      type: "integer",
      least: 0,
      most: 100_000,
      value: "<n>",
      help: "of the paired bootstrap; default 1000",
    },
  },
  examples: [
    "limn compare runs/first/results.json runs/second/results.json",
    "limn compare small.json large.json --html comparison.html",
    "limn compare small.json large.json --resamples 10000 --level 0.99 --json",
  ],
  async run({ options, operands, print, note }) {
    const [first = "", second = ""] = operands;
    const { level, resamples } = options;
    const html = pageFile(options.html);
    const comparison = compareResults(
      { file: first, results: readSuiteResults(first) },
      { file: second, results: readSuiteResults(second) },
      {
        ...(level !== undefined && { level }),
        ...(resamples !== undefined && { resamples }),
        onSet: (title) => note(`Comparing ${title}`),
      },
    );
    if (html !== undefined) {
      writeComparison(html, comparison);
      note(`page: ${html}`);
    }
    print(comparisonText(comparison), comparisonJson(comparison));
  },
});
export default command;
