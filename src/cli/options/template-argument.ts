/** `--templates`: the name of a set, or a file with a template in each line. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { didYouMean, UsageError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { readingReason, readJsonFile, readTextFile } from "../../files/regular-file.ts";
import { promptTemplates, type TemplateChoice, withPlace } from "../../inference/templates.ts";

export const templateOption = {
  templates: {
    type: "string",
    value: "<set>",
    help: "bare, photo (default), simple, or a file: a template in each line, or a JSON list",
  },
} as const;

/** In a folder of CLIP_benchmark. */
const FILE = "zeroshot_classification_templates.txt";

/**
 * The place of the class is `{}`, or `{c}` as CLIP_benchmark has it. Of a folder of CLIP_benchmark its
 * file of templates is read, of a JSON file its list.
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
  const templates = file.toLowerCase().endsWith(".json") ? listIn(file) : linesOf(file);
  const wrong = templates.find((one) => withPlace(one) === undefined);
  if (wrong === undefined && templates.length > 0) return templates;
  throw new UsageError(
    `Expected templates with {} or {c} in ${file}, one in each line or a JSON list, but received ` +
      `${wrong === undefined ? "none" : `"${wrong}"`}; mark where the name of a class goes.`,
  );
}

/** A list, or the only one in an object, as CLIP_benchmark has one for each set. */
function listIn(file: string): string[] {
  const value = reading(file, () => readJsonFile(file));
  const lists = isJsonObject(value) ? value : { "": value };
  const [only, ...others] = Object.entries(lists).filter(([, list]) => isTexts(list));
  if (only !== undefined && others.length === 0) return only[1] as string[];
  const names = [only, ...others].map((one) => one?.[0]).slice(0, 6);
  throw new UsageError(
    `Expected a list of templates in ${file} but received ` +
      `${only === undefined ? "none" : `several (${names.join(", ")}, ...)`}; write one list of texts.`,
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function linesOf(file: string): string[] {
  const lines = reading(file, () => readTextFile(file)).split(/\r\n|\r|\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

function reading<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError(
      `Expected a file of templates for --templates but cannot read ${file} ` +
        `(${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}
