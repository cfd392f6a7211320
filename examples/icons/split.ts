/**
 * Which icons are trained on and which are asked about. Splits go by author; some concepts are trained
 * on from nobody. Depends on the seed and on names only, never on the order of a list.
 */
import { createHash } from "node:crypto";

import type { IconOptions } from "./options.ts";
import type { Icon } from "./read-set.ts";
import type { Role } from "./sets.ts";
import { conceptOf } from "./words.ts";

export interface PlacedIcon {
  icon: Icon;
  split: Role;
  concept: string;
  /** The concept in words, as most training authors write it. */
  label: string;
  /** Trained on from at least `testAuthors` authors: it can be asked for. */
  known: boolean;
  /** Could be asked for, but nobody's drawing of it was trained on. */
  unseen: boolean;
  /** The first drawing of its concept in its set. */
  first: boolean;
}

/** All icons that are used; of training icons those whose concept enough authors share. */
export function placeIcons(
  icons: readonly Icon[],
  roles: ReadonlyMap<string, Role>,
  options: IconOptions,
): PlacedIcon[] {
  const roleOf = (icon: Icon): Role => roles.get(icon.set) ?? "train";
  const brands = brandConcepts(icons);
  const usable = icons.filter((icon) => !icon.isBrand && !brands.has(conceptOf(icon.words)));
  const training = usable.filter((icon) => roleOf(icon) === "train");
  const authors = authorsByConcept(training);
  const countOf = (concept: string): number => authors.get(concept)?.size ?? 0;
  const conceptsOf = new Map(usable.map((icon) => [icon, conceptIn(icon, countOf)]));
  const concept = (icon: Icon): string => conceptsOf.get(icon) as string;
  const asked = new Set(
    usable
      .filter((icon) => roleOf(icon) === "test" && countOf(concept(icon)) >= options.testAuthors)
      .map(concept),
  );
  const ranked = rankedBy([...asked], `${options.seed} unseen`);
  const unseen = new Set(ranked.slice(0, Math.round(ranked.length * options.unseenShare)));
  const labels = labelsOf(training, concept);
  const firsts = new Set<string>();
  return usable.flatMap((icon): PlacedIcon[] => {
    const split = roleOf(icon);
    const own = concept(icon);
    const isTraining = split === "train";
    // No name of an unseen concept is ever read.
    if (isTraining && namesOf(icon).some((name) => unseen.has(name))) return [];
    if (isTraining && countOf(own) < options.trainAuthors) return [];
    const set = `${icon.set} ${own}`;
    const first = !firsts.has(set);
    firsts.add(set);
    const known = countOf(own) >= options.testAuthors && !unseen.has(own);
    const label = labels.get(own) ?? icon.words.join(" ");
    return [{ icon, split, concept: own, label, known, unseen: unseen.has(own), first }];
  });
}

/** The concepts of all names of an icon. */
function namesOf(icon: Icon): string[] {
  return [icon.words, ...icon.aliases].map(conceptOf);
}

/** Of an icon's names the one that most authors share; its own where none is shared by more. */
function conceptIn(icon: Icon, countOf: (concept: string) => number): string {
  const [own = "", ...others] = namesOf(icon);
  return others.reduce((best, each) => (countOf(each) > countOf(best) ? each : best), own);
}

function authorsByConcept(icons: readonly Icon[]): Map<string, Set<string>> {
  const authors = new Map<string, Set<string>>();
  for (const icon of icons) {
    for (const name of namesOf(icon)) {
      const known = authors.get(name);
      if (known === undefined) authors.set(name, new Set([icon.author]));
      else known.add(icon.author);
    }
  }
  return authors;
}

/**
 * What a set marks as a brand's sign is one in every set, unless that set has the word for something
 * else too: "apple" is a fruit as well.
 */
function brandConcepts(icons: readonly Icon[]): Set<string> {
  const plain = new Set(
    icons.flatMap((icon) => (icon.isBrand ? [] : [`${icon.set} ${conceptOf(icon.words)}`])),
  );
  const marked = icons.filter((icon) => icon.isBrand);
  return new Set(
    marked.flatMap((icon) => {
      const concept = conceptOf(icon.words);
      return plain.has(`${icon.set} ${concept}`) ? [] : [concept];
    }),
  );
}

/** Concepts in words, in the order that most training icons have them. */
function labelsOf(icons: readonly Icon[], concept: (icon: Icon) => string): Map<string, string> {
  const counts = new Map<string, Map<string, number>>();
  for (const icon of icons) {
    const own = concept(icon);
    const wordings = counts.get(own) ?? new Map<string, number>();
    counts.set(own, wordings);
    const names = [icon.words, ...icon.aliases].filter((words) => conceptOf(words) === own);
    const wording = (names[0] ?? icon.words).join(" ");
    wordings.set(wording, (wordings.get(wording) ?? 0) + 1);
  }
  return new Map(
    [...counts].map(([own, wordings]) => {
      const order = [...wordings].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
      return [own, order[0]?.[0] ?? own];
    }),
  );
}

/** Orders strings by a hash of seed and string: a shuffle that does not depend on the list. */
export function rankedBy(names: readonly string[], seed: string): string[] {
  const rank = new Map(
    names.map((name) => [name, createHash("sha256").update(`${seed}\n${name}`).digest("hex")]),
  );
  return [...names].sort((a, b) => ((rank.get(a) ?? "") < (rank.get(b) ?? "") ? -1 : 1));
}
