/** Text into HTML and SVG, safely. Knows nothing about what the text says. */

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * `text` for element content and quoted attributes, of HTML and of SVG. Characters that no such
 * document may contain become U+FFFD: controls other than tab and line ends, halves of surrogate
 * pairs, U+FFFE and U+FFFF.
 */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => entities[character] ?? "")
    .replace(/[^\P{Cc}\t\n\r]|[\p{Cs}\ufffe\uffff]/gu, "\ufffd");
}
