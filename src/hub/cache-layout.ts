/**
 * The cache folder of Python's huggingface_hub, shared with it (huggingface_hub 2.4,
 * file_download.py and _tree_cache.py):
 *
 *     models--org--name/blobs/<etag>                    the bytes, named by their hash; datasets--org--name
 *     models--org--name/blobs/<etag>.incomplete         what has arrived of them
 *     models--org--name/refs/<revision>                 the commit of a branch or tag
 *     models--org--name/snapshots/<commit>/<path>       -> ../../blobs/<etag>
 *     models--org--name/trees/<commit>.json             the files of a commit
 *     .locks/models--org--name/<etag>.limn.lock         one download at a time
 */
import { copyFile, lstat, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { writeTextAtomically } from "../files/atomic-write.ts";
import { readTextFile } from "../files/regular-file.ts";
import { makeFolders } from "../files/storage.ts";
import type { HubReference } from "./reference.ts";

/** What the hub says about a file of a commit; the names are those of the file in `trees/`. */
export interface TreeEntry {
  readonly size: number | undefined;
  /** git's hash of the file, or of its pointer where the file lies in LFS */
  readonly blob_id?: string | undefined;
  readonly lfs_sha256?: string | undefined;
  readonly lfs_size?: number | undefined;
}

/** Path in the repository, with slashes, to what is known about the file. */
export type Tree = ReadonlyMap<string, TreeEntry>;

/** The part of the cache that belongs to one repository. */
export interface RepositoryCache {
  readonly folder: string;
  readonly locks: string;
}

const TREE_VERSION = 1;

export function repositoryCache(
  root: string,
  { type, org, name }: Pick<HubReference, "type" | "org" | "name">,
): RepositoryCache {
  const repository = `${type}s--${org}--${name}`;
  return { folder: path.join(root, repository), locks: path.join(root, ".locks", repository) };
}

/** Whether a revision is a whole commit hash, which never changes its meaning. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

export function blobFile(cache: RepositoryCache, etag: string): string {
  return path.join(cache.folder, "blobs", etag);
}

export function snapshotFolder(cache: RepositoryCache, commit: string): string {
  return path.join(cache.folder, "snapshots", commit);
}

export function snapshotFile(cache: RepositoryCache, commit: string, file: string): string {
  return path.join(snapshotFolder(cache, commit), ...file.split("/"));
}

/** The commit that a revision stood for when it was last fetched. */
export async function readRef(
  cache: RepositoryCache,
  revision: string,
): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const text = await readText(path.join(cache.folder, "refs", ...revision.split("/")));
  const commit = text?.trim();
  return commit !== undefined && isCommit(commit) ? commit : undefined;
}

/** Notes a branch's or tag's commit; a ref that is right already is not written. */
export async function writeRef(
  cache: RepositoryCache,
  revision: string,
  commit: string,
): Promise<void> {
  if (revision === commit || (await readRef(cache, revision)) === commit) return;
  replaceText(path.join(cache.folder, "refs", ...revision.split("/")), commit);
}

/** The files of a commit as the hub listed them; undefined where no usable list is kept. */
export async function readTree(cache: RepositoryCache, commit: string): Promise<Tree | undefined> {
  const text = await readText(treeFile(cache, commit));
  if (text === undefined) return undefined;
  try {
    const { format_version: version, files } = JSON.parse(text) as {
      format_version: number;
      files: Record<string, TreeEntry>;
    };
    if (version !== TREE_VERSION) return undefined;
    return new Map(
      Object.entries(files).map(([file, entry]) => [
        file,
        { ...entry, size: entry.lfs_size ?? entry.size },
      ]),
    );
  } catch {
    // A file that cannot be read counts as none: the hub is asked again, and it is replaced.
    return undefined;
  }
}

/** Keeps the list of a commit's files, unless the server left out what Python's reader requires. */
export async function writeTree(cache: RepositoryCache, commit: string, tree: Tree): Promise<void> {
  const entries = [...tree].sort(([a], [b]) => (a < b ? -1 : 1));
  const whole = entries.every(([, entry]) => entry.size !== undefined && entry.blob_id);
  if (!whole || (await readTree(cache, commit)) !== undefined) return;
  const data = { format_version: TREE_VERSION, files: Object.fromEntries(entries) };
  replaceText(treeFile(cache, commit), JSON.stringify(data, null, 1));
}

/** The files that a snapshot holds, with their sizes; empty where there is no such snapshot. */
export async function listSnapshot(cache: RepositoryCache, commit: string): Promise<Tree> {
  const folder = snapshotFolder(cache, commit);
  const tree = new Map<string, TreeEntry>();
  if ((await statOrUndefined(folder)) === undefined) return tree;
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const found = await statOrUndefined(path.join(folder, name));
    if (found?.isFile()) tree.set(name.split(path.sep).join("/"), { size: found.size });
  }
  return tree;
}

/** Whether `file` is there, through links, and has `size` bytes where the size is known. */
export async function holds(file: string, size: number | undefined): Promise<boolean> {
  const found = await statOrUndefined(file);
  return found !== undefined && found.isFile() && (size === undefined || found.size === size);
}

/**
 * Lets `target`, a file of a snapshot, show a whole blob. Where links are not allowed, a blob that
 * was just downloaded is moved and an older one is copied, as huggingface_hub does.
 */
export async function showInSnapshot(
  blob: string,
  target: string,
  { fresh, symlinks }: { fresh: boolean; symlinks: boolean },
): Promise<void> {
  makeFolders(path.dirname(target));
  // Beside the blob: a snapshot holds nothing but whole files of the repository, at any moment.
  const partial = `${blob}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    if (symlinks && (await linked(path.relative(path.dirname(target), blob), partial))) {
      await rename(partial, target);
    } else if (fresh && (await lstat(blob)).isFile()) {
      await rename(blob, target);
    } else {
      await copyFile(blob, partial);
      await rename(partial, target);
    }
  } finally {
    await rm(partial, { force: true });
  }
}

async function linked(to: string, link: string): Promise<boolean> {
  try {
    await symlink(to, link, "file");
    return true;
  } catch (error) {
    const refusals = ["EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "UNKNOWN"];
    if (refusals.includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

function treeFile(cache: RepositoryCache, commit: string): string {
  return path.join(cache.folder, "trees", `${commit}.json`);
}

function replaceText(file: string, text: string): void {
  makeFolders(path.dirname(file));
  writeTextAtomically(file, text);
}

async function readText(file: string): Promise<string | undefined> {
  return unlessMissing(Promise.resolve().then(() => readTextFile(file)));
}

async function statOrUndefined(file: string) {
  return unlessMissing(stat(file));
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    throw error;
  }
}
