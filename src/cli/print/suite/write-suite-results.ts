/** A suite's results as files: JSON for programs and `limn compare`, CSV, a page. */
import path from "node:path";

import type { SuiteResults } from "../../../evaluate/suite-results.ts";
import { suiteCsv } from "../../../evaluate/suite-csv.ts";
import { writeRecordedFiles } from "../../../files/folder-record.ts";
import { renderSuitePage } from "../../../report/suite-page.ts";

/** What `writeSuiteResults` writes. */
export const suiteFiles = ["results.json", "results.csv", "report.html"] as const;

/**
 * Writes `results.json`, `results.csv` and `report.html` into a folder, over those of an earlier run.
 *
 * returns  their paths
 * throws   StorageError for a file of one of these names that limn did not write, before anything is written
 */
export function writeSuiteResults(folder: string, results: SuiteResults): string[] {
  const title = `Average perf. on ${results.sets.length} datasets`;
  const files: Record<(typeof suiteFiles)[number], string> = {
    "results.json": `${JSON.stringify(results)}\n`,
    "results.csv": suiteCsv(results, title),
    "report.html": renderSuitePage(results),
  };
  const texts = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const);
  writeRecordedFiles(folder, new Map(texts));
  return Object.keys(files).map((name) => path.join(folder, name));
}
