/** The name of an icon into words, and words into a concept. Knows nothing about sets and pictures. */

/** Words that say how an icon is drawn or which of several it is, never what it shows. */
const styleWords: ReadonlySet<string> = new Set([
  "alt",
  "alternate",
  "variant",
  "icon",
  "outline",
  "outlined",
  "filled",
  "duotone",
  "twotone",
]);

/** Words without a meaning of their own: "chart of pie" is "pie chart". An "a" is mostly the letter. */
const stopWords: ReadonlySet<string> = new Set(["and", "the", "of", "with", "for"]);

/** After these a number says what is shown; elsewhere it counts variants of a drawing. */
const counted =
  /^(number|counter|heading|h|looks|dice|battery|filter|exposure|hexagon|circle|square|letter|clock|time|signal|wifi|grid|columns?|rows?|level|volume)$/;

/** Ends that only look like a plural. */
const singular = /(ss|us|is|as|os|news|lens|canvas|gas|bus|series|species|chess|tennis|atlas)$/;

/** Plurals of words in "ie". */
const inIe = /^(?:pie|tie|lie|cookie|movie|zombie|selfie|hoodie|birdie)s$/;

/** Words that are often written apart, as most sets write them. */
const joined: Readonly<Record<string, string>> = {
  "check box": "checkbox",
  "e mail": "email",
  "wi fi": "wifi",
  "qr code": "qrcode",
  "bar code": "barcode",
  "head phone": "headphone",
  "head phones": "headphones",
  "key board": "keyboard",
};

/** "trash-2" gives trash; "battery-2" keeps its number. Lower case; never empty. */
export function nameWords(name: string): string[] {
  const parts = name
    .toLowerCase()
    .split(/[-_ ]+/)
    .filter((part) => part !== "");
  while (parts.length > 1 && /^\d{1,2}$/.test(parts.at(-1) ?? "")) {
    if (counted.test(parts.at(-2) ?? "")) break;
    parts.pop();
  }
  const kept = parts.filter((part) => !styleWords.has(part));
  return join(kept.length === 0 ? parts : kept);
}

function join(parts: readonly string[]): string[] {
  const words: string[] = [];
  for (const part of parts) {
    const pair = joined[`${words.at(-1) ?? ""} ${part}`];
    if (pair === undefined) words.push(part);
    else words.splice(-1, 1, ...pair.split(" "));
  }
  return words;
}

/** "arrows" gives arrow, "batteries" battery, "boxes" box; "bus", "lens" and "glass" stay. */
export function singularOf(word: string): string {
  if (word.length < 4 || !word.endsWith("s") || singular.test(word)) return word;
  if (/[^aeiou]ies$/.test(word) && !inIe.test(word)) return `${word.slice(0, -3)}y`;
  if (/(x|ch|sh|ss)es$/.test(word)) return word.slice(0, -2);
  return word.slice(0, -1);
}

/**
 * What an icon shows, whatever the order and the number of its words: "arrows left" and "left arrow"
 * are one concept. Words in alphabetical order, each once.
 */
export function conceptOf(words: readonly string[]): string {
  const kept = words.length > 1 ? words.filter((word) => !stopWords.has(word)) : words;
  return [...new Set((kept.length === 0 ? words : kept).map(singularOf))].sort().join(" ");
}
