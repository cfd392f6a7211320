/** The candidates of zero-shot classification, written beside the shards as `classes.json`. */
import { categoryPhrase, categoryWords } from "./captions.ts";
import type { Categories, Emoji } from "./sources.ts";

export interface EmojiClass {
  hexcode: string;
  emoji: string;
  /** Equal to the `label` of this emoji's samples. */
  label: string;
  /** English names, the label first; several names are ensembled into one class. */
  names: string[];
  group: string;
  subgroup: string;
  concept: string;
  /** The flag of a country or a part of one. */
  isFlag: boolean;
  /** No style of this emoji was trained on. */
  isUnseen: boolean;
}

export interface CategoryClass {
  /** Equal to `meta.group` or `meta.subgroup` of the samples. */
  key: string;
  names: string[];
}

export interface EmojiClasses {
  emoji: EmojiClass[];
  groups: CategoryClass[];
  subgroups: CategoryClass[];
}

export function isFlag(subgroup: string): boolean {
  return subgroup === "country-flag" || subgroup === "subdivision-flag";
}

/** Candidates for emoji that were kept, in Unicode's order. */
export function emojiClasses(
  emoji: readonly Emoji[],
  categories: Categories,
  concepts: ReadonlyMap<string, string>,
  unseen: ReadonlySet<string>,
): EmojiClasses {
  const groups = [...new Set(emoji.map((one) => one.group))];
  const subgroups = [...new Set(emoji.map((one) => one.subgroup))];
  return {
    emoji: emoji.map((one) => ({
      hexcode: one.hexcode,
      emoji: one.emoji,
      label: one.label,
      names: [one.label, ...one.otherNames],
      group: one.group,
      subgroup: one.subgroup,
      concept: concepts.get(one.hexcode) ?? one.hexcode,
      isFlag: isFlag(one.subgroup),
      isUnseen: unseen.has(one.hexcode),
    })),
    groups: groups.map((key) => {
      const members = emoji.filter((one) => one.group === key).map((one) => one.subgroup);
      return { key, names: categoryNames(key, [...new Set(members)], categories) };
    }),
    subgroups: subgroups.map((key) => {
      const group = emoji.find((one) => one.subgroup === key)?.group ?? "";
      return { key, names: [categoryPhrase(key, group, categories)] };
    }),
  };
}

/**
 * A category is asked for as captions name it: "mammals, animals and nature" and so on for each of
 * its subgroups, ensembled. A bare "nature" occurs in no caption of that form.
 */
function categoryNames(key: string, subgroups: string[], categories: Categories): string[] {
  const phrases = subgroups.map((subgroup) => categoryPhrase(subgroup, key, categories));
  return [categoryWords(key, categories.groups), ...phrases];
}
