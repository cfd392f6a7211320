/** What the cache holds of a repository, and which of its files are wanted: no network, no writing. */
import path from "node:path";
import { HubError, didYouMean } from "../errors.ts";
import {
  holds,
  listSnapshot,
  readRef,
  readTree,
  snapshotFile,
  snapshotFolder,
  type RepositoryCache,
  type Tree,
} from "./cache-layout.ts";
import { formatReference, isInside, type HubReference } from "./reference.ts";

/** A file that a repository has. */
export interface HubFile {
  /** inside the reference's subfolder, with slashes */
  readonly path: string;
  /** bytes; undefined where the server does not say */
  readonly size: number | undefined;
}

/** Which files of which repository are wanted, and where they are kept. */
export interface WantedFiles {
  readonly reference: HubReference;
  readonly cacheFolder: string;
  readonly cache: RepositoryCache;
  readonly choose: (files: readonly HubFile[]) => readonly string[];
}

/** What the cache has of a repository. */
export interface Found {
  /** undefined where it has no file of the revision */
  readonly commit: string | undefined;
  /** set when all chosen files are there */
  readonly folder?: string;
  readonly missing: readonly string[];
  readonly cause?: unknown;
}

/** Asks the caller what it wants of the commit that a revision stood for when it was last fetched. */
export async function lookUp(task: WantedFiles): Promise<Found> {
  const { cache, reference } = task;
  const commit = await readRef(cache, reference.revision);
  if (commit === undefined) return { commit, missing: [] };
  const tree = await readTree(cache, commit);
  const files = tree ?? (await listSnapshot(cache, commit));
  if (files.size === 0) return { commit: undefined, missing: [] };
  let chosen: string[];
  try {
    chosen = chooseFrom(task, files);
  } catch (cause) {
    // With the whole list at hand the repository itself lacks the file, whether there is network or not.
    if (tree !== undefined) throw cause;
    return { commit, missing: [], cause };
  }
  const missing = await missingFrom(cache, commit, files, chosen);
  if (chosen.length === 0 || missing.length > 0) return { commit, missing };
  return { commit, missing, folder: folderOf(task, commit) };
}

export function notCached(
  task: WantedFiles,
  why: string,
  found: Found,
  cause = found.cause,
): HubError {
  const { reference, cacheFolder } = task;
  const files = found.missing.length === 0 ? "" : `${found.missing.join(", ")} of `;
  const state =
    found.commit === undefined ? "nothing of it" : `only a part of commit ${found.commit}`;
  return new HubError(
    "offline",
    `Expected ${files}${formatReference(reference)} in the cache ${cacheFolder}, since ${why}, but received ${state}; fetch it once with network (without HF_HUB_OFFLINE), or set HF_HUB_CACHE to the folder that has it.`,
    { cause },
  );
}

/** Asks the caller; paths of the whole repository, each once. */
export function chooseFrom({ reference, choose }: WantedFiles, tree: Tree): string[] {
  const prefix = reference.subfolder === "" ? "" : `${reference.subfolder}/`;
  const files = [...tree]
    .filter(([file]) => file.startsWith(prefix) && isInside(file))
    .map(([file, { size }]) => ({ path: file.slice(prefix.length), size }));
  if (files.length === 0 && prefix !== "") {
    const folders = new Set([...tree.keys()].map((file) => path.posix.dirname(file)));
    throw new HubError(
      "not-found",
      `Expected the folder "${reference.subfolder}" in ${formatReference({ ...reference, subfolder: "" })} but received none;${didYouMean(reference.subfolder, folders) || " check the spelling."}`,
    );
  }
  const paths = new Set(files.map((file) => file.path));
  const chosen = [...new Set(choose(files))];
  for (const file of chosen) {
    if (paths.has(file)) continue;
    throw new RangeError(
      `Expected choose to return files of ${formatReference(reference)} but received "${file}";${didYouMean(file, paths) || " return paths that it was given."}`,
    );
  }
  return chosen.map((file) => prefix + file);
}

/** Those of `files` that the snapshot does not hold, or holds with another size. */
export async function missingFrom(
  cache: RepositoryCache,
  commit: string,
  tree: Tree,
  files: readonly string[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const file of files) {
    const there = await holds(snapshotFile(cache, commit, file), tree.get(file)?.size);
    if (!there) missing.push(file);
  }
  return missing;
}

/** The snapshot of a commit, or the reference's subfolder of it. */
export function folderOf({ cache, reference }: WantedFiles, commit: string): string {
  return path.join(snapshotFolder(cache, commit), ...reference.subfolder.split("/"));
}
