/** Reads iconify's icon sets: names into words, styles apart, one drawing of each style. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { authorOf } from "./sets.ts";
import { conceptOf, nameWords } from "./words.ts";

/** One drawing. */
export interface Icon {
  set: string;
  author: string;
  /** iconify's name in the set. */
  name: string;
  /** Without style words. */
  words: string[];
  /** "" for the set's plain style. */
  style: string;
  /** Other names of the same drawing, in words. */
  aliases: string[][];
  category?: string;
  /** A brand's sign by its name or category. */
  isBrand: boolean;
  /** The drawing: SVG elements. */
  body: string;
  /** Left, top, width and height of the drawing's view box. */
  box: readonly [number, number, number, number];
}

export interface SetInfo {
  prefix: string;
  name: string;
  /** Of the drawings, see `authorOf`. */
  author: string;
  /** SPDX. */
  licence: string;
  category: string;
  /** Drawn in colours of its own. */
  coloured: boolean;
}

interface IconSize {
  left?: number;
  top?: number;
  width?: number;
  height?: number;
}

/** An `icons.json` with what the set's other files say. */
export interface IconifyJson extends IconSize {
  prefix: string;
  icons: Record<string, IconSize & { body: string; hidden?: boolean }>;
  aliases?: Record<
    string,
    { parent: string; hFlip?: boolean; vFlip?: boolean; rotate?: number; hidden?: boolean }
  >;
  info?: {
    name: string;
    author: { name: string };
    license: { spdx?: string };
    category?: string;
    palette?: boolean;
  };
  suffixes?: Record<string, string>;
  prefixes?: Record<string, string>;
  categories?: Record<string, string[]>;
}

/** The set in `<packages>/node_modules/@iconify-json/<prefix>`. throws  Error naming the folder */
export function readPackage(packages: string, prefix: string): IconifyJson {
  const folder = join(packages, "node_modules", "@iconify-json", prefix);
  const read = (name: string): object =>
    JSON.parse(readFileSync(join(folder, name), "utf8")) as object;
  if (!existsSync(join(folder, "icons.json"))) {
    throw new Error(
      `Expected the icon set ${prefix} in ${folder} but there is none; run npm install`,
    );
  }
  const metadata = existsSync(join(folder, "metadata.json")) ? read("metadata.json") : {};
  return { ...metadata, ...read("icons.json"), info: read("info.json") } as IconifyJson;
}

export function setInfo(json: IconifyJson): SetInfo {
  const { info, prefix } = json;
  return {
    prefix,
    name: info?.name ?? prefix,
    author: authorOf(prefix, info?.author.name ?? prefix),
    licence: info?.license.spdx ?? "unknown",
    category: info?.category ?? "",
    coloured: info?.palette === true,
  };
}

/** Elements that are no plain drawing: moving, written in a font, or from elsewhere. */
const notDrawn = /<(?:animate|set|image|text|style|script|foreignObject|use)\b/;

/** Names of more words are rarely shared by two authors. */
const mostWords = 4;

/** Styles that repeat another one closely; of those a set has, only the others are kept. */
const repeated = /\b(?:thin|light|duotone|twotone|sharp|round|rounded|broken|alerted|badged)\b/;

/** The side whose drawing is kept where a style has several. */
const preferredSide = 24;

/** The drawings of a set, one of each name and style. */
export function readIcons(json: IconifyJson): Icon[] {
  const { author } = setInfo(json);
  const styles = stylesOf(json);
  const categories = categoriesOf(json);
  const aliases = aliasesOf(json, styles);
  const kept = new Map<string, { icon: Icon; distance: number }>();
  for (const [name, drawing] of Object.entries(json.icons)) {
    if (drawing.hidden === true || notDrawn.test(drawing.body)) continue;
    const { base, style, side } = splitName(name, styles);
    const words = nameWords(base);
    if (words.length > mostWords || repeated.test(style)) continue;
    const category = categories.get(name);
    const also = (aliases.get(name) ?? []).filter((each) => conceptOf(each) !== conceptOf(words));
    const icon: Icon = {
      set: json.prefix,
      author,
      name,
      words: brandless(words),
      style,
      aliases: distinct(also),
      ...(category === undefined ? {} : { category }),
      isBrand: isBrand(words, category),
      body: drawing.body,
      box: boxOf(drawing, json),
    };
    const key = `${base} ${style}`;
    const distance = Math.abs(side - preferredSide);
    const other = kept.get(key);
    if (other === undefined || distance < other.distance) kept.set(key, { icon, distance });
  }
  return [...kept.values()].map(({ icon }) => icon);
}

function boxOf(drawing: IconSize, set: IconSize): Icon["box"] {
  const of = (key: keyof IconSize, otherwise: number) => drawing[key] ?? set[key] ?? otherwise;
  return [of("left", 0), of("top", 0), of("width", 16), of("height", 16)];
}

/** Beginnings and ends of names that say the style, the longest first. */
interface Styles {
  prefixes: string[];
  suffixes: string[];
}

/** Ends that may say a style where the set itself does not list its styles. */
const styleEnds = (
  "outline outlined fill filled solid line linear light thin bold regular duotone twotone stroke " +
  "rounded sharp f o"
).split(" ");

/**
 * What the set says about its styles. Besides, an end such as "fill" is a style where it is frequent
 * and most names with it are there without it, or with another such end, too.
 */
function stylesOf(json: IconifyJson): Styles {
  const names = Object.keys(json.icons);
  const all = new Set([...names, ...Object.keys(json.aliases ?? {})]);
  const found = styleEnds.filter((end) => {
    const bases = names
      .filter((name) => name.endsWith(`-${end}`))
      .map((n) => n.slice(0, -end.length - 1));
    const paired = bases.filter(
      (base) =>
        all.has(base) || styleEnds.some((other) => other !== end && all.has(`${base}-${other}`)),
    );
    return bases.length >= names.length * 0.03 && paired.length >= bases.length * 0.6;
  });
  const longest = (list: string[]) =>
    [...new Set(list)].filter((each) => each !== "").sort((a, b) => b.length - a.length);
  return {
    prefixes: longest(Object.keys(json.prefixes ?? {})),
    suffixes: longest([...Object.keys(json.suffixes ?? {}), ...found]),
  };
}

function splitName(name: string, styles: Styles): { base: string; style: string; side: number } {
  const prefix = styles.prefixes.find((each) => name.startsWith(`${each}-`));
  const suffix = styles.suffixes.find((each) => name.endsWith(`-${each}`));
  const base = name.slice(
    prefix === undefined ? 0 : prefix.length + 1,
    suffix === undefined ? undefined : -suffix.length - 1,
  );
  const style = [prefix, suffix].filter((each) => each !== undefined).join(" ");
  const side = Number(/\d+/.exec(style)?.[0] ?? preferredSide);
  const plain = style.replace(/\d+/g, "").replace(/[- ]+/g, " ").trim();
  return base === ""
    ? { base: name, style: "", side: preferredSide }
    : { base, style: plain, side };
}

function categoriesOf(json: IconifyJson): Map<string, string> {
  const categories = new Map<string, string>();
  for (const [category, names] of Object.entries(json.categories ?? {})) {
    for (const name of names) {
      if (!categories.has(name)) categories.set(name, category.toLowerCase());
    }
  }
  return categories;
}

/** A turned or mirrored drawing is another drawing. */
function aliasesOf(json: IconifyJson, styles: Styles): Map<string, string[][]> {
  const aliases = new Map<string, string[][]>();
  for (const [name, alias] of Object.entries(json.aliases ?? {})) {
    if (alias.hFlip === true || alias.vFlip === true || alias.rotate !== undefined) continue;
    const words = nameWords(splitName(name, styles).base);
    const list = aliases.get(alias.parent);
    if (list === undefined) aliases.set(alias.parent, [words]);
    else list.push(words);
  }
  return aliases;
}

function distinct(names: readonly string[][]): string[][] {
  return [...new Map(names.map((words) => [conceptOf(words), words])).values()];
}

const brandWord = /^(?:brand|brands|logo|logos)$/;
const brandCategory = /brand|logo|social media/;

function isBrand(words: readonly string[], category: string | undefined): boolean {
  return words.some((word) => brandWord.test(word)) || brandCategory.test(category ?? "");
}

function brandless(words: string[]): string[] {
  const kept = words.filter((word) => !brandWord.test(word));
  return kept.length === 0 ? words : kept;
}
