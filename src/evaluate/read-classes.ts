/** Class lists as people have them: names, several of them, or the answer they stand for. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";

import { DataError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../files/json-fields.ts";
import { readJsonFile, readingReason, readTextFile } from "../files/regular-file.ts";
import { benchmarkClasses, benchmarkClassLines } from "./benchmark-folder.ts";

/** A class by its name, by several, or by the answer that samples give and the names to ask for. */
export type ClassDescription =
  string | readonly string[] | { key: string; names: readonly string[] };

export interface NamedClass {
  /** The answer that samples give, another for each class. */
  key: string;
  names: readonly string[];
  /** How results call it, another for each class. */
  label: string;
}

/**
 * Classes from a list, from a file (see `readClassFile`), or from a folder of CLIP_benchmark. Classes of
 * one name, as ImageNet's usual list has two pairs of, are told apart by their numbers.
 *
 * throws  DataError for a file that cannot be read, an entry that is no class, or two classes of one
 *         key
 */
export function readClasses(classes: string | readonly ClassDescription[]): NamedClass[] {
  const isFile = typeof classes === "string";
  const counted = isFile ? countedClasses(classes) : undefined;
  if (counted !== undefined) return counted;
  const list = isFile ? readClassFile(classes) : classes;
  const source = isFile ? classes : "classes";
  const named = list.map((entry, index) => namedClass(entry) ?? refuse(entry, index, source));
  const labels = labelsOf(named.map(({ names: [first = ""] }) => first));
  const seen = new Set<string>();
  return named.map(({ key, names }, index) => {
    const label = labels[index]!;
    const own = key ?? label;
    if (seen.has(own)) refuse(list[index], index, source, "again");
    seen.add(own);
    return { key: own, names, label };
  });
}

/** Names as results call them: those that occur twice, or are blank, with their numbers. */
function labelsOf(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return names.map((name, index) => {
    if (name === "") return `(blank, ${index})`;
    return counts.get(name) === 1 ? name : `${name} (${index})`;
  });
}

/**
 * The classes of a folder of CLIP_benchmark: of whatever names, samples say their numbers. Its file alone is
 * read as other files are, but for blank names.
 */
function countedClasses(given: string): NamedClass[] | undefined {
  const inFolder = isFolder(given);
  if (!inFolder && basename(given) !== benchmarkClasses) return undefined;
  const file = inFolder ? join(given, benchmarkClasses) : given;
  const names = reading(file, () => benchmarkClassLines(file));
  return inFolder || names.includes("") ? numberedClasses(names) : undefined;
}

/** Classes that samples give the numbers of, whatever they are called; a name may be empty. */
export function numberedClasses(names: readonly string[]): NamedClass[] {
  const labels = labelsOf(names);
  return names.map((name, i) => ({ key: String(i), names: [name], label: labels[i]! }));
}

function refuse(entry: unknown, index: number, source: string, again?: "again"): never {
  throw new DataError(
    `Expected ${again ? "another answer" : "a name, a list of names or { key, names }"} for class ` +
      `${index} of ${source} but received ${JSON.stringify(entry)}${again ? " again" : ""}; correct the list`,
    { source, key: String(index) },
  );
}

/** Undefined for another value than a class: a file may hold anything. */
function namedClass(entry: unknown): { key?: string; names: readonly string[] } | undefined {
  if (isName(entry)) return { names: [entry] };
  if (isNames(entry)) return { names: entry };
  if (!isJsonObject(entry)) return undefined;
  const { key, names, id, name } = entry;
  // As COCO lists its categories.
  if (isName(name)) return { ...(Number.isInteger(id) ? { key: String(id) } : {}), names: [name] };
  // One without a name is told by its key, as published sets have it.
  const isUnnamed = Array.isArray(names) && names.length === 1 && names[0] === "";
  return isName(key) && (isUnnamed || isNames(names)) ? { key, names } : undefined;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

/**
 * The classes of a file, in the order of their numbers:
 *
 * - text      a name in each line; lines may begin with numbers from 0 or 1 (`0: tench`) or with ids of WordNet
 *             (`n01440764 tench, Tinca tinca`), and those that begin with `# ` are remarks
 * - a list    `["cat", ["dog", "hound"], { "key": "sheep", "names": ["ewe"] }, { "id": 4, "name": "cow" }]`
 * - numbers   `{ "0": "cat", "1": "dog" }`, `{ "cat": 0, "dog": 1 }`, ImageNet's
 *             `{ "0": ["n01440764", "tench"] }`, and a Hugging Face `config.json` with `id2label`; numbers
 *             that do not count from 0 are the answers that samples give
 * - names     `{ "dog": ["hound"], "n01440764": "tench" }`: the answer that samples give, and its names;
 *             an answer with a list is the first of the names
 * - inside    any of these as `classes`, `classnames` or the like of an object
 *
 * JSON is told by the file's ending.
 */
function readClassFile(file: string): readonly unknown[] {
  return reading(file, () => {
    if (!file.toLowerCase().endsWith(".json")) return linesOf(file);
    const list = listOf(readJsonFile(file));
    if (list.length > 0) return list;
    throw new TypeError("it holds no class");
  });
}

function reading<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new DataError(
      `Expected a JSON array of classes in ${file}, or a text file with a name in each line, but ` +
        `could not read one (${readingReason(cause)}); write names such as ` +
        '["cat", ["dog", "hound"], {"key": "sheep", "names": ["sheep"]}]',
      { source: file },
      { cause },
    );
  }
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The number of a class is that of its line, so that none may be passed over. */
function linesOf(file: string): readonly unknown[] {
  const lines = readTextFile(file)
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  const blank = lines.indexOf("");
  if (blank >= 0) throw new TypeError(`line ${blank + 1} is blank`);
  const names = lines.filter((line) => !isRemark(line));
  if (names.length === 0) throw new TypeError("it holds no class");
  return entriesOfLines(names);
}

/** `# a remark`; `#1` is a name. */
export function isRemark(line: string): boolean {
  return /^#+(\s|$)/.test(line);
}

/** Lines without the numbers or ids that all of them begin with. */
export function entriesOfLines(lines: readonly string[]): readonly ClassDescription[] {
  const identified = lines.map((line) => /^(n\d{8})[\s,:]+(\S.*)$/.exec(line));
  if (identified.every((found) => found !== null)) {
    return identified.map(([, key = "", names = ""]) => ({ key, names: names.split(/\s*,\s+/) }));
  }
  const counted = lines.map((line) => /^(\d+)(\s*[:,;)]\s*|\t\s*|\.? +)(\S.*)$/.exec(line));
  if (!counted.every((found) => found !== null)) return lines;
  const first = Number(counted[0]?.[1]);
  const inOrder = counted.every(([, number], i) => Number(number) === first + i);
  const names = counted.map(([, , , name = ""]) => name);
  // "1 dog", "2 dogs", "3 dogs" are names.
  const isCount = counted.some(([, , mark = ""]) => /^ +$/.test(mark)) && hasTwins(names);
  if (!inOrder || first > 1 || isCount) return lines;
  return first === 0 ? names : names.map((name, i) => ({ key: String(i + 1), names: [name] }));
}

function hasTwins(names: readonly string[]): boolean {
  return new Set(names).size < names.length;
}

/** What lists of classes are called inside other objects. */
const listNames = ["id2label", "label2id", "classes", "classnames", "class_names", "categories"];

/** A wordnet id, which is an answer and no name. */
const wordnetId = /^n\d{8}$/;

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (!isJsonObject(value)) throw new TypeError("it holds neither an array nor an object");
  const entries = Object.entries(value);
  const inner = listNames.map((name) => value[name]).find(isList);
  if (inner !== undefined) return listOf(inner);
  // One class alone would be no list.
  if (entries.length === 1 && isList(entries[0]?.[1])) return listOf(entries[0]?.[1]);
  const byNumber = numbered(entries.map(([key]) => Number(/^\d+$/.test(key) ? key : NaN)));
  if (byNumber) return byNumber.map((at) => withoutId(entries[at]![1]));
  const byValue = numbered(entries.map(([, number]) => number));
  if (byValue) return byValue.map((at) => entries[at]![0]);
  if (entries.length > 0 && entries.every(([, number]) => Number.isSafeInteger(number))) {
    return entries.map(([name, number]) => ({ key: String(number), names: [name] }));
  }
  return entries.map(([key, names]) => {
    if (typeof names === "string") return { key, names: [names] };
    if (!Array.isArray(names)) return names;
    const isAnswer = wordnetId.test(key) || /^\d+$/.test(key);
    return { key, names: isAnswer ? names : [...new Set([key, ...names])] };
  });
}

function isList(value: unknown): value is readonly unknown[] | JsonObject {
  return Array.isArray(value) ? value.length > 1 : isJsonObject(value);
}

/** Where 0, 1, 2 ... stand among `numbers`, where these are all that there are. */
function numbered(numbers: readonly unknown[]): number[] | undefined {
  const places: number[] = [];
  for (const [at, number] of numbers.entries()) {
    if (!Number.isInteger(number) || Number(number) < 0 || Number(number) >= numbers.length) {
      return undefined;
    }
    places[Number(number)] = at;
  }
  return Object.keys(places).length === numbers.length && places.length > 0 ? places : undefined;
}

/** `["n01440764", "tench"]`: an answer and its names, which have lower lines for spaces. */
function withoutId(value: unknown): unknown {
  if (!isNames(value)) return value;
  const [key = "", ...names] = value;
  if (!wordnetId.test(key) || names.length === 0) return value;
  return { key, names: names.map((name) => name.replaceAll("_", " ")) };
}
