/**
 * Chooses which emoji are never seen in training, and which training pictures are kept for validation.
 * Depends on the seed and the emoji's identity only, never on the order of a list.
 */
import { createHash } from "node:crypto";
import type { Style } from "./sources.ts";

export type Split = "train" | "validation" | "test-vendor" | "test-lines" | "test-concepts";

export const splits: readonly Split[] = [
  "train",
  "validation",
  "test-vendor",
  "test-lines",
  "test-concepts",
];

export interface Splittable {
  hexcode: string;
  group: string;
  subgroup: string;
  concept: string;
}

export interface SplitOptions {
  seed: number;
  /** Share of each group's eligible emoji that no style of is ever trained on. */
  unseenShare: number;
  /** Share of the seen emoji whose Twitter picture validates instead of training. */
  validationShare: number;
}

/**
 * Never held out: their pictures are letters or the flags of places, whose names nobody could tell
 * without having been taught them.
 */
export const alwaysSeenSubgroups: ReadonlySet<string> = new Set([
  "country-flag",
  "subdivision-flag",
  "alphanum",
  "keycap",
]);

/** A larger concept is a whole kind (all clock faces, all arrows); it stays in training. */
export const largestUnseenConcept = 6;

export interface SplitChoice {
  unseen: ReadonlySet<string>;
  validation: ReadonlySet<string>;
}

/**
 * Chooses whole concepts, group by group, until each group's share is reached.
 *
 * returns  hexcodes of the unseen emoji, and of the seen emoji that validate
 * throws   RangeError where a share is not in [0, 1)
 */
export function chooseSplit(emoji: readonly Splittable[], options: SplitOptions): SplitChoice {
  for (const name of ["unseenShare", "validationShare"] as const) {
    const share = options[name];
    if (!(share >= 0 && share < 1)) {
      throw new RangeError(
        `Expected a share in [0, 1) for ${name} but received ${share}; 0.1 holds out a tenth.`,
      );
    }
  }
  const unseen = new Set<string>();
  for (const members of groupBy(emoji, (one) => one.group).values()) {
    for (const hexcode of unseenOf(members, options)) unseen.add(hexcode);
  }
  const seen = emoji.filter((one) => !unseen.has(one.hexcode)).map((one) => one.hexcode);
  const ranked = rankedBy(seen, `${options.seed} validation`);
  const validation = new Set(ranked.slice(0, Math.round(seen.length * options.validationShare)));
  return { unseen, validation };
}

/** The split of one picture. `lines` says whether its line drawing can be told from every other. */
export function splitOf(
  hexcode: string,
  style: Style,
  choice: SplitChoice,
  lines = true,
): Split | undefined {
  if (style === "openmojiLines" && !lines) return undefined;
  if (choice.unseen.has(hexcode)) return "test-concepts";
  if (style === "openmoji") return "test-vendor";
  if (style === "openmojiLines") return "test-lines";
  return style === "twitter" && choice.validation.has(hexcode) ? "validation" : "train";
}

/** Orders strings by a hash of seed and string: a shuffle that does not depend on the list. */
export function rankedBy(names: readonly string[], seed: string): string[] {
  const rank = new Map(
    names.map((name) => [name, createHash("sha256").update(`${seed}\n${name}`).digest("hex")]),
  );
  return [...names].sort((a, b) => ((rank.get(a) ?? "") < (rank.get(b) ?? "") ? -1 : 1));
}

function unseenOf(members: readonly Splittable[], options: SplitOptions): string[] {
  const all = groupBy(members, (one) => one.concept);
  const eligible = [...all].filter(
    ([, concept]) =>
      concept.length <= largestUnseenConcept &&
      concept.every((one) => !alwaysSeenSubgroups.has(one.subgroup)),
  );
  const concepts = new Map(eligible);
  const total = eligible.reduce((sum, [, concept]) => sum + concept.length, 0);
  const wanted = Math.round(total * options.unseenShare);
  const unseen: string[] = [];
  for (const key of rankedBy([...concepts.keys()], `${options.seed} concepts`)) {
    const concept = concepts.get(key) ?? [];
    if (unseen.length + concept.length <= wanted) unseen.push(...concept.map((one) => one.hexcode));
  }
  return unseen;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
