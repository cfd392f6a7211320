/** Writes what was found into the folder of a report. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { writeRecordedFiles } from "../../files/folder-record.ts";
import type { DuplicateReport } from "./find-duplicates.ts";

const names = { json: "duplicates.json", html: "duplicates.html" } as const;

/**
 * Writes `duplicates.json` and `duplicates.html`, beside what else is in the folder; returns the path
 * of the page.
 *
 * throws  StorageError naming the folder, or a file of that name that limn did not write
 */
export function writeDuplicates(folder: string, report: DuplicateReport, html: Uint8Array): string {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const files = new Map([
    [names.json, Buffer.from(json)],
    [names.html, html],
  ]);
  writeRecordedFiles(folder, files, isOlderReport);
  return path.join(folder, names.html);
}

/** Whether an earlier version wrote the report: its keys are those of no other program. */
function isOlderReport(folder: string): boolean {
  try {
    const report = JSON.parse(
      readFileSync(path.join(folder, names.json), "utf8"),
    ) as Partial<DuplicateReport>;
    return [report.groups, report.contaminated, report.exclude].every(Array.isArray);
  } catch {
    return false;
  }
}
