/** The searches that the quick start's report opens with: words, among all icons of the held-out sets. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SearchOptions } from "limn/report";

import type { BuiltIcons } from "./dataset.ts";
import { askedSets, iconSource } from "./suites.ts";
import { conceptOf, nameWords } from "./words.ts";

/** Fixed before any result was seen. */
const texts = ["shopping cart", "delete file", "wifi off"];

/** The pool holds icons of every name, shared with training or not. */
export function iconSearches(built: BuiltIcons): SearchOptions {
  const { folder, dataset } = built;
  const authors = JSON.parse(readFileSync(join(folder, "concepts.json"), "utf8")) as Record<
    string,
    number
  >;
  const sets = askedSets(built);
  const icons = sets.reduce((sum, { pictures }) => sum + pictures, 0);
  return {
    title: "Search",
    note:
      `Words, and the icons nearest to them among all ${count(icons)} icons of ` +
      `${listed(sets.map(({ name }) => name))}. The model has seen none of these sets. Framed in green: ` +
      "icons that have the words as one of their names.",
    source: iconSource(built, "test", { sets: sets.map(({ prefix }) => prefix) }),
    queries: [...texts, ...dataset.unseenExamples],
    caption: ({ key }) => words(key.slice(key.indexOf("/") + 1)),
    detail: ({ meta }) => String(meta["set"]),
    isRight: (query, { label }) => label !== undefined && concept(label) === concept(query),
    about: (query) => aboutAuthors(authors[concept(query)]),
  };
}

function aboutAuthors(authors: number | undefined): string {
  if (authors === undefined) return "not a name in training";
  if (authors === 0) return "never seen: nobody's drawing of it was trained on";
  return `trained on drawings by ${authors} ${authors === 1 ? "author" : "authors"}`;
}

function concept(text: string): string {
  return conceptOf(nameWords(text));
}

function words(name: string): string {
  return name.replaceAll("-", " ");
}

/** 4,047 */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** "Lucide, Heroicons and Iconoir" */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
