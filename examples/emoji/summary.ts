/** The quick start's results in words for a newcomer. */
import type { MetricRow, SuiteResult } from "limn";
import type { ReportData } from "limn/report";

import type { BuiltDataset } from "./dataset.ts";

interface Line {
  suite: string;
  task: string;
  metric: string;
  words: string;
}

/** The measurements that the summary leads with; the tables hold all. */
const lines: readonly Line[] = [
  { suite: "vendor", task: "name", metric: "top1", words: "names it right, first guess" },
  { suite: "vendor", task: "name", metric: "top5", words: "right name among five guesses" },
  { suite: "vendor", task: "category", metric: "top1", words: "right category" },
  {
    suite: "vendor",
    task: "english",
    metric: "imageToText/recall@5",
    words: "finds its caption among five",
  },
  {
    suite: "vendor",
    task: "english",
    metric: "textToImage/recall@5",
    words: "finds the picture of a caption among five",
  },
  { suite: "lines", task: "name", metric: "top5", words: "right name among five guesses" },
  { suite: "lines", task: "category", metric: "top1", words: "right category" },
  {
    suite: "unseen",
    task: "name-among-unseen",
    metric: "top5",
    words: "right name among five guesses",
  },
  { suite: "unseen", task: "category", metric: "top1", words: "right category" },
];

const headings: Record<string, string> = {
  vendor: "Emoji it knows, as a vendor draws them that it never saw (OpenMoji)",
  lines: "The same as black line drawings, a style it never saw",
  unseen: "Emoji it never saw in any style (names among the unseen ones)",
};

function rowOf(suites: readonly SuiteResult[], line: Line): MetricRow | undefined {
  const key = `${line.suite}/${line.task}/${line.metric}`;
  const rows = suites.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
  return rows.find((row) => row.key === key);
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;

/** A few lines for the terminal: every number beside its interval and what guessing gives. */
export function summaryLines(suites: readonly SuiteResult[], built: BuiltDataset): string[] {
  if (suites.length === 0) return ["Stopped before the end; run it again to go on."];
  const text = [
    `A model that had never seen a picture or a word learned ${built.dataset.emoji - built.dataset.unseenEmoji} emoji`,
    "from two vendors' pictures and their names in six languages. What it can do now:",
  ];
  let suite = "";
  for (const line of lines) {
    const row = rowOf(suites, line);
    if (row === undefined) continue;
    if (line.suite !== suite) text.push("", `  ${headings[line.suite]}`);
    suite = line.suite;
    const interval = row.interval
      ? `  (${percent(row.interval.low)} to ${percent(row.interval.high)})`
      : "";
    const value = percent(row.value).padStart(7);
    text.push(`    ${value}  ${line.words}${interval}, guessing: ${percent(row.chance)}`);
  }
  return text;
}

/** The same for the report's head. */
export function summaryOf(
  suites: readonly SuiteResult[],
  built: BuiltDataset,
): ReportData["summary"] {
  const { emoji, unseenEmoji } = built.dataset;
  return {
    text: [
      `An image tower and a text tower, both starting from random numbers, were shown ` +
        `${emoji - unseenEmoji} emoji as Google and Twitter draw them, with their names and keywords in ` +
        "six languages. They learned to put each picture close to its words.",
      "It was then asked about pictures of kinds that it had never seen: another vendor's, line " +
        `drawings, and ${unseenEmoji} emoji kept out of training altogether. Nothing was trained on ` +
        "those questions: the model compares the picture with each candidate's name (zero-shot).",
    ],
    facts: lines.slice(0, 6).flatMap((line) => {
      const row = rowOf(suites, line);
      const label = `${line.words} (${line.suite === "vendor" ? "unseen vendor" : "line drawings"})`;
      return row
        ? [{ label, value: percent(row.value), note: `guessing ${percent(row.chance)}` }]
        : [];
    }),
  };
}
