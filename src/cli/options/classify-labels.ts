/** The labels of `limn classify`: from a flag, or a file of classes in any form that `limn eval` takes. */
import { statSync } from "node:fs";

import { UsageError } from "../../errors.ts";
import {
  entriesOfLines,
  isRemark,
  readClasses,
  type ClassDescription,
} from "../../evaluate/read-classes.ts";
import { readingReason, readTextFile } from "../../files/regular-file.ts";
import type { ClassEntry } from "../../inference/class-list.ts";

/**
 * Of a file, labels that come again are one label, and blank lines none.
 *
 * throws  UsageError for neither flag, both, no label, two alike in the flag, and an unreadable file;
 *         DataError for a JSON file that does not hold classes
 */
export function labelsOf({ labels, classes }: { labels?: string; classes?: string }): ClassEntry[] {
  if (labels !== undefined && classes === undefined) return ofFlag(labels);
  if (labels !== undefined || classes === undefined) {
    throw new UsageError(
      `Expected --labels or --classes but received ${labels === undefined ? "neither" : "both"}.`,
    );
  }
  const isList = /\.json$/i.test(classes) || isFolder(classes);
  const found = readClasses(isList ? classes : entriesOf(classes)).map(({ names }) => names);
  const all = new Map(found.map((names) => [JSON.stringify(names), names]));
  return [...all.values()].map((names) => (names.length === 1 ? names[0]! : names));
}

function entriesOf(file: string): readonly ClassDescription[] {
  const lines = linesOf(file).filter((line) => !isRemark(line));
  if (lines.length > 0) return entriesOfLines(lines);
  throw new UsageError(`Expected at least one label for the lines of ${file} but received none.`);
}

function ofFlag(labels: string): string[] {
  const found = trimmed(labels.split(","));
  const twin = found.find((label, i) => found.indexOf(label) < i);
  if (found.length > 0 && twin === undefined) return found;
  throw new UsageError(
    twin === undefined
      ? "Expected at least one label for --labels but received none."
      : `Expected different labels for --labels but received "${twin}" twice.`,
  );
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

function linesOf(file: string): string[] {
  try {
    return trimmed(readTextFile(file).split(/\r\n|\r|\n/));
  } catch (cause) {
    throw new UsageError(
      `Expected a file of labels for --classes but cannot read ${file} ` +
        `(${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}

function trimmed(labels: readonly string[]): string[] {
  return labels.map((label) => label.trim()).filter((label) => label !== "");
}
