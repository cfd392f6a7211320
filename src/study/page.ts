/** A study's page, figures and numbers as files. The same results give the same bytes. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

import { counted, StorageError } from "../errors.ts";
import { readTextFile } from "../files/regular-file.ts";
import { writeFolderAtomically } from "../files/atomic-folder.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import { caution, claimJson, renderClaim, tBounds } from "./claims.ts";
import { renderFigure } from "./figures.ts";
import { formatSeconds } from "./format.ts";
import { markdownPage, renderTable } from "./tables.ts";
import type { StudyResults } from "./results.ts";
import type { Study } from "./define-study.ts";

/** What of a study its page needs. */
export type StudyWords = Pick<
  Study,
  "name" | "title" | "question" | "source" | "tables" | "figures" | "conclusions"
>;

export interface PageOptions {
  /** Where `<name>.md` and the folder `<name>` go. */
  out: string;
  command: string;
  settings: readonly string[];
}

/**
 * Writes the page and what it shows, in place of an earlier page; returns the page's file.
 *
 * throws  StorageError for a page or folder of that name that is no earlier page's
 */
export async function writePage(
  study: StudyWords,
  results: StudyResults,
  options: PageOptions,
): Promise<string> {
  const { markdown, files } = renderPage(study, results, options);
  const folder = path.join(options.out, study.name);
  const page = `${folder}.md`;
  if (existsSync(page) && !isPage(page, folder)) {
    throw new StorageError(
      page,
      `Expected no ${study.name}.md, or one of an earlier study, in ${options.out} for writing but ` +
        "received another, or one that was edited; choose another folder, or move it away " +
        "(nothing was changed)",
    );
  }
  // As a whole: figures of an earlier definition would stay without a page that shows them.
  const fill = (partial: string): void => {
    for (const [name, text] of files) writeTextAtomically(path.join(partial, name), text);
  };
  await writeFolderAtomically(folder, fill, { isOlder: isPageFolder, withoutRecord: true });
  writeTextAtomically(page, markdown);
  return page;
}

/** Whether a page is as limn wrote it; those of limn 0.1 have no mark that tells. */
function isPage(page: string, folder: string): boolean {
  const text = readTextFile(page);
  const mark = text.lastIndexOf(markStart);
  return isPageFolder(folder) && (mark < 0 || text === marked(text.slice(0, mark)));
}

const markStart = "\n<!-- Written by limn, sha256 ";

/** A page with the digest of what it says, by which an edited one is known. */
function marked(markdown: string): string {
  const digest = createHash("sha256").update(markdown).digest("hex");
  return `${markdown}${markStart}${digest} -->\n`;
}

/** Whether a folder holds a page's figures and numbers, and nothing else. */
function isPageFolder(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const names = readdirSync(folder);
  return (
    names.includes(resultsName) &&
    names.every((name) => name === resultsName || isFigure(path.join(folder, name)))
  );
}

/** A figure as `renderFigure` begins it: somebody else's drawing would not be made again. */
function isFigure(file: string): boolean {
  if (!file.endsWith(".svg")) return false;
  try {
    return /^<svg width="\d+" height="\d+" class="chart" /.test(readTextFile(file));
  } catch {
    return false;
  }
}

const resultsName = "results.json";

/** The page's Markdown and the files of its folder. */
export function renderPage(
  study: StudyWords,
  results: StudyResults,
  options: Omit<PageOptions, "out">,
): { markdown: string; files: Map<string, string> } {
  const files = new Map<string, string>();
  const figures: string[] = [];
  for (const figure of study.figures(results)) {
    const svg = renderFigure(figure, results);
    if (svg === undefined) continue;
    files.set(`${figure.name}.svg`, svg);
    const picture = `![${figure.title}](./${study.name}/${figure.name}.svg)`;
    figures.push([`### ${figure.title}`, picture, figure.caption ?? ""].join("\n\n"));
  }
  const tables = study.tables(results).map((table) => renderTable(table, results) ?? "");
  const claims = study.conclusions(results);
  files.set(resultsName, resultsJson(study, results));
  const markdown = markdownPage([
    `# ${study.title}`,
    "## What the paper found",
    study.question,
    `Source: ${study.source}.`,
    ...(claims.length === 0 ? [] : ["## Does the paper's ordering appear here?"]),
    ...claims.map((claim) => renderClaim(claim, results)),
    "## Numbers",
    caution(results),
    ...tables,
    ...figures,
    "## How this was measured",
    provenance(results, options),
    "Settings:",
    options.settings.map((line) => `- ${line}`).join("\n"),
    `All numbers, of every seed: [results.json](./${study.name}/results.json).`,
  ]);
  return { markdown: marked(markdown.replaceAll(/\n{3,}/g, "\n\n")), files };
}

/** Command, commits, dates, machines and times of the runs that the page shows. */
function provenance(results: StudyResults, { command }: { command: string }): string {
  const { runs, seeds, arms } = results;
  const distinct = (values: (string | undefined)[]): string[] =>
    [...new Set(values.filter((value) => value !== undefined))].sort();
  const days = distinct(runs.map(({ finished }) => finished.slice(0, 10)));
  const commits = distinct(runs.map(({ commit }) => commit));
  const seconds = runs.map((run) => run.seconds);
  const total = seconds.reduce((sum, one) => sum + one, 0);
  const changed = commits.some((commit) => commit.endsWith("+"));
  return [
    `- Command: \`${command}\``,
    `- Runs: ${runs.length}, of ${counted(arms.length, "arm")} and ${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`,
    `- Commit: ${commits.length === 0 ? "none, run outside a repository" : commits.join(", ")}` +
      (changed ? " (`+`: with changes that were not committed)" : ""),
    `- Date: ${days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? "")}`,
    ...distinct(runs.map(({ machine }) => machine)).map((machine) => `- Machine: ${machine}`),
    `- Time: ${formatSeconds(total / runs.length)} per run on average, ${(total / 60).toFixed(1)} minutes in all`,
  ].join("\n");
}

function resultsJson(study: StudyWords, results: StudyResults): string {
  const arms = results.arms.map(({ name, label, factors }) => ({
    name,
    label,
    factors,
    metrics: Object.fromEntries(
      Object.keys(results.metrics).flatMap((key) => {
        const found = results.estimate(name, key);
        return found === undefined
          ? []
          : [[key, rounded({ mean: found.mean, ...found.interval, ...tBounds(found) })]];
      }),
    ),
    runs: results.runs
      .filter(({ arm }) => arm === name)
      .map(({ seed, seconds, commit, finished, metrics }) => ({
        seed,
        seconds,
        finished,
        ...(commit === undefined ? {} : { commit }),
        metrics: rounded(metrics),
      })),
  }));
  const conclusions = study.conclusions(results).map((claim) => claimJson(claim, results));
  return `${JSON.stringify({ name: study.name, metrics: results.metrics, arms, conclusions }, null, 1)}\n`;
}

/** Seven digits are more than any of these numbers carries. */
function rounded(numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(numbers).map(([key, value]) => [key, Number(value.toPrecision(7))]),
  );
}
