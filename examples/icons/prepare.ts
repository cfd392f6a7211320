/** From nothing to data that can be trained on: npm's packages, then shards and a vocabulary. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { installPackages } from "../npm/install-packages.ts";
import { buildIcons, type BuiltIcons, type SetSource } from "./dataset.ts";
import type { IconOptions } from "./options.ts";
import { readPackage } from "./read-set.ts";
import { quickstartSets } from "./sets.ts";

export interface PrepareOptions extends Partial<IconOptions> {
  /** Everything lies in here: `packages` and `data`. */
  directory: string;
  /** A line for the reader. */
  note: (line: string) => void;
}

const manifest = fileURLToPath(new URL("package.json", import.meta.url));

/** Installs the quick start's sets and makes their data, or finds both made. */
export async function prepareIcons(options: PrepareOptions): Promise<BuiltIcons> {
  const { directory, note, ...given } = options;
  const packages = installPackages({
    manifest,
    folder: join(directory, "packages"),
    what: "icons",
    note,
    announcement: `Fetching ${quickstartSets.length} icon sets from npm (about 10 MB, once) ...`,
  });
  return buildIcons({
    sets: installedSets(packages),
    directory: join(directory, "data"),
    onProgress: noteOnce(note),
    ...given,
  });
}

/** The quick start's sets in `<packages>/node_modules`. */
export function installedSets(packages: string): SetSource[] {
  const { dependencies } = JSON.parse(readFileSync(join(packages, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return quickstartSets.map(({ prefix, role }) => ({
    prefix,
    role,
    version: dependencies[`@iconify-json/${prefix}`] ?? "",
    read: () => readPackage(packages, prefix),
  }));
}

/** A line for each thing that is done, when it begins. */
export function noteOnce(note: (line: string) => void): (message: string) => void {
  let last = "";
  return (message) => {
    if (message !== last) note(`${message} ...`);
    last = message;
  };
}
