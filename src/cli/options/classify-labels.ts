/** The labels of `limn classify`: from a flag, or a file of classes in any form that `limn eval` takes. */
import { UsageError } from "../../errors.ts";
import { readClasses } from "../../evaluate/read-classes.ts";
import { readingReason, readTextFile } from "../../files/regular-file.ts";
import type { ClassEntry } from "../../inference/templates.ts";

/**
 * throws  UsageError for neither flag, both, no label or two alike, and an unreadable file; DataError
 *         for a JSON array that does not hold classes
 */
export function labelsOf({ labels, classes }: { labels?: string; classes?: string }): ClassEntry[] {
  if ((labels === undefined) === (classes === undefined)) {
    throw new UsageError(
      `Expected --labels or --classes but received ${labels === undefined ? "neither" : "both"}.`,
    );
  }
  if (classes?.toLowerCase().endsWith(".json")) {
    return readClasses(classes).map(({ names }) => names);
  }
  const text = labels?.split(",") ?? linesOf(classes as string);
  const found = text.map((label) => label.trim()).filter((label) => label !== "");
  const twin = found.find((label, i) => found.indexOf(label) < i);
  if (found.length > 0 && twin === undefined) return found;
  const flag = labels === undefined ? `the lines of ${classes}` : "--labels";
  throw new UsageError(
    twin === undefined
      ? `Expected at least one label for ${flag} but received none.`
      : `Expected different labels for ${flag} but received "${twin}" twice.`,
  );
}

function linesOf(file: string): string[] {
  try {
    return readTextFile(file).split(/\r\n|\r|\n/);
  } catch (cause) {
    throw new UsageError(
      `Expected a file of labels for --classes but cannot read ${file} ` +
        `(${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}
