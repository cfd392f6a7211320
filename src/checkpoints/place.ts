/** Looks at a path that may hold a model. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError } from "../errors.ts";
import { existingFolder } from "../files/atomic-write.ts";
import type { Place } from "./layout.ts";

/**
 * A folder, or a file with its folder.
 *
 * throws  CheckpointError for a path where nothing lies
 */
export function openPlace(path: string): Place {
  const found = existingFolder(path);
  try {
    if (!statSync(found).isFile()) return place(path, found, undefined);
    const folder = dirname(resolve(found));
    // A file that is part of a folder's model stands for the folder.
    const isPart = folderFiles.includes(basename(found)) && hasConfig(folder);
    return place(path, folder, isPart ? undefined : found);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? "there is no such file or folder" : message;
    throw new CheckpointError(
      path,
      `Expected a model at ${path} but ${what}; give the folder or file of a saved model, or ` +
        "hf://organisation/name for one to fetch",
      { cause },
    );
  }
}

/** Files of a model's folder that are none by themselves. */
const folderFiles = [
  "config.json",
  "open_clip_config.json",
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
];

function hasConfig(folder: string): boolean {
  return ["config.json", "open_clip_config.json"].some((name) => existsSync(join(folder, name)));
}

function place(path: string, folder: string, file: string | undefined): Place {
  return { path, folder, file, names: readdirSync(folder) };
}

/** The first of `names` that lies in the place's folder, as a path; undefined where a file was named. */
export function firstOf(
  { file, folder, names: there }: Place,
  names: readonly string[],
): string | undefined {
  if (file !== undefined) return undefined;
  const name = names.find((one) => there.includes(one));
  return name === undefined ? undefined : join(folder, name);
}
