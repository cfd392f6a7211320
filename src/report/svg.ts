/** SVG as text: words, lines, colours and marks of series, and a chart as a file of its own. */
import { escapeHtml } from "../files/escape-html.ts";

/** Colours of series in order; the page or the figure may set the variables. */
export const seriesColours: readonly string[] = [
  "var(--series-1, #2563eb)",
  "var(--series-2, #d97706)",
  "var(--series-3, #059669)",
  "var(--series-4, #9333ea)",
  "var(--series-5, #dc2626)",
  "var(--series-6, #0891b2)",
  "var(--series-7, #db2777)",
  "var(--series-8, #78716c)",
];

/** A line of text; muted unless a fill is given. */
export function svgText(
  x: number,
  y: number,
  content: string,
  anchor: "start" | "middle" | "end",
  fill = "var(--muted, #6b7280)",
): string {
  return (
    `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" fill="${fill}" ` +
    `font-size="12" font-family="inherit">${escapeHtml(content)}</text>`
  );
}

export function svgLine(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  stroke: string,
  style = "",
): string {
  const ends = `x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"`;
  return `<line ${ends} stroke="${stroke}"${style === "" ? "" : ` ${style}`}/>`;
}

/** The mark of a series: four shapes in turn, so that colour is not all that tells them apart. */
export function svgMark(x: number, y: number, series: number, title: string): string {
  const fill = seriesColours[series % seriesColours.length] ?? "";
  const inner = `<title>${escapeHtml(title)}</title>`;
  if (series % 4 === 0) {
    return `<circle cx="${px(x)}" cy="${px(y)}" r="4" fill="${fill}">${inner}</circle>`;
  }
  const shapes = [
    [],
    [
      [-3.6, -3.6],
      [3.6, -3.6],
      [3.6, 3.6],
      [-3.6, 3.6],
    ],
    [
      [0, -5],
      [5, 0],
      [0, 5],
      [-5, 0],
    ],
    [
      [0, -4.6],
      [4.6, 3.6],
      [-4.6, 3.6],
    ],
  ];
  const corners = shapes[series % 4] ?? [];
  const points = corners.map(([dx = 0, dy = 0]) => `${px(x + dx)},${px(y + dy)}`).join(" ");
  return `<polygon points="${points}" fill="${fill}">${inner}</polygon>`;
}

/** About how wide text of 12 units is. */
export function textWidth(text: string): number {
  return text.length * 6.6;
}

/** Names of series in rows of marks, from `left` to `right`; `height` is what it takes. */
export function svgLegend(
  names: readonly string[],
  box: { left: number; right: number; top: number },
): { svg: string; height: number } {
  let [x, y] = [box.left + 6, box.top + 8];
  const parts: string[] = [];
  for (const [series, name] of names.entries()) {
    const width = 26 + textWidth(name);
    if (x + width > box.right && x > box.left + 6) [x, y] = [box.left + 6, y + 19];
    parts.push(svgMark(x, y, series, name), svgText(x + 10, y + 4, name, "start"));
    x += width;
  }
  return { svg: parts.join(""), height: names.length === 0 ? 0 : y - box.top + 14 };
}

/** Tenths of a unit are finer than any screen shows. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

const figureStyle =
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
  return `${sized}${figureStyle}${ground}${svg.slice(open.length)}\n`;
}
