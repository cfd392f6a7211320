/** Which group each sample of a set belongs to, from what its record says. Knows no model. */
import { types } from "node:util";

import { counted, DataError, didYouMean } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";

/** Groups of a set by one key of the records, or by several that are crossed. */
export interface Grouping {
  /** The keys of the records, such as `["gender", "race"]`. */
  readonly keys: readonly string[];
  /** Values of each key together, such as `woman × black`; of bare numbers with the key: `gender 1`. */
  readonly names: readonly string[];
  /** Whether all values are words, so that prompts can name the groups. */
  readonly worded: boolean;
  /** [N] index of each sample's group; -1 for a sample that has none */
  readonly members: Int32Array;
  /** Samples without one of the keys. */
  readonly without: number;
}

/** Words for values, by key and value: `{ gender: { 0: "man", 1: "woman" } }`. */
export type ValueNames = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface GroupingOptions {
  /** A sample without a key is left out and counted, or an error. Default `skip`. */
  readonly unknown?: "skip" | "fail" | undefined;
  readonly valueNames?: ValueNames | undefined;
}

interface Records {
  /** [N] for messages */
  readonly keys: readonly string[];
  /** [N] */
  readonly metas: readonly Readonly<Record<string, unknown>>[];
}

/** More values than this are no categories but numbers or names. */
const MOST_GROUPS = 500;

/**
 * The groups of samples by `keys`, crossed where there are several.
 *
 * throws  DataError for a key that no sample has (with near names), a value that is no text, number or
 *         truth value, a sample without the key unless these are skipped, more than 500 groups, and fewer
 *         than two
 */
export function groupSamples(
  records: Records,
  keys: readonly string[],
  { unknown = "skip", valueNames = {} }: GroupingOptions = {},
): Grouping {
  for (const key of keys) checkKey(records, key);
  const texts = keys.map((key) => valuesOf(records, key, unknown));
  const orders = texts.map((column) => new Map(ordered(column).map((text, i) => [text, i])));
  const found = new Map<string, number[]>();
  const places: (string | undefined)[] = records.metas.map((_, sample) => {
    const values = texts.map((column) => column[sample]);
    if (values.includes(undefined)) return undefined;
    const place = values.map((value, at) => orders[at]!.get(value as string) as number);
    const id = place.join(" ");
    found.set(id, place);
    return id;
  });
  const called = keys.join(" × ");
  if (found.size > MOST_GROUPS) {
    throw new DataError(
      `Expected at most ${MOST_GROUPS} groups for ${called} but found ${found.size} different values; ` +
        "group by a category, and give amounts of money as --income",
      { source: called },
    );
  }
  if (found.size < 2) {
    throw new DataError(
      `Expected at least two groups for ${called} but found ${found.size}; group by another key, ` +
        "or audit more samples",
      { source: called },
    );
  }
  const sorted = [...found].sort(([, a], [, b]) => compare(a, b));
  const index = new Map(sorted.map(([id], group) => [id, group]));
  const words = keys.map((key, i) =>
    [...orders[i]!.keys()].map((value) => ({ value, word: wordOf(key, value, valueNames) })),
  );
  const named = sorted.map(([, place]) =>
    place.map((at, i) => {
      const { value, word } = words[i]![at]!;
      return word ?? `${keys[i]} ${value}`;
    }),
  );
  return {
    keys,
    names: named.map((parts) => parts.join(" × ")),
    worded: words.every((column) => column.every(({ word }) => word !== undefined)),
    members: Int32Array.from(places, (id) => (id === undefined ? -1 : (index.get(id) ?? -1))),
    without: places.filter((id) => id === undefined).length,
  };
}

/** The samples that have a key. throws  DataError for a key that none has */
export function checkKey({ metas }: Pick<Records, "metas">, key: string): void {
  if (metas.some((meta) => valueText(meta[key]) !== undefined)) return;
  const names = [...new Set(metas.flatMap((meta) => Object.keys(meta)))];
  const near =
    didYouMean(key, names) ||
    (names.length === 0
      ? " No sample carries metadata."
      : ` There are: ${names.slice(0, 12).join(", ")}.`);
  throw new DataError(
    `Expected ${key} in the metadata of samples but none of ${counted(metas.length, "sample")} has it.${near}`,
    { source: key },
  );
}

/** The values of a key as text; undefined where a sample has none. */
function valuesOf(
  { keys, metas }: Records,
  key: string,
  unknown: "skip" | "fail",
): (string | undefined)[] {
  const values = metas.map((meta, sample) => {
    const value = meta[key];
    const text = valueText(value);
    if (text !== undefined || value === undefined || value === null) return text;
    // Blank cells, and numbers that pandas lacks.
    if (typeof value === "string" || Number.isNaN(value)) return undefined;
    throw new DataError(
      `Expected a text or a number for ${key} of sample ${keys[sample]} but received ` +
        `${formatJson(value).slice(0, 60)}; a group has one value`,
      { source: keys[sample] ?? "", key: keys[sample] ?? "" },
    );
  });
  const missing = values.indexOf(undefined);
  if (missing < 0 || unknown === "skip") return values;
  const count = values.filter((value) => value === undefined).length;
  throw new DataError(
    `Expected ${key} in the metadata of sample ${keys[missing]} but it has none (without it: ${count} of ` +
      `${counted(values.length, "sample")}); add it, or leave such samples out with --unknown skip`,
    { source: keys[missing] ?? "", key: keys[missing] ?? "" },
  );
}

/** A value as its group is called; undefined for no value and for what cannot be one. */
export function valueText(value: unknown): string | undefined {
  if (typeof value === "string") return value.trim() === "" ? undefined : value.trim();
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  const number = types.isNumberObject(value) ? Number(value) : value;
  return typeof number === "number" && !Number.isNaN(number) ? String(number) : undefined;
}

/** Different values: numbers by size, otherwise as text. */
function ordered(column: readonly (string | undefined)[]): string[] {
  const values = [...new Set(column.filter((text) => text !== undefined))];
  const numeric = values.every((text) => Number.isFinite(Number(text)));
  return values.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return (a[at] ?? 0) - (b[at] ?? 0);
}

/** The word of a value; undefined for a number or truth value that has none. */
function wordOf(key: string, value: string, names: ValueNames): string | undefined {
  const ofKey = Object.hasOwn(names, key) ? names[key] : undefined;
  if (ofKey !== undefined && Object.hasOwn(ofKey, value)) return ofKey[value];
  return /^(true|false)$/.test(value) || Number.isFinite(Number(value)) ? undefined : value;
}

/** [G] samples of each group. */
export function groupCounts({ names, members }: Grouping): number[] {
  const counts = names.map(() => 0);
  for (const group of members) if (group >= 0) counts[group] = counts[group]! + 1;
  return counts;
}

/** The same grouping without the groups of fewer than `least` samples; their samples have none. */
export function withoutSmall(grouping: Grouping, least: number): Grouping {
  const counts = groupCounts(grouping);
  const kept = counts.flatMap((count, group) => (count >= least ? [group] : []));
  const place = new Map(kept.map((group, i) => [group, i]));
  return {
    ...grouping,
    names: kept.map((group) => grouping.names[group]!),
    members: grouping.members.map((group) => place.get(group) ?? -1),
  };
}
