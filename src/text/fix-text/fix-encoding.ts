import { isBad, utf8Lookalikes } from "./badness.ts";
import { codePages, windows1252OfControls } from "./code-pages.ts";
import {
  decodeUtf8,
  decodeUtf8Variants,
  replaceLossySequences,
  restoreNoBreakSpaces,
} from "./utf8.ts";

/**
 * Repairs text that was written in one encoding and read in another, however many times over.
 * Text that does not look broken is returned unchanged.
 */
export function fixEncoding(text: string): string {
  for (;;) {
    const fixed = fixOnce(text);
    if (fixed === text) return fixed;
    text = fixed;
  }
}

function fixOnce(text: string): string {
  if (/^\p{ASCII}*$/u.test(text) || !isBad(text)) return text;
  for (const page of codePages) {
    if (!page.covers(text)) continue;
    let bytes = page.encode(text);
    // MacRoman writes an en dash as D0, which before a space would be a false positive.
    if (page.name !== "macroman") bytes = restoreNoBreakSpaces(bytes);
    if (page.sloppy) bytes = replaceLossySequences(bytes);
    const decoded = /[\xc0\xed]/.test(bytes) ? decodeUtf8Variants(bytes) : decodeUtf8(bytes);
    if (decoded !== undefined) return decoded;
  }
  const mended = fixEmbedded(text);
  if (mended !== text) return mended;
  // What is left are mixed-up code pages, of which only C1 controls have one likely reading.
  return windows1252OfControls(text);
}

/** Repairs the parts that look like mojibake where the whole is in no single encoding. */
function fixEmbedded(text: string): string {
  return text.replace(utf8Lookalikes, (part) =>
    // The whole text again would never end.
    part.length < text.length && isBad(part) ? fixEncoding(part) : part,
  );
}
