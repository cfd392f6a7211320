/**
 * Class names and templates in several languages, as CLIP_benchmark keeps them in its folder `datasets`: a file of
 * each for a language, with a list for each set.
 *
 *     de_classnames.json                            { "imagenet1k": ["Schleie", ...] }
 *     de_zeroshot_classification_templates.json     { "imagenet1k": ["ein Foto von {c}.", ...] }
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { directoryEntries } from "../../data/paths/directory-entries.ts";
import { counted, DataError, didYouMean } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../../files/json-fields.ts";
import { readJsonFile, readingReason } from "../../files/regular-file.ts";
import { withPlace } from "../../text/templates.ts";
import { numberedClasses, type NamedClass } from "../read-classes.ts";

export interface LanguageOfSet {
  /** As the file's name has it, such as `de`. */
  readonly language: string;
  /** In the order of the labels. */
  readonly classes: readonly NamedClass[];
  /** With `{}` as the place of the name; undefined where the language has none. */
  readonly templates: readonly string[] | undefined;
}

export interface LanguagesOptions {
  /** How many the set has. */
  readonly classes?: number | undefined;
  /** Whether it is an error where no language names the set's classes. Default `fail`. */
  readonly missing?: "fail" | "none" | undefined;
}

const NAMES = /^([a-z]{2,3}(?:[-_][a-z\d]{2,8})*)_classnames\.json$/i;
const templatesFile = (language: string): string =>
  `${language}_zeroshot_classification_templates.json`;
/** Whose templates CLIP_benchmark takes for sets without any. */
const GENERAL = "imagenet1k";

/**
 * The languages of a folder that name the classes of a set, in the order of their tags.
 *
 * setName  key of CLIP_benchmark, such as `vtab/pets`: the file's key may be this or its last part
 * throws   DataError naming the file: one that cannot be read, another number of classes, a template without a
 *          place, or no language for the set
 */
export function readLanguages(
  folder: string,
  setName: string,
  { classes: count, missing = "fail" }: LanguagesOptions = {},
): LanguageOfSet[] {
  const keys = [setName, setName.slice(setName.lastIndexOf("/") + 1)];
  if (setName === "vtab/caltech101") keys.unshift("caltech101_vtab");
  const languages = listLanguages(folder);
  const found = languages.flatMap((language): LanguageOfSet[] => {
    const file = join(folder, `${language}_classnames.json`);
    const names = listOf(file, keys);
    if (names === undefined) return [];
    if (count !== undefined && names.length !== count) {
      throw new DataError(
        `Expected ${counted(count, "class", "classes")} of ${setName} in ${file} but received ` +
          `${names.length}; name every class, in the order of the labels`,
        { source: file },
      );
    }
    const classes = numberedClasses(names.map((name) => name.trim()));
    return [{ language, classes, templates: templatesOf(folder, language, keys) }];
  });
  if (found.length > 0 || (missing === "none" && languages.length > 0)) return found;
  throw noLanguage(folder, setName, languages);
}

function listLanguages(folder: string): string[] {
  try {
    return directoryEntries(folder).flatMap(({ name }) => NAMES.exec(name)?.[1] ?? []);
  } catch (cause) {
    throw new DataError(
      `Expected a folder of languages at ${folder} but cannot read it (${readingReason(cause)}); check the path`,
      { source: folder },
      { cause },
    );
  }
}

function templatesOf(
  folder: string,
  language: string,
  keys: readonly string[],
): string[] | undefined {
  const file = join(folder, templatesFile(language));
  if (!existsSync(file)) return undefined;
  const templates = listOf(file, [...keys, GENERAL]);
  const placed = templates?.map((template) => withPlace(template.trim()));
  const wrong = placed?.indexOf(undefined) ?? -1;
  if (wrong < 0) return placed as string[] | undefined;
  throw new DataError(
    `Expected templates with {} or {c} for ${keys[0]} in ${file} but received ` +
      `${JSON.stringify(templates?.[wrong])} (number ${wrong + 1}); mark where the name of a class goes`,
    { source: file },
  );
}

/** The list under the first of the keys that the file has; undefined where it has none of them. */
function listOf(file: string, keys: readonly string[]): string[] | undefined {
  const lists = objectIn(file);
  const key = keys.find((one) => Object.hasOwn(lists, one));
  const list = key === undefined ? undefined : lists[key];
  if (list === undefined) return undefined;
  const isList = Array.isArray(list) && list.every((one) => typeof one === "string");
  if (isList && list.length > 0) return list;
  throw new DataError(
    `Expected a list of texts for ${key} in ${file} but received ${JSON.stringify(list).slice(0, 60)}; correct it`,
    { source: file },
  );
}

function objectIn(file: string): JsonObject {
  try {
    const value = readJsonFile(file);
    if (isJsonObject(value)) return value;
    throw new TypeError("it is no object");
  } catch (cause) {
    throw new DataError(
      `Expected an object of lists, one for each set, in ${file} but could not read one ` +
        `(${readingReason(cause)}); write { "imagenet1k": ["tench", ...] }`,
      { source: file },
      { cause },
    );
  }
}

function noLanguage(folder: string, setName: string, languages: readonly string[]): DataError {
  const sets = new Set(
    languages.flatMap((one) => Object.keys(objectIn(join(folder, `${one}_classnames.json`)))),
  );
  const received =
    languages.length === 0
      ? "no file such as de_classnames.json"
      : `names of other sets (${[...sets].slice(0, 8).join(", ")})`;
  return new DataError(
    `Expected class names of ${setName} in ${folder} but received ${received}; add the set to the files.` +
      didYouMean(setName, sets),
    { source: folder },
  );
}
