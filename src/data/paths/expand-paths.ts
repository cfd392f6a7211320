/**
 * Turns shard patterns into paths: brace ranges, lists and globs. What exists under a name is meant by
 * it, whatever characters it has; a backslash takes the meaning of the character behind it.
 */
import { dirname } from "node:path";
import { DataError } from "../../errors.ts";
import { directoryEntries, isThere } from "./directory-entries.ts";

/** More names than this from one pattern are a slip of the pen. */
const MOST_NAMES = 1_000_000;

/**
 * Expands braces as shells do: `a{1,2}b`, `{000..012}` (padded as written), `{0..12..3}`, `{a..f}`, nested.
 *
 * throws   DataError if a pattern stands for more than a million names
 */
export function expandBraces(pattern: string): string[] {
  const found = findBraces(pattern);
  if (found === undefined) return [pattern];
  const { start, end, alternatives } = found;
  const head = pattern.slice(0, start);
  const tails = expandBraces(pattern.slice(end + 1));
  const middles = alternatives.flatMap(expandBraces);
  if (middles.length * tails.length > MOST_NAMES) {
    throw new DataError(
      `Expected at most ${MOST_NAMES} names for a pattern but received ${pattern}; check its range`,
      { source: pattern },
    );
  }
  return middles.flatMap((middle) => tails.map((tail) => head + middle + tail));
}

interface Braces {
  start: number;
  end: number;
  alternatives: string[];
}

/** The first pair of braces that holds a range or a comma; others stand for themselves. */
function findBraces(pattern: string): Braces | undefined {
  for (let start = 0; start < pattern.length; start++) {
    if (pattern[start] === "\\") start += 1;
    if (pattern[start] !== "{" || pattern[start - 1] === "\\") continue;
    const commas: number[] = [start];
    let depth = 0;
    for (let i = start; i < pattern.length; i++) {
      if (pattern[i] === "\\") i += 1;
      else if (pattern[i] === "{") depth += 1;
      else if (pattern[i] === "," && depth === 1) commas.push(i);
      else if (pattern[i] === "}" && --depth === 0) {
        const range = expandRange(pattern.slice(start + 1, i));
        if (range !== undefined) return { start, end: i, alternatives: range };
        if (commas.length === 1) break;
        const ends = [...commas.slice(1), i];
        const alternatives = ends.map((end, k) => pattern.slice(commas[k]! + 1, end));
        return { start, end: i, alternatives };
      }
    }
  }
  return undefined;
}

function expandRange(text: string): string[] | undefined {
  const letters = /^(?:([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z]))$/.exec(text);
  if (letters !== null) {
    const ends = letters.slice(1).filter((letter: string | undefined) => letter !== undefined);
    const [from, to] = ends.map((letter) => letter.charCodeAt(0)) as [number, number];
    const codes = Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => Math.min(from, to) + i);
    return (from > to ? codes.reverse() : codes).map((code) => String.fromCharCode(code));
  }
  const match = /^(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  const [from, to] = [Number(first), Number(last)];
  const step = Math.max(1, Math.abs(Number(match[3] ?? 1)));
  const count = Math.floor(Math.abs(to - from) / step) + 1;
  if (count > MOST_NAMES) {
    throw new DataError(
      `Expected at most ${MOST_NAMES} names for a range but received {${text}}; check its ends`,
      { source: `{${text}}` },
    );
  }
  const padded = /^-?0\d/.test(first) || /^-?0\d/.test(last);
  const width = padded ? Math.max(first.length, last.length) : 0;
  return Array.from({ length: count }, (_, i) => {
    const value = from + Math.sign(to - from) * step * i;
    const sign = value < 0 ? "-" : "";
    return sign + String(Math.abs(value)).padStart(width - sign.length, "0");
  });
}

/**
 * The files that a pattern or a list of patterns names, in order. A pattern that is the name of something
 * is that name, and so are its first folders. Of the others braces are expanded, then `*`, `?` and
 * `[...]` are looked up, sorted by name. A name without these stays even if no such file exists, so
 * that a missing shard can be reported by its name.
 */
export function expandPaths(patterns: string | readonly string[]): string[] {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  return list.flatMap((pattern) => {
    if (!special.test(pattern)) return [pattern];
    const known = existingStart(pattern);
    if (known === pattern) return [pattern];
    return expandBraces(pattern.slice(known.length)).flatMap((rest) =>
      lookUp(known, rest, pattern),
    );
  });
}

const special = /[*?[{\\]/;
const wildcard = /(?<!\\)(?:\\\\)*[*?[]/;

/** The longest start of whole segments that exists, with the slash behind it. */
function existingStart(pattern: string): string {
  if (isThere(pattern)) return pattern;
  let known = "";
  for (let end = pattern.indexOf("/"); end >= 0; end = pattern.indexOf("/", end + 1)) {
    const start = pattern.slice(0, end + 1);
    if (!isThere(start)) break;
    known = start;
  }
  return known;
}

/** The paths behind `known`, which is no pattern, that the segments of `rest` stand for. */
function lookUp(known: string, rest: string, pattern: string): string[] {
  const slash = rest.indexOf("/");
  const segment = slash < 0 ? rest : rest.slice(0, slash + 1);
  const after = rest.slice(segment.length);
  const name = slash < 0 ? segment : segment.slice(0, -1);
  const plain = unescape(name);
  let names = [plain];
  if (wildcard.test(name) && !isThere(known + plain)) {
    names = listNames(known === "" ? "." : known, pattern).filter((one) => nameMatches(one, name));
  }
  const paths = names.map((one) => known + one + (slash < 0 ? "" : "/"));
  return after === "" ? paths : paths.flatMap((path) => lookUp(path, after, pattern));
}

/** A backslash before a character with a meaning takes that meaning; others stand for themselves. */
function unescape(text: string): string {
  return text.replace(/\\([*?[\]{},\\])/g, "$1");
}

function listNames(directory: string, pattern: string): string[] {
  try {
    return directoryEntries(directory).map(({ name }) => name);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOTDIR") return [];
    throw new DataError(
      `Expected a readable folder for ${pattern} but received ${code} for ${directory}; ` +
        `check the path and its permissions`,
      { source: dirname(pattern) },
      { cause: error },
    );
  }
}

/** One path segment against a pattern; names that start with a dot must be named with it. */
function nameMatches(name: string, pattern: string): boolean {
  if (name.startsWith(".") && !pattern.startsWith(".")) return false;
  const source = pattern.replace(/\\[*?[\]{},\\]|\[!?[^\]]+\]|[\s\S]/g, (part) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.startsWith("[") && part.length > 1) {
      return part.replace("[!", "[^").replace(/\\/g, "\\\\");
    }
    return literal(part.length > 1 ? part.slice(1) : part);
  });
  return new RegExp(`^${source}$`, "su").test(name);
}

function literal(character: string): string {
  return character.replace(/[.*+?^${}()|\\[\]/]/g, "\\$&");
}
