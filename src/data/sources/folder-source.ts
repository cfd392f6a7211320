/** A folder of images with caption files beside them. */
import { type Dirent, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { byCodeUnit } from "./expand-paths.ts";
import type { FolderSpec } from "./source-spec.ts";
import {
  type Entry,
  IMAGE_EXTENSIONS,
  listedSource,
  type SampleRef,
  type Source,
} from "./source.ts";

/**
 * Lists a folder and the folders in it, in an order that is the same on every machine.
 *
 * throws   DataError if a folder cannot be read
 */
export function openFolder(spec: FolderSpec): Source {
  const files = listFiles(spec.directory, "");
  const known = new Set(files);
  const entries: Entry[] = [];
  for (const name of files) {
    const dot = name.lastIndexOf(".");
    if (!IMAGE_EXTENSIONS.includes(name.slice(dot + 1).toLowerCase())) continue;
    const path = join(spec.directory, name);
    const stem = name.slice(0, dot);
    const ref: SampleRef = { key: stem, file: path, image: { file: path, offset: 0 } };
    if (known.has(`${stem}.txt`)) {
      ref.text = { file: join(spec.directory, `${stem}.txt`), offset: 0 };
    } else ref.captions = [];
    if (spec.labelFromFolder === true) {
      ref.label = name.includes("/") ? basename(dirname(name)) : basename(spec.directory);
    }
    entries.push({ ref });
  }
  const source = listedSource(spec.directory, {
    length: entries.length,
    at: (index) => entries[index]!,
  });
  source.reading.captionPerLine = spec.captionPerLine ?? false;
  return source;
}

/** Paths relative to the top with forward slashes, folders descended into, hidden ones left out. */
function listFiles(top: string, inside: string): string[] {
  const directory = join(top, inside);
  let names: Dirent[];
  try {
    names = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new DataError(
      `Expected a readable folder for source.directory but received ${code} for ${directory}; ` +
        `check the path and its permissions`,
      { source: directory },
      { cause: error },
    );
  }
  names.sort((a, b) => byCodeUnit(a.name, b.name));
  return names.flatMap((entry) => {
    if (entry.name.startsWith(".")) return [];
    const name = inside === "" ? entry.name : `${inside}/${entry.name}`;
    return entry.isDirectory() ? listFiles(top, name) : [name];
  });
}
