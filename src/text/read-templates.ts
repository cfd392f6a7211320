/**
 * Templates as people write them in recipes and on the command line: a set's name, a template, several of
 * these, or a file.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { didYouMean, SettingError } from "../errors.ts";
import { isJsonObject } from "../files/json-fields.ts";
import { readingReason, readJsonFile, readTextFile } from "../files/regular-file.ts";
import { promptTemplates, templatesCalled, withPlace } from "./templates.ts";

/** Beside the classes of a folder of CLIP_benchmark. */
export const benchmarkTemplates = "zeroshot_classification_templates.txt";

/** No file of templates is larger; CLIP_benchmark's for all its sets has 9 kB. */
const MOST_BYTES = 16 << 20;

/**
 * The templates behind one choice or several, in their order; the place of the class is `{}`, or `{c}` as
 * CLIP_benchmark has it. A text with such a place is a template. Of another that names no set, the file is
 * read: lines, or of a `.json` its list; of a folder of CLIP_benchmark its file of templates.
 *
 * name    of the key or flag, for messages
 * throws  SettingError for what is neither, a file that cannot be read, and a template without a place
 */
export function readTemplates(choice: string | readonly string[], name = "templates"): string[] {
  const choices = typeof choice === "string" ? [choice] : choice;
  if (choices.length === 0) {
    throw new SettingError(
      name,
      `Expected at least one template for ${name} but received none; "{}" is the name alone`,
    );
  }
  return choices.flatMap((one) => templatesOf(one, name));
}

function templatesOf(choice: string, name: string): readonly string[] {
  const called = templatesCalled(choice);
  if (called !== undefined) return called;
  const names = Object.keys(promptTemplates);
  if (choice === "" || !existsSync(choice)) {
    throw new SettingError(
      name,
      `Expected one of ${names.join(", ")}, a text with {}, or a file for ${name} but received "${choice}"; ` +
        `mark with {} where the name of a class goes.${didYouMean(choice, names)}`,
    );
  }
  return templatesIn(choice, name);
}

/** Of a file of templates, or of a folder of CLIP_benchmark. */
function templatesIn(path: string, name: string): string[] {
  const file = statSync(path).isDirectory() ? join(path, benchmarkTemplates) : path;
  const isJson = file.toLowerCase().endsWith(".json");
  const templates = isJson ? listIn(file, name) : linesOf(file, name);
  const placed = templates.map(({ text, place }) => ({ text, place, template: withPlace(text) }));
  const wrong = placed.find(({ template }) => template === undefined);
  if (wrong === undefined && templates.length > 0) {
    return placed.map(({ template }) => template as string);
  }
  throw new SettingError(
    name,
    `Expected templates with {} or {c} in ${file}, one in each line or a JSON list, but received ` +
      `${wrong ? `${JSON.stringify(wrong.text)} (${wrong.place})` : "none"}; mark where the name of a class goes`,
  );
}

/** A template, or what should be one, and where it stands: `line 3`. */
interface Placed {
  text: string;
  place: string;
}

/** A list, or the only one in an object, as CLIP_benchmark has one for each set. */
function listIn(file: string, name: string): Placed[] {
  const value = reading(file, name, () => readJsonFile(file, MOST_BYTES));
  const lists = isJsonObject(value) ? value : { "": value };
  const [only, ...others] = Object.entries(lists).filter(([, list]) => isTexts(list));
  if (only !== undefined && others.length === 0) {
    return (only[1] as string[]).map((text, i) => ({ text, place: `number ${i + 1}` }));
  }
  const names = [only, ...others].map((one) => one?.[0]).slice(0, 6);
  throw new SettingError(
    name,
    `Expected a list of templates in ${file} but received ` +
      `${only === undefined ? "none" : `several (${names.join(", ")}, ...)`}; write one list of texts`,
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function linesOf(file: string, name: string): Placed[] {
  const lines = reading(file, name, () => readTextFile(file, MOST_BYTES)).split(/\r\n|\r|\n/);
  const placed = lines.map((line, i) => ({ text: line.trim(), place: `line ${i + 1}` }));
  return placed.filter(({ text }) => text !== "");
}

function reading<T>(file: string, name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SettingError(
      name,
      `Expected a file of templates for ${name} but cannot read ${file} ` +
        `(${readingReason(cause)}); check the file`,
      { cause },
    );
  }
}
