/** `--templates`: the name of a set, or a file with a template in each line. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { didYouMean, UsageError } from "../../errors.ts";
import { readingReason, readTextFile } from "../../files/regular-file.ts";
import { promptTemplates, type TemplateChoice } from "../../inference/templates.ts";

export const templateOption = {
  templates: {
    type: "string",
    value: "<set>",
    help: "bare, photo (default), simple, or a text file with a template in each line",
  },
} as const;

/** In a folder of CLIP_benchmark. */
const FILE = "zeroshot_classification_templates.txt";

/**
 * The place of the class is `{}`, or `{c}` as CLIP_benchmark has it. Of a folder of CLIP_benchmark its
 * file of templates is read.
 *
 * throws  UsageError for what is neither, a file that cannot be read, and a template without a place
 */
export function templatesOf(choice: string): TemplateChoice {
  if (Object.hasOwn(promptTemplates, choice)) return choice as keyof typeof promptTemplates;
  const names = Object.keys(promptTemplates);
  if (!existsSync(choice)) {
    throw new UsageError(
      `Expected one of ${names.join(", ")} or a file for --templates but received "${choice}".` +
        didYouMean(choice, names),
    );
  }
  const file = statSync(choice).isDirectory() ? join(choice, FILE) : choice;
  const templates = linesOf(file).map((line) => line.replaceAll("{c}", "{}"));
  const wrong = templates.find((line) => !line.includes("{}"));
  if (wrong === undefined && templates.length > 0) return templates;
  throw new UsageError(
    `Expected a template with {} or {c} in each line of ${file} but received ` +
      `${wrong === undefined ? "no line" : `"${wrong}"`}; mark where the name of a class goes.`,
  );
}

function linesOf(file: string): string[] {
  try {
    const lines = readTextFile(file).split(/\r\n|\r|\n/);
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  } catch (cause) {
    throw new UsageError(
      `Expected a file of templates for --templates but cannot read ${file} ` +
        `(${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}
