/** Class lists as tasks and commands have them: names, several of them, or the answer they stand for. */
import { DataError } from "../errors.ts";
import { readJsonFile, readingReason } from "../files/regular-file.ts";

/** A class by its name, by several, or by the answer that samples give and the names to ask for. */
export type ClassDescription =
  string | readonly string[] | { key: string; names: readonly string[] };

export interface NamedClass {
  /** The answer that samples give. */
  key: string;
  names: readonly string[];
}

/**
 * Classes from a list, or from a JSON file that holds one.
 *
 * throws  DataError for a file that cannot be read, an entry that is no class, or two classes of one
 *         answer
 */
export function readClasses(classes: string | readonly ClassDescription[]): NamedClass[] {
  const list = typeof classes === "string" ? readClassFile(classes) : classes;
  const source = typeof classes === "string" ? classes : "classes";
  const seen = new Set<string>();
  return list.map((entry, index) => {
    const named = namedClass(entry);
    if (named !== undefined && !seen.has(named.key)) {
      seen.add(named.key);
      return named;
    }
    throw new DataError(
      `Expected ${named ? "another answer" : "a name, a list of names or { key, names }"} for class ` +
        `${index} of ${source} but received ${JSON.stringify(entry)}${named ? " again" : ""}; correct the list`,
      { source, key: String(index) },
    );
  });
}

/** Undefined for another value than a class: a file may hold anything. */
function namedClass(entry: ClassDescription): NamedClass | undefined {
  if (isName(entry)) return { key: entry, names: [entry] };
  if (isNames(entry)) return { key: entry[0] as string, names: entry };
  if (typeof entry !== "object" || entry === null || !("key" in entry)) return undefined;
  return typeof entry.key === "string" && isNames(entry.names) ? entry : undefined;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function readClassFile(file: string): readonly ClassDescription[] {
  try {
    const list = readJsonFile(file);
    if (Array.isArray(list)) return list as ClassDescription[];
    throw new TypeError("it holds no array");
  } catch (cause) {
    throw new DataError(
      `Expected a JSON array of classes in ${file} but could not read one (${readingReason(cause)}); ` +
        'write names such as ["cat", ["dog", "hound"], {"key": "sheep", "names": ["sheep"]}]',
      { source: file },
      { cause },
    );
  }
}
