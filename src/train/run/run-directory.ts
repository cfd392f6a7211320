/**
 * The folder of a run: the resolved recipe, logs, checkpoints and the finished model. Knows names,
 * which checkpoints stay, and that only the first rank writes; knows nothing of what is in them.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { CheckpointError, RecipeError, StorageError } from "../../errors.ts";
import {
  asOnlyWriterOf,
  existingFolder,
  nameOfPrevious,
  removeFolder,
} from "../../files/atomic-folder.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { addedTo, isOwnName } from "../../files/folder-record.ts";
import { isPartial } from "../../files/owner.ts";
import { readJsonFile, readingReason } from "../../files/regular-file.ts";
import { makeFolder } from "../../files/storage.ts";
import { solo, type ProcessGroup } from "../process-group.ts";

export interface BestCheckpoint {
  metric: string;
  value: number;
  step: number;
}

const stepPattern = /^step-(\d+)$/;

export class RunDirectory {
  readonly path: string;
  /** The processes of the run: all read the folder, the first one writes. */
  readonly group: ProcessGroup;

  /**
   * Makes the folder where it is missing.
   *
   * throws  StorageError where it cannot be made, or holds files of a run's names that are no run's
   */
  constructor(path: string, group: ProcessGroup = solo) {
    this.path = path;
    this.group = group;
    if (group.isFirst) this.#make();
    group.barrier();
  }

  #make(): void {
    const { path } = this;
    refuseOther(path);
    makeFolder(join(path, "checkpoints"), path);
  }

  get recipeFile(): string {
    return join(this.path, "recipe.json");
  }
  get metricsFile(): string {
    return join(this.path, "metrics.jsonl");
  }
  /** The finished model: what `loadModel` and other tools open. */
  get modelFolder(): string {
    return join(this.path, "model");
  }
  /** The low-rank changes of a run with LoRA, without their model. */
  get adapterFolder(): string {
    return join(this.path, "adapter");
  }

  /** Working files of the objective; each rank has a folder of its own. */
  get scratchFolder(): string {
    const { isFirst, rank } = this.group;
    const folder = join(this.path, "scratch");
    return isFirst ? folder : join(folder, `rank-${rank}`);
  }

  /**
   * Runs `work`, the whole run, while no other process writes into the folder.
   *
   * throws  StorageError naming the process that does
   */
  asOnlyRun<T>(work: () => Promise<T>): Promise<T> {
    return this.group.isFirst ? asOnlyWriterOf(this.path, work) : work();
  }

  /** Runs `body`, which writes into the folder, on the first rank; the others wait for it. */
  async write(body: () => void | Promise<void>): Promise<void> {
    if (this.group.isFirst) await body();
    this.group.barrier();
  }

  checkpointFolder(step: number): string {
    return join(this.path, "checkpoints", `step-${String(step).padStart(8, "0")}`);
  }

  /** Steps that have a whole checkpoint, ascending. */
  checkpointSteps(): number[] {
    const names = readdirSync(join(this.path, "checkpoints"));
    const steps = names.flatMap((name) => {
      const match = stepPattern.exec(nameOfPrevious(name) ?? name);
      return match ? [Number(match[1])] : [];
    });
    return [...new Set(steps)].sort((a, b) => a - b);
  }

  /** The newest checkpoint, or undefined in a fresh run. */
  latestCheckpoint(): string | undefined {
    const step = this.checkpointSteps().at(-1);
    return step === undefined ? undefined : existingFolder(this.checkpointFolder(step));
  }

  /** Removes all but the newest `keepLast` checkpoints and the best one, each at once or not at all. */
  prune(keepLast: number, best: BestCheckpoint | undefined): void {
    if (!this.group.isFirst) return;
    for (const step of this.checkpointSteps().slice(0, -keepLast)) {
      // What somebody put there stays.
      if (step === best?.step || addedTo(this.checkpointFolder(step)).length > 0) continue;
      removeFolder(this.checkpointFolder(step));
    }
  }

  /**
   * Compares a recipe with that of the run found here; changes nothing.
   *
   * throws  RecipeError when the folder holds a run of another recipe
   */
  checkRecipe(recipe: object): void {
    if (!existsSync(this.recipeFile) || this.latestCheckpoint() === undefined) return;
    const path = difference(this.#readRecipe(), recipe);
    if (path === undefined) return;
    throw new RecipeError(
      path,
      `Expected the recipe of the run in ${this.path} but received one that differs at ` +
        `${path}; use another --workdir, or --allow-recipe-change to go on with the new one`,
    );
  }

  /** Writes the recipe of the run that begins or goes on now. */
  saveRecipe(recipe: object): void {
    if (!this.group.isFirst) return;
    writeTextAtomically(this.recipeFile, toJson(recipe));
  }

  #readRecipe(): unknown {
    try {
      return readJsonFile(this.recipeFile);
    } catch (cause) {
      throw new CheckpointError(
        this.recipeFile,
        `Expected the JSON of a recipe in ${this.recipeFile} but could not read it ` +
          `(${readingReason(cause)}); ` +
          "start in another folder, or put the file back",
        { cause },
      );
    }
  }
}

const ownNames = [
  "recipe.json",
  "metrics.jsonl",
  "report.html",
  "checkpoints",
  "model",
  "adapter",
  "scratch",
  "tensorboard",
];

/** A run may begin beside other files, but not in place of them. */
function refuseOther(path: string): void {
  const found = ownNames.filter((name) => existsSync(join(path, name)));
  if (found.length === 0 || isRun(path)) return;
  throw new StorageError(
    path,
    `Expected a run, or a folder without one, for ${path} but received one with ` +
      `${found.join(" and ")} of something else; choose another --workdir (nothing was changed)`,
  );
}

/** Every run has a folder of checkpoints from its beginning, and a log before its recipe. */
function isRun(path: string): boolean {
  const checkpoints = join(path, "checkpoints");
  if (!isFolder(checkpoints)) return false;
  const known = readdirSync(checkpoints).every((name) => {
    const own = nameOfPrevious(name) ?? name;
    return stepPattern.test(own) || isPartial(own) || isOwnName(own);
  });
  return (
    known && (!existsSync(join(path, "recipe.json")) || existsSync(join(path, "metrics.jsonl")))
  );
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The path of the first value that differs between two JSON values. */
export function difference(a: unknown, b: unknown, path = ""): string | undefined {
  if (Object.is(a, b)) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return path;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    const inner = difference(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      path === "" ? key : `${path}.${key}`,
    );
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** JSON as the files of a run hold it. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
