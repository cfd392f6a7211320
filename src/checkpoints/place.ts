/** A path that may hold a model: the files there are each read at most once. Knows no layout. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError } from "../errors.ts";
import { existingFolder } from "../files/atomic-folder.ts";
import { checkRegularFile, readingReason } from "../files/regular-file.ts";
import { innerFolder } from "./inner-folder.ts";
import { readJsonObject, type JsonObject } from "../files/json-fields.ts";
import { isModelFile, otherWeights } from "./other-layouts.ts";
import { openWeightFile } from "./weights/open-weight-file.ts";
import { unwrapped } from "./weights/unwrapped.ts";
import type { WeightFile, Weights } from "./weights/weight-file.ts";

export interface PlaceFacts {
  /** As it was given. */
  readonly path: string;
  /** The folder itself, or the one that the file lies in. */
  readonly folder: string;
  /** The whole path of the file, where the path names one. */
  readonly file: string | undefined;
  /** Names in the folder. */
  readonly names: readonly string[];
}

/** A folder, or a file with its folder. Keeps what it reads; weights stay open until `close`. */
export class Place implements PlaceFacts {
  readonly path: string;
  readonly folder: string;
  readonly file: string | undefined;
  readonly names: readonly string[];
  readonly #objects = new Map<string, JsonObject>();
  readonly #files = new Map<string, WeightFile>();
  readonly #weights = new Map<string, Weights>();

  constructor({ path, folder, file, names }: PlaceFacts) {
    this.path = path;
    this.folder = folder;
    this.file = file;
    this.names = names;
  }

  /** A JSON file of the folder. Throws CheckpointError where it is absent or no JSON object. */
  json(name: string): JsonObject {
    const found = this.#objects.get(name) ?? readJsonObject(join(this.folder, name));
    this.#objects.set(name, found);
    return found;
  }

  /**
   * The weights in a file, which the place closes, without the names of what a model was wrapped in for
   * training. Throws CheckpointError for a damaged file.
   */
  weightsIn(file: string): Weights {
    const opened = this.#files.get(file) ?? openWeightFile(file);
    this.#files.set(file, opened);
    const found = this.#weights.get(file) ?? unwrapped(opened);
    this.#weights.set(file, found);
    return found;
  }

  /**
   * The weights in the first of `names` that the folder has.
   *
   * throws  CheckpointError where it has none, and for a damaged file
   */
  weightsOf(names: readonly string[]): Weights {
    const name = names.find((one) => this.names.includes(one));
    if (name !== undefined) return this.weightsIn(join(this.folder, name));
    throw new CheckpointError(
      join(this.folder, names[0] ?? ""),
      `Expected the weights, one of ${names.join(", ")}, in ${this.path} but ` +
        (otherWeights(this.names) ?? "there is no such file; fetch or copy the whole folder") +
        this.#otherNames(names[0] ?? ""),
    );
  }

  /** Weights under names that no library looks for, such as `model.fp16.safetensors`. */
  #otherNames(wanted: string): string {
    const others = this.names.filter(isModelFile).slice(0, 4);
    if (others.length === 0) return "";
    return `. ${others.join(", ")} lies there: rename what is meant to ${wanted}, or add its index`;
  }

  /** The first of `names` that lies in the folder; undefined where the path names a file. */
  firstOf(names: readonly string[]): string | undefined {
    if (this.file !== undefined) return undefined;
    return names.find((one) => this.names.includes(one));
  }

  /** Closes the weights. */
  close(): void {
    for (const weights of this.#files.values()) weights.close();
    this.#files.clear();
    this.#weights.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A folder, or a file with its folder.
 *
 * throws  CheckpointError for a path where nothing lies
 */
export function openPlace(path: string): Place {
  const found = existingFolder(path);
  try {
    if (statSync(found).isDirectory()) return placeAt(path, innerFolder(found), undefined);
    checkRegularFile(found);
    const folder = dirname(resolve(found));
    // A file that is part of a folder's model stands for the folder.
    const isPart = folderFiles.includes(basename(found)) && hasConfig(folder);
    return placeAt(path, folder, isPart ? undefined : found);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? "there is no such file or folder" : readingReason(cause);
    throw new CheckpointError(
      path,
      `Expected a model at ${path} but ${what}; give the folder or file of a saved model, or ` +
        "hf://organisation/name for one to fetch",
      { cause },
    );
  }
}

/** Files of a model's folder that are no model by themselves. */
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

function placeAt(path: string, folder: string, file: string | undefined): Place {
  return new Place({ path, folder, file, names: readdirSync(folder) });
}
