/** How captions are cleaned before they become tokens. Knows nothing about vocabularies. */
import { fixText, unescapeHtml } from "./fix-text/fix-text.ts";

/**
 * How text is cleaned before it is cut into tokens. In open_clip's words: `lower` is OpenAI's own
 * (repair, unescape HTML twice, collapse white space, lower-case), `whitespace` the same with the
 * case kept, `canonicalize` also drops ASCII punctuation, underscores becoming spaces. As
 * big_vision's evaluators do: `big-vision-lower` lower-cases A to Z (retrieval),
 * `big-vision-canonicalize` is `canonicalize` without repair (zero-shot classification). `none`
 * leaves the text as it is.
 */
export type Cleaning =
  "lower" | "whitespace" | "canonicalize" | "big-vision-lower" | "big-vision-canonicalize" | "none";

/** Every cleaning by name. */
export const cleanings: readonly Cleaning[] = [
  "lower",
  "whitespace",
  "canonicalize",
  "big-vision-lower",
  "big-vision-canonicalize",
  "none",
];

/** Cleans one caption. */
export function clean(text: string, cleaning: Cleaning = "lower"): string {
  switch (cleaning) {
    case "none":
      return text;
    case "lower":
      return collapseSpaces(repair(text)).toLowerCase();
    case "whitespace":
      return collapseSpaces(repair(text));
    case "canonicalize":
      return canonicalize(repair(text));
    case "big-vision-canonicalize":
      return canonicalize(text);
    case "big-vision-lower":
      // TensorFlow's lower() knows ASCII only.
      return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  }
}

function repair(text: string): string {
  return unescapeHtml(unescapeHtml(fixText(text)));
}

function canonicalize(text: string): string {
  return collapseSpaces(removePunctuation(text.replaceAll("_", " ")).toLowerCase());
}

/** Without the 32 signs of ASCII that are neither letters nor digits. */
export function removePunctuation(text: string): string {
  return text.replace(/[!-/:-@[-`{-~]/g, "");
}

// What Python's str.isspace() holds for: beside JavaScript's \s four separators and U+0085, but
// not U+FEFF.
const space =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const spaces = new RegExp(`[${space}]+`, "g");

/** Words with one space between them, as Python's `" ".join(text.split())`. */
export function collapseSpaces(text: string): string {
  const single = text.replace(spaces, " ");
  const start = single.startsWith(" ") ? 1 : 0;
  return single.slice(start, single.endsWith(" ") ? Math.max(start, single.length - 1) : undefined);
}
