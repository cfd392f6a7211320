/** The large data: all permissive sets of `@iconify/json`, drawn small. For studies, and whoever has time. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { installPackages } from "../npm/install-packages.ts";
import { buildIcons, type BuiltIcons, type SetSource } from "./dataset.ts";
import { largeOptions } from "./options.ts";
import { noteOnce, type PrepareOptions } from "./prepare.ts";
import type { IconifyJson } from "./read-set.ts";
import { authorOf, isPermissive, quickstartSets, type Role } from "./sets.ts";
import { rankedBy } from "./split.ts";

const manifest = fileURLToPath(new URL("large/package.json", import.meta.url));

/** Installs `@iconify/json` and makes the data, or finds both made. Defaults: `largeOptions`. */
export async function prepareLargeIcons(options: PrepareOptions): Promise<BuiltIcons> {
  const { directory, note, ...given } = options;
  const packages = installPackages({
    manifest,
    folder: join(directory, "packages-large"),
    what: "icons",
    note,
    announcement: "Fetching all icon sets from npm (470 MB on disk, once) ...",
  });
  const resolved = { ...largeOptions, ...given };
  return buildIcons({
    sets: largeSets(packages, resolved.seed),
    directory: join(directory, "data"),
    onProgress: noteOnce(note),
    ...resolved,
  });
}

/** What iconify says of a set without its drawings. */
interface Collection {
  author: { name: string };
  license: { spdx?: string };
  category?: string;
  palette?: boolean;
  version?: string;
}

/** Brands, countries, and emoji, which most vendors draw in colours; by category or prefix. */
const otherKinds = /Logos|Programming|Flags|Emoji|-brands$/;

/** Shares of the authors that the quick start does not use. */
const testShare = 0.3;
const validationShare = 0.1;

/**
 * All sets that may be used, in one colour, in `<packages>/node_modules/@iconify/json`. The quick
 * start's authors keep their roles; the others are drawn by the seed.
 */
export function largeSets(packages: string, seed: number): SetSource[] {
  const folder = join(packages, "node_modules", "@iconify", "json");
  const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const collections = read("collections.json") as Record<string, Collection>;
  const { version } = read("package.json") as { version: string };
  const used = Object.entries(collections).filter(
    ([prefix, { license, category = "", palette }]) =>
      isPermissive(license.spdx ?? "") &&
      palette !== true &&
      ![category, prefix].some((each) => otherKinds.test(each)),
  );
  const authors = new Map(used.map(([prefix, set]) => [prefix, authorOf(prefix, set.author.name)]));
  const roles = authorRoles([...new Set(authors.values())], knownRoles(collections), seed);
  return used.map(([prefix]) => ({
    prefix,
    role: roles.get(authors.get(prefix) ?? "") ?? "train",
    version,
    read: () => read(join("json", `${prefix}.json`)) as IconifyJson,
  }));
}

function knownRoles(collections: Readonly<Record<string, Collection>>): Map<string, Role> {
  return new Map(
    quickstartSets.flatMap(({ prefix, role }) => {
      const set = collections[prefix];
      return set === undefined ? [] : [[authorOf(prefix, set.author.name), role]];
    }),
  );
}

function authorRoles(
  authors: readonly string[],
  known: ReadonlyMap<string, Role>,
  seed: number,
): Map<string, Role> {
  const others = rankedBy(
    authors.filter((author) => !known.has(author)),
    `${seed} authors`,
  );
  const roles = new Map(known);
  const tests = Math.round(others.length * testShare);
  const validations = Math.round(others.length * validationShare);
  others.forEach((author, i) =>
    roles.set(author, i < tests ? "test" : i < tests + validations ? "validation" : "train"),
  );
  return roles;
}
