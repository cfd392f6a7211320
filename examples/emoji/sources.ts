/**
 * Reads what the emoji packages say: names, keywords, groups, and where each vendor's picture lies.
 * Knows nothing about splits, captions or shards.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Who drew a picture, and how. `openmojiLines` are OpenMoji's black line drawings. */
export type Style = "google" | "twitter" | "openmoji" | "openmojiLines";

export const styles: readonly Style[] = ["google", "twitter", "openmoji", "openmojiLines"];

/** Name and keywords of one emoji in one language, from Unicode's CLDR. */
export interface Wording {
  name: string;
  keywords: string[];
}

/** One emoji of the base set: no skin tones, no hair or skin components, no letters of flags. */
export interface Emoji {
  /** Unicode code points, upper-case hexadecimal joined by "-". The identity of an emoji. */
  hexcode: string;
  emoji: string;
  /** English CLDR short name, unique: "fox", "woman firefighter", "flag: Chad". */
  label: string;
  /** Other English names: the Unicode character name and common short codes as words. */
  otherNames: string[];
  /** Key of Unicode's group, "animals-nature", and subgroup, "animal-mammal". */
  group: string;
  subgroup: string;
  wordings: Record<string, Wording>;
}

/** The words for a group or subgroup, by key. */
export interface Categories {
  groups: Record<string, string>;
  subgroups: Record<string, string>;
}

export interface EmojiTable {
  emoji: Emoji[];
  categories: Categories;
  /** Package name to version, as installed. */
  versions: Record<string, string>;
}

/** Pictures of something else: emoji-datasource-google shows Saudi Arabia's flag for Sark's. */
const wrongPictures: ReadonlySet<string> = new Set(["google 1F1E8-1F1F6"]);

export const packageNames: readonly string[] = [
  "emoji-datasource-google",
  "emoji-datasource-twitter",
  "emojibase-data",
  "openmoji",
];

interface EmojibaseEntry {
  hexcode: string;
  label: string;
  tags?: string[];
  emoji: string;
  order: number;
  group?: number;
  subgroup?: number;
}

interface DatasourceEntry {
  unified: string;
  non_qualified: string | null;
  image: string;
  has_img_google: boolean;
  has_img_twitter: boolean;
}

interface Messages {
  groups: { key: string; message: string }[];
  subgroups: { key: string; message: string }[];
}

interface GroupKeys {
  groups: Record<string, string>;
  subgroups: Record<string, string>;
}

/**
 * Every emoji that all three vendors drew, in Unicode's order.
 *
 * packages    a folder that holds `node_modules` with the four packages
 * languages   emojibase's language codes; "en" is always read
 * throws      Error naming the missing package or file and the command that installs it
 */
export function readEmoji(packages: string, languages: readonly string[]): EmojiTable {
  const versions = installedVersions(packages);
  const keys = readJson(packages, "emojibase-data/meta/groups.json") as GroupKeys;
  const unicodeNames = readJson(packages, "emojibase-data/meta/unicode-names.json") as Record<
    string,
    string
  >;
  const shortcodes = readJson(packages, "emojibase-data/en/shortcodes/emojibase.json") as Record<
    string,
    string | string[]
  >;
  const wordings = new Map(
    ["en", ...languages].map((language) => [language, readWordings(packages, language)]),
  );
  const locate = pictureLocator(packages);
  const emoji: Emoji[] = [];
  for (const entry of readJson(packages, "emojibase-data/en/data.json") as EmojibaseEntry[]) {
    const group = keys.groups[String(entry.group)];
    const subgroup = keys.subgroups[String(entry.subgroup)];
    if (group === undefined || subgroup === undefined || group === "component") continue;
    if (styles.some((style) => locate(entry.hexcode, style) === undefined)) continue;
    emoji.push({
      hexcode: entry.hexcode,
      emoji: entry.emoji,
      label: entry.label,
      otherNames: otherNames(entry, unicodeNames[entry.hexcode], shortcodes[entry.hexcode]),
      group,
      subgroup,
      wordings: wordingsOf(entry.hexcode, wordings),
    });
  }
  return { emoji, categories: readCategories(packages), versions };
}

/** Finds the picture's file of an emoji in a style, or undefined where the vendor drew none. */
export function pictureLocator(
  packages: string,
): (hexcode: string, style: Style) => string | undefined {
  const root = join(packages, "node_modules");
  const bitmaps = {
    google: bitmapIndex(packages, "google"),
    twitter: bitmapIndex(packages, "twitter"),
  };
  return (hexcode, style) => {
    if (wrongPictures.has(`${style} ${hexcode}`)) return undefined;
    if (style === "google" || style === "twitter") {
      const image = bitmaps[style].get(hexcode);
      return image && join(root, `emoji-datasource-${style}`, "img", style, "64", image);
    }
    const folder = join(root, "openmoji", style === "openmoji" ? "color" : "black", "svg");
    // OpenMoji leaves out the variation selector in some names that emojibase keeps.
    return [hexcode, hexcode.replaceAll("-FE0F", "")]
      .map((name) => join(folder, `${name}.svg`))
      .find((path) => existsSync(path));
  };
}

/** The versions of the four packages, as their own package.json says. */
export function installedVersions(packages: string): Record<string, string> {
  return Object.fromEntries(
    packageNames.map((name) => [
      name,
      (readJson(packages, `${name}/package.json`) as { version: string }).version,
    ]),
  );
}

function bitmapIndex(packages: string, vendor: "google" | "twitter"): Map<string, string> {
  const name = `emoji-datasource-${vendor}`;
  const index = new Map<string, string>();
  for (const entry of readJson(packages, `${name}/emoji.json`) as DatasourceEntry[]) {
    if (!entry[`has_img_${vendor}`]) continue;
    index.set(entry.unified, entry.image);
    if (entry.non_qualified !== null) index.set(entry.non_qualified, entry.image);
  }
  return index;
}

function readWordings(packages: string, language: string): Map<string, Wording> {
  const entries = readJson(packages, `emojibase-data/${language}/data.json`) as EmojibaseEntry[];
  return new Map(
    entries.map((entry) => [entry.hexcode, { name: entry.label, keywords: entry.tags ?? [] }]),
  );
}

function wordingsOf(
  hexcode: string,
  wordings: Map<string, Map<string, Wording>>,
): Record<string, Wording> {
  const found: Record<string, Wording> = {};
  for (const [language, byHexcode] of wordings) {
    const wording = byHexcode.get(hexcode);
    if (wording !== undefined) found[language] = wording;
  }
  return found;
}

/** Names of a sequence describe its parts ("WOMAN, FIRE ENGINE"), so only single characters count. */
function otherNames(
  entry: EmojibaseEntry,
  unicodeName: string | undefined,
  shortcodes: string | string[] = [],
): string[] {
  const isSequence = entry.hexcode.replaceAll("-FE0F", "").includes("-");
  const names = [shortcodes].flat().map((code) => code.replaceAll("_", " "));
  if (unicodeName !== undefined && !isSequence) names.unshift(unicodeName.toLowerCase());
  const label = entry.label.toLowerCase();
  const isWords = (name: string): boolean => /[a-z]{3}/.test(name) && !/^flag [a-z]{2}$/.test(name);
  return [...new Set(names)].filter((name) => name !== label && isWords(name));
}

function readCategories(packages: string): Categories {
  const messages = readJson(packages, "emojibase-data/en/messages.json") as Messages;
  const byKey = (list: { key: string; message: string }[]): Record<string, string> =>
    Object.fromEntries(list.map(({ key, message }) => [key, message]));
  return { groups: byKey(messages.groups), subgroups: byKey(messages.subgroups) };
}

function readJson(packages: string, path: string): unknown {
  const file = join(packages, "node_modules", path);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(
      `Expected the package ${path.split("/")[0]} in ${join(packages, "node_modules")} but could ` +
        `not read ${file}; run \`npm install\` in ${packages}.`,
      { cause },
    );
  }
  return JSON.parse(text) as unknown;
}
