/** Writes what was found into the folder of a report. */
import path from "node:path";
import { writeRecordedFiles } from "../../files/folder-record.ts";
import { readTextFile } from "../../files/regular-file.ts";
import type { DuplicateReport } from "./find-duplicates.ts";

const names = { json: "duplicates.json", html: "duplicates.html" } as const;

/**
 * Writes `duplicates.json` and `duplicates.html`, beside what else is in the folder; returns the path
 * of the page.
 *
 * throws  StorageError naming the folder, or a file of that name that limn did not write
 */
export function writeDuplicates(folder: string, report: DuplicateReport, html: Uint8Array): string {
  const files = new Map([
    [names.json, reportBytes(report)],
    [names.html, html],
  ]);
  writeRecordedFiles(folder, files, isOlderReport);
  return path.join(folder, names.html);
}

/** Characters of a report that are one string at a time: V8 has none of more than 512 million. */
const MOST_TEXT = 1 << 20;

/** The report as `JSON.stringify(report, null, 2)` has it, however many pairs there are. */
export function reportBytes(report: object): Buffer {
  const pieces: Buffer[] = [];
  let text = "";
  const add = (more: string): void => {
    text += more;
    if (text.length < MOST_TEXT) return;
    pieces.push(Buffer.from(text));
    text = "";
  };
  const indented = (value: unknown, by: string): string =>
    JSON.stringify(value, null, 2).replaceAll("\n", `\n${by}`);
  add("{");
  for (const [number, [key, value]] of Object.entries(report).entries()) {
    add(`${number === 0 ? "" : ","}\n  ${JSON.stringify(key)}: `);
    if (!Array.isArray(value) || value.length === 0) {
      add(indented(value, "  "));
      continue;
    }
    for (const [place, item] of value.entries()) {
      add(`${place === 0 ? "[" : ","}\n    ${indented(item, "    ")}`);
    }
    add("\n  ]");
  }
  add("\n}\n");
  return Buffer.concat([...pieces, Buffer.from(text)]);
}

/** Whether an earlier version wrote the report: its keys are those of no other program. */
function isOlderReport(folder: string): boolean {
  try {
    const report = JSON.parse(
      readTextFile(path.join(folder, names.json)),
    ) as Partial<DuplicateReport>;
    return [report.groups, report.contaminated, report.exclude].every(Array.isArray);
  } catch {
    return false;
  }
}
