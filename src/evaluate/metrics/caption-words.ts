/** Captions as lists of words, as the COCO caption evaluation takes them apart. */

/** Tokens that the evaluation drops; it looks for brackets in capitals, finds none, and keeps them. */
const dropped = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);

/** Abbreviations that keep their full stop. */
const abbreviations = new Set([
  ...["mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "jr.", "sr.", "vs.", "etc.", "inc."],
  ...["ltd.", "co.", "corp.", "jan.", "feb.", "mar.", "apr.", "jun.", "jul.", "aug.", "sep."],
  ...["sept.", "oct.", "nov.", "dec.", "ave.", "blvd.", "rd.", "mt.", "ft.", "gen.", "sen."],
]);

/** Words that are written as one and counted as two. */
const joined = new Map([
  ["cannot", ["can", "not"]],
  ["gonna", ["gon", "na"]],
  ["wanna", ["wan", "na"]],
  ["gotta", ["got", "ta"]],
  ["gimme", ["gim", "me"]],
  ["lemme", ["lem", "me"]],
]);

const brackets = new Map([
  ["(", "-lrb-"],
  [")", "-rrb-"],
  ["[", "-lsb-"],
  ["]", "-rsb-"],
  ["{", "-lcb-"],
  ["}", "-rcb-"],
]);

/** What stands together: acronyms, numbers, words with hyphens and apostrophes, then single signs. */
const token = new RegExp(
  [
    String.raw`'(?:em|tis|twas|\d\ds)(?!\p{L})|'n'`,
    String.raw`\p{L}\.(?:\p{L}\.)+`,
    String.raw`\p{L}{1,2}&\p{L}{1,2}(?!\p{L})`,
    String.raw`[+-]?\d+(?:[.,:/]\d+)+|\+\d+`,
    String.raw`\p{L}[\p{L}\p{M}\p{N}]*(?:[-_/.][\p{L}\p{N}][\p{L}\p{M}\p{N}]*|'\p{L}+)*\.?`,
    String.raw`\d[\p{L}\p{N}]*(?:-[\p{L}\p{N}]+)*`,
    String.raw`\.{2,}|[!?]+|-{2,}|\S`,
  ].join("|"),
  "gu",
);
const clitic = /^(.+?)(n't|'(?:s|re|ve|ll|d|m))$/u;

/**
 * The words of a caption: lower case, clitics apart (`a man 's`, `is n't`), punctuation dropped; numbers,
 * hyphenated words and acronyms stay whole, signs such as `&` and `$` are words, brackets `-lrb-`.
 *
 * For plain English captions these are the words of pycocoevalcap's PTBTokenizer, Stanford's tokenizer
 * 3.4.1 in Java. They differ for what that treats by long lists: rarer abbreviations (the full stop goes),
 * web and mail addresses, emoticons, mixed fractions, and currency signs, which it replaces.
 */
export function captionWords(caption: string): string[] {
  const plain = caption
    .toLowerCase()
    .replace(/[\u2018\u2019]/gu, "'")
    .replace(/[\u201c\u201d"]/gu, " ")
    .replace(/\u2026/gu, "...")
    .replace(/[\u2013\u2014]/gu, " -- ");
  return [...plain.matchAll(token)].flatMap(([found]) => wordsOf(found));
}

function wordsOf(found: string): string[] {
  if (dropped.has(found) || /^(?:\.+|-+)$/.test(found)) return [];
  const bracket = brackets.get(found);
  if (bracket !== undefined) return [bracket];
  const isShort = abbreviations.has(found) || /^\p{L}\.(?:\p{L}\.)*$/u.test(found);
  const word = found.endsWith(".") && !isShort ? found.slice(0, -1) : found;
  const [, stem, ending] = clitic.exec(word) ?? [];
  if (stem !== undefined && ending !== undefined) return [...wordsOf(stem), ending];
  return joined.get(word) ?? [word];
}
