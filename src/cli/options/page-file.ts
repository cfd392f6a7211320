/** Where a command writes a page: a new file, or in place of an earlier page, never of anything else. */
import { existsSync } from "node:fs";
import path from "node:path";

import { UsageError } from "../../errors.ts";
import { readingReason, readTextFile } from "../../files/regular-file.ts";
import { pageMark } from "../../report/html-page.ts";

/** throws  UsageError for another ending, and for a file that is there and is no page of limn's: it stays as it is */
export function pageFile(html: string | undefined): string | undefined {
  if (html === undefined) return undefined;
  if (!/\.html?$/i.test(html)) {
    throw new UsageError(`Expected a name that ends in .html for --html but received ${html}.`);
  }
  if (!existsSync(html) || isPage(html)) return path.resolve(html);
  throw new UsageError(
    `Expected a new file for --html, or a page of limn's, but ${html} is another file; name another.`,
  );
}

function isPage(file: string): boolean {
  try {
    return readTextFile(file).includes(pageMark);
  } catch (cause) {
    throw new UsageError(
      `Expected a file for --html but cannot read ${file} (${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}
