import { fixText } from "./fix-text/fix-text.ts";
import { unescapeHtml } from "./unescape-html.ts";

/**
 * How text is cleaned before it is cut into tokens, in open_clip's words: `lower` is OpenAI's own
 * (repair, unescape HTML twice, collapse white space, lower-case), `whitespace` the same with the
 * case kept, `canonicalize` also drops ASCII punctuation, `none` leaves the text as it is.
 */
export type Cleaning = "lower" | "whitespace" | "canonicalize" | "none";

/** Every cleaning by name. */
export const cleanings: readonly Cleaning[] = ["lower", "whitespace", "canonicalize", "none"];

/** Cleans one caption. */
export function clean(text: string, cleaning: Cleaning = "lower"): string {
  if (cleaning === "none") return text;
  const repaired = repair(text);
  if (cleaning === "whitespace") return collapse(repaired);
  if (cleaning === "lower") return collapse(repaired).toLowerCase();
  return collapse(repaired.replaceAll("_", " ").replace(punctuation, "").toLowerCase());
}

const punctuation = /[!-/:-@[-`{-~]/g;

function repair(text: string): string {
  return unescapeHtml(unescapeHtml(fixText(text)));
}

// What Python's str.isspace() holds for: beside JavaScript's \s four separators and U+0085, but
// not U+FEFF.
const space =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const spaces = new RegExp(`[${space}]+`, "g");

/** Words with one space between them, as Python's `" ".join(text.split())`. */
function collapse(text: string): string {
  const single = text.replace(spaces, " ");
  const start = single.startsWith(" ") ? 1 : 0;
  return single.slice(start, single.endsWith(" ") ? Math.max(start, single.length - 1) : undefined);
}
