/**
 * The texts that CLIP_benchmark keeps beside the shards of a set: `classnames.txt` and
 * `zeroshot_classification_templates.txt`, in the folder above those of its splits.
 */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { readTextFile } from "../files/regular-file.ts";
import { benchmarkTemplates, readTemplates } from "../text/read-templates.ts";

/** A name in each line, whose number is the label. */
export const benchmarkClasses = "classnames.txt";

/**
 * Its lines as CLIP_benchmark reads them: a blank one is a class whose name is empty, such as CLEVR
 * Distance's fourth. Only blank lines at the end of the file are none.
 */
export function benchmarkClassLines(file: string): string[] {
  const lines = readTextFile(file)
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new TypeError("it holds no class");
  return lines;
}

/**
 * The templates beside classes that lie in a folder of CLIP_benchmark, named by the folder or by its file;
 * undefined for other classes.
 *
 * throws  SettingError for a file that cannot be read, and a line without a place for the name
 */
export function benchmarkTemplatesOf(classes: unknown): readonly string[] | undefined {
  if (typeof classes !== "string") return undefined;
  const isFolder = statSync(classes, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder && basename(classes) !== benchmarkClasses) return undefined;
  const file = join(isFolder ? classes : dirname(classes), benchmarkTemplates);
  return existsSync(file) ? readTemplates(file) : undefined;
}

/** The folder of a set's class names: that of its shards, or the one above; undefined where neither has them. */
export function benchmarkFolderOf(shard: string): string | undefined {
  const split = dirname(shard);
  return [split, join(split, "..")].find((folder) => existsSync(join(folder, benchmarkClasses)));
}
