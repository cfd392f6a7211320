/** The quick start's results in words for a newcomer. */
import type { MetricRow, SuiteResult } from "limn";
import type { ReportData } from "limn/report";

import type { BuiltIcons } from "./dataset.ts";
import { count, listed } from "./searches.ts";
import { askedSets } from "./suites.ts";

/** What is measured of every held-out set, in the order told. */
interface Question {
  heading: string;
  /** What follows a set's prefix in its suite's name. */
  suffix: string;
  /** Metric keys after the suite's name: of the first guess and of five. */
  first: string;
  five: string;
}

const questions: readonly Question[] = [
  {
    heading: "Names an icon: which of the set's names is it?",
    suffix: "",
    first: "name/top1",
    five: "name/top5",
  },
  {
    heading: "The same without icons that look nearly like one in training",
    suffix: "-distinct",
    first: "name/top1",
    five: "name/top5",
  },
  {
    heading: "Finds an icon: which of the set's icons has this name?",
    suffix: "-search",
    first: "search/textToImage/recall@1",
    five: "search/textToImage/recall@5",
  },
];

const unseenQuestion = {
  heading: "Names what it never saw drawn by anyone, among such names",
  first: "unseen/name/top1",
  five: "unseen/name/top5",
};

function rowOf(suites: readonly SuiteResult[], key: string): MetricRow | undefined {
  const rows = suites.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
  return rows.find((row) => row.key === key);
}

/** "75.8 %", and "0.19 %" where one digit would say little. */
function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;
}

/** A few lines for the terminal: every number beside what guessing gives. */
export function summaryLines(suites: readonly SuiteResult[], built: BuiltIcons): string[] {
  const { train } = built.dataset.splits;
  const sets = askedSets(built);
  const width = Math.max("never seen".length, ...sets.map(({ name }) => name.length)) + 2;
  const line = (name: string, first?: MetricRow, five?: MetricRow): string[] =>
    first === undefined || five === undefined
      ? []
      : [
          `    ${name.padEnd(width)}${percent(first.value).padStart(11)}` +
            `${percent(five.value).padStart(12)}${percent(first.chance).padStart(12)}` +
            count(first.count).padStart(9),
        ];
  const columns = `    ${" ".repeat(width)}first guess     in five    guessing    asked`;
  const parts = questions.map(({ heading, suffix, first, five }) => ({
    heading,
    rows: sets.flatMap(({ prefix, name }) => {
      const suite = `${prefix}${suffix}`;
      return line(name, rowOf(suites, `${suite}/${first}`), rowOf(suites, `${suite}/${five}`));
    }),
  }));
  const { heading, first, five } = unseenQuestion;
  parts.push({ heading, rows: line("never seen", rowOf(suites, first), rowOf(suites, five)) });
  const told = parts.filter(({ rows }) => rows.length > 0);
  return [
    `A model that had never seen a picture or a word learned from ${count(train.pictures)} icons of ` +
      `${count(train.concepts)} things by ${train.authors} authors.`,
    ...(told.length > 0 ? ["What it can do with icon sets that it never saw:"] : []),
    ...told.flatMap((part) => ["", `  ${part.heading}`, columns, ...part.rows]),
  ];
}

/** The same for the report's head. */
export function summaryOf(
  suites: readonly SuiteResult[],
  built: BuiltIcons,
): NonNullable<ReportData["summary"]> {
  const { splits, unseenConcepts } = built.dataset;
  const sets = askedSets(built);
  const fact = (label: string, key: string) => {
    const row = rowOf(suites, key);
    return row
      ? [{ label, value: percent(row.value), note: `guessing ${percent(row.chance)}` }]
      : [];
  };
  return {
    text: [
      `An image tower and a text tower, both starting from random numbers, were shown ` +
        `${count(splits.train.pictures)} icons by ${splits.train.authors} authors with their names. ` +
        "They learned to put each picture close to its words.",
      `They were then asked about ${listed(sets.map(({ name }) => name))}, whose authors they had never ` +
        `seen, and about ${unseenConcepts} things that nobody's drawing of was trained on. Nothing was ` +
        "trained on those questions: the model compares pictures with words (zero-shot).",
    ],
    facts: [
      ...sets.flatMap(({ prefix, name }) =>
        fact(`${name}: named right, first guess`, `${prefix}/name/top1`),
      ),
      ...sets
        .slice(0, 1)
        .flatMap(({ prefix, name }) => [
          ...fact(`${name}: the same without near-duplicates`, `${prefix}-distinct/name/top1`),
          ...fact(
            `${name}: found among five by its name`,
            `${prefix}-search/search/textToImage/recall@5`,
          ),
        ]),
      ...fact("Never seen things: right among five guesses", unseenQuestion.five),
    ],
  };
}
