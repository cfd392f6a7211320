/** How SVG files are told from others. */

/** What the messages call it, with the way to allow it. */
export const SVG_NAME =
  "an SVG file, which is read only where it is allowed (svg: { size: 224 }, --svg 224)";

const LOOKED_AT = 64 << 10;
const PASSED: readonly [begin: string, end: string][] = [
  ["<!--", "-->"],
  ["<?", "?>"],
];

/** Whether the first element of a file is `svg`, behind comments and declarations. */
export function isSvg(bytes: Uint8Array): boolean {
  // Most pictures are told by their first byte.
  if (!/[<\s\xef]/.test(String.fromCharCode(bytes[0] ?? 0))) return false;
  const start = Buffer.from(bytes.subarray(0, LOOKED_AT)).toString("latin1");
  const space = /\s*/y;
  let at = start.startsWith("\xef\xbb\xbf") ? 3 : 0;
  for (;;) {
    space.lastIndex = at;
    at += space.exec(start)?.[0].length ?? 0;
    const passed = PASSED.find(([begin]) => start.startsWith(begin, at));
    if (passed === undefined) break;
    const close = start.indexOf(passed[1], at + passed[0].length);
    if (close < 0) return false;
    at = close + passed[1].length;
  }
  const name = /<(?:!DOCTYPE\s+)?svg(?![\w:.-])/iy;
  name.lastIndex = at;
  return name.test(start);
}
