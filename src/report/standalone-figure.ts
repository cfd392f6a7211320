/** A chart as a file of its own, which carries its colours for light and dark and its ground. */

const style =
  "<style>" +
  ":root{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif;" +
  "--card:#ffffff;--text:#1b2130;--muted:#667085;--grid:#eceef2;--axis:#98a2b3;" +
  "--series-1:#2563eb;--series-2:#d97706;--series-3:#059669;--series-4:#9333ea;" +
  "--series-5:#dc2626;--series-6:#0891b2;--series-7:#db2777;--series-8:#78716c}" +
  "@media (prefers-color-scheme:dark){:root{" +
  "--card:#171b24;--text:#e6e9ef;--muted:#98a2b3;--grid:#232936;--axis:#5d6675;" +
  "--series-1:#6ea2ff;--series-2:#f5b04c;--series-3:#4ade9c;--series-4:#c792ff;" +
  "--series-5:#ff8f85;--series-6:#4fd1e8;--series-7:#ff8fc7;--series-8:#b8b0a8}}" +
  "</style>";

/**
 * Gives the SVG of a chart its style and its own ground: a picture in a page follows the reader's
 * system, not the page, and must be readable on either.
 *
 * throws  TypeError for text that is not one svg element with a viewBox
 */
export function standaloneFigure(svg: string): string {
  const found = /^<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>/.exec(svg);
  if (found === null) throw new TypeError("Expected an svg element with a viewBox from 0 0.");
  const [open, width, height] = found;
  const sized = open.replace("<svg ", `<svg width="${width}" height="${height}" `);
  const ground = `<rect width="${width}" height="${height}" rx="10" fill="var(--card, #ffffff)"/>`;
  return `${sized}${style}${ground}${svg.slice(open.length)}\n`;
}
