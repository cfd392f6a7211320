/**
 * Which icon sets are used, who drew them, and for what. Splits go by author: sets of one author, or
 * drawn after another's, are never on both sides.
 */

export type Role = "train" | "validation" | "test";

export interface IconSet {
  /** iconify's prefix: the package is `@iconify-json/<prefix>`. */
  prefix: string;
  role: Role;
}

/** The sets of the quick start; `package.json` pins their versions. */
export const quickstartSets: readonly IconSet[] = [
  { prefix: "bi", role: "train" },
  { prefix: "boxicons", role: "train" },
  { prefix: "carbon", role: "train" },
  { prefix: "fa7-solid", role: "train" },
  { prefix: "griddy-icons", role: "train" },
  { prefix: "hugeicons", role: "train" },
  { prefix: "icon-park-outline", role: "train" },
  { prefix: "ion", role: "train" },
  { prefix: "la", role: "train" },
  { prefix: "mdi", role: "train" },
  { prefix: "mingcute", role: "train" },
  { prefix: "mynaui", role: "train" },
  { prefix: "ph", role: "train" },
  { prefix: "ri", role: "train" },
  { prefix: "tabler", role: "train" },
  { prefix: "tdesign", role: "train" },
  { prefix: "uil", role: "train" },
  { prefix: "mage", role: "validation" },
  { prefix: "majesticons", role: "validation" },
  { prefix: "lucide", role: "test" },
  { prefix: "heroicons", role: "test" },
  { prefix: "iconoir", role: "test" },
];

/**
 * Authors that are one for us: another name for the same people, or who redrew or extended another's
 * set. The key is iconify's `info.author.name`.
 */
const sameAuthor: Readonly<Record<string, string>> = {
  // Lucide began as a fork of Feather.
  "Cole Bemis": "Lucide Contributors",
  // Zondicons are by the designer of Heroicons; Sidekickicons extend Heroicons.
  "Steve Schoger": "Refactoring UI Inc",
  "Andri Soone": "Refactoring UI Inc",
  // Material Design Icons hold Google's and began from them; Line MD draws them anew.
  "Material Design Authors": "Google",
  "Google Inc": "Google",
  "Google Cloud": "Google",
  Pictogrammers: "Google",
  "MDI Community": "Google",
  "Vjacheslav Trushkin": "Google",
  // Famicons are a fork of Ionicons.
  Family: "Ben Sperry",
};

/** Sets whose drawings are another author's than their name says, by comparing the pictures. */
const drawnAfter: Readonly<Record<string, string>> = {
  // 34 % of the icons that share a name with one of Lucide's are that drawing.
  "meteor-icons": "Lucide Contributors",
  // 507 of 508 names are Lucide's, and a tenth of the drawings.
  vadivam: "Lucide Contributors",
  // 95 % of the names are Lucide's, and a tenth of the drawings.
  "keyline-icons": "Lucide Contributors",
};

/** Whose drawings a set holds; `author` is what iconify says. */
export function authorOf(prefix: string, author: string): string {
  return drawnAfter[prefix] ?? sameAuthor[author] ?? author;
}

/** SPDX names of licences that allow use, change and redistribution for naming the author. */
const permissive: ReadonlySet<string> = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-3-Clause",
  "CC-BY-3.0",
  "CC-BY-4.0",
  "CC0-1.0",
  "Unlicense",
]);

export function isPermissive(spdx: string): boolean {
  return permissive.has(spdx);
}
