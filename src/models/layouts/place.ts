/** Looks at a path that may hold a model. */
import { readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { existingFolder } from "../atomic-write.ts";
import type { Place } from "./layout.ts";

/**
 * A folder, or a file with its folder.
 *
 * throws  CheckpointError for a path where nothing lies
 */
export function openPlace(path: string): Place {
  const found = existingFolder(path);
  try {
    const isFile = statSync(found).isFile();
    const folder = isFile ? dirname(resolve(found)) : found;
    const names = readdirSync(folder);
    return { path, folder, file: isFile ? found : undefined, names };
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

/** The first of `names` that lies in the place's folder, as a path; undefined where a file was named. */
export function firstOf(place: Place, names: readonly string[]): string | undefined {
  if (place.file !== undefined) return undefined;
  const name = names.find((one) => place.names.includes(one));
  return name === undefined ? undefined : join(place.folder, name);
}
