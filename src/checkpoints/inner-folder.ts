/** Folders around a model's own: those of sentence-transformers and of the hub's cache. */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { CheckpointError } from "../errors.ts";
import { isJsonObject } from "../files/json-fields.ts";
import { readJsonFile, readTextFile } from "../files/regular-file.ts";

/**
 * The folder of the model that `folder` holds: of sentence-transformers the one of its `CLIPModel`, of the
 * hub's cache (`models--organisation--name`) the snapshot of `main`, or the only one; else `folder`.
 *
 * throws  CheckpointError for a cache that has several snapshots and no `main`
 */
export function innerFolder(folder: string): string {
  const names = readdirSync(folder);
  if (names.includes("modules.json")) checkModules(folder);
  if (names.includes("modules.json") && !names.includes("config.json")) return clipModule(folder);
  if (names.includes("snapshots") && !names.includes("config.json")) return snapshot(folder);
  return folder;
}

interface ListedModule {
  /** The last word of its class, `CLIPModel`. */
  readonly name: string;
  readonly path: string;
}

/** sentence-transformers lists its modules by the classes that read them; none where that cannot be read. */
function modulesOf(folder: string): ListedModule[] {
  let modules: unknown;
  try {
    modules = readJsonFile(join(folder, "modules.json"));
  } catch {
    return [];
  }
  return (Array.isArray(modules) ? (modules as unknown[]) : []).flatMap((one) => {
    const { type, path = "" } = isJsonObject(one) ? one : {};
    if (typeof type !== "string" || typeof path !== "string") return [];
    return [{ name: type.split(".").at(-1) ?? type, path }];
  });
}

/** Throws CheckpointError for a pair whose embeddings a further module changes; their length says nothing. */
function checkModules(folder: string): void {
  const names = modulesOf(folder).map(({ name }) => name);
  const other = names.find((name) => name !== "CLIPModel" && name !== "Normalize");
  if (!names.includes("CLIPModel") || other === undefined) return;
  throw new CheckpointError(
    join(folder, "modules.json"),
    `Expected a CLIPModel alone in ${join(folder, "modules.json")} but received ${other} behind it, which ` +
      "changes its embeddings; this is not supported: give the folder of the CLIPModel for those before it",
  );
}

/**
 * The path of the CLIPModel that sentence-transformers' modules.json in a folder lists; undefined where there is
 * none inside.
 *
 * throws  CheckpointError where another module changes its embeddings
 */
export function clipModulePath(folder: string): string | undefined {
  checkModules(folder);
  const inside = modulesOf(folder).filter(({ path }) => !/^\/|(^|[\\/])\.\.([\\/]|$)/.test(path));
  return inside.find(({ name }) => name === "CLIPModel")?.path;
}

function clipModule(folder: string): string {
  for (const { name, path } of modulesOf(folder)) {
    if (name !== "CLIPModel") continue;
    const inner = join(folder, path);
    const outside = relative(folder, inner).startsWith("..");
    if (!outside && statSync(inner, { throwIfNoEntry: false })?.isDirectory()) return inner;
  }
  return folder;
}

function snapshot(folder: string): string {
  const snapshots = readdirSync(join(folder, "snapshots"));
  const main = firstLine(join(folder, "refs", "main"));
  const [only, ...others] = snapshots;
  if (main !== undefined && snapshots.includes(main)) return join(folder, "snapshots", main);
  if (only !== undefined && others.length === 0) return join(folder, "snapshots", only);
  if (only === undefined) return folder;
  throw new CheckpointError(
    folder,
    `Expected one snapshot of a model in ${join(folder, "snapshots")} but there are ` +
      `${snapshots.slice(0, 4).join(", ")} and no refs/main that names one; give the folder of one`,
  );
}

function firstLine(file: string): string | undefined {
  try {
    return readTextFile(file, 4096).split("\n", 1)[0]?.trim();
  } catch {
    return undefined;
  }
}
