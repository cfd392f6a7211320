/** Small icon sets laid out as the real packages are, for tests that must not download anything. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { IconifyJson } from "./read-set.ts";
import { quickstartSets } from "./sets.ts";

/** Plain drawings that can be told apart. */
export const drawings: Readonly<Record<string, string>> = {
  "arrow-left": '<path fill="currentColor" d="M2 12l8-8v6h12v4H10v6z"/>',
  "arrow-right": '<path fill="currentColor" d="M22 12l-8 8v-6H2v-4h12V4z"/>',
  bell: '<path fill="currentColor" d="M12 3a6 6 0 0 0-6 6v7l-2 2h16l-2-2V9a6 6 0 0 0-6-6"/>',
  "bell-off": '<path fill="none" stroke="currentColor" stroke-width="2" d="M3 3l18 18M6 9v8h12"/>',
  "box-check":
    '<path fill="none" stroke="currentColor" stroke-width="2" d="M4 4h16v16H4zM8 12l3 3 5-6"/>',
  circle: '<circle cx="12" cy="12" r="9" fill="none" stroke="currentColor" stroke-width="2"/>',
  cross: '<path fill="none" stroke="currentColor" stroke-width="3" d="M4 4l16 16M20 4L4 20"/>',
  heart: '<path fill="currentColor" d="M12 21l-9-9a5 5 0 0 1 9-5 5 5 0 0 1 9 5z"/>',
  minus: '<path fill="currentColor" d="M3 10h18v4H3z"/>',
  plus: '<path fill="currentColor" d="M10 3h4v7h7v4h-7v7h-4v-7H3v-4h7z"/>',
  "star-half": '<path fill="currentColor" d="M12 2L9 9H2l6 5-2 8 6-4z"/>',
  triangle: '<path fill="none" stroke="currentColor" stroke-width="2" d="M12 4l9 16H3z"/>',
};

/** A set of all drawings, in a size of its own; `more` goes into its JSON. */
export function fakeSet(prefix: string, more: Partial<IconifyJson> = {}): IconifyJson {
  return {
    prefix,
    width: 24,
    height: 24,
    icons: Object.fromEntries(Object.entries(drawings).map(([name, body]) => [name, { body }])),
    info: { name: `The ${prefix}`, author: { name: `${prefix}'s` }, license: { spdx: "MIT" } },
    ...more,
  };
}

/** Writes `folder/node_modules/@iconify-json` with every set of the quick start, and `package.json`. */
export function makePackages(folder: string): void {
  const dependencies: Record<string, string> = {};
  for (const { prefix } of quickstartSets) {
    const { info, ...icons } = fakeSet(prefix);
    const into = join(folder, "node_modules", "@iconify-json", prefix);
    mkdirSync(into, { recursive: true });
    writeFileSync(join(into, "icons.json"), JSON.stringify(icons));
    writeFileSync(join(into, "info.json"), JSON.stringify({ prefix, ...info }));
    dependencies[`@iconify-json/${prefix}`] = "1.0.0";
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies }));
}
