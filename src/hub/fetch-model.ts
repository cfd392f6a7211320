/**
 * Models of the hub, brought into the cache folder that Python's huggingface_hub uses too. Knows
 * nothing about what a model consists of: the caller chooses the files.
 */
import path from "node:path";
import { HubError, didYouMean } from "../errors.ts";
import {
  holds,
  isCommit,
  listSnapshot,
  readRef,
  readTree,
  repositoryCache,
  snapshotFile,
  snapshotFolder,
  writeRef,
  writeTree,
  type RepositoryCache,
  type Tree,
} from "./cache-layout.ts";
import { downloadFile } from "./download.ts";
import { createHubClient, type Listing } from "./hub-client.ts";
import { createProgress, type FetchProgress } from "./progress.ts";
import { formatReference, isInside, parseModelReference, type HubReference } from "./reference.ts";
import type { RetryPlan } from "./retry.ts";
import { resolveSettings, type HubOptions, type HubSettings } from "./settings.ts";
import { openTransport } from "./transport.ts";

/** A file that a model's repository has. */
export interface HubFile {
  /** inside the reference's subfolder, with slashes */
  readonly path: string;
  /** bytes; undefined where the server does not say */
  readonly size: number | undefined;
}

export interface FetchModelOptions extends HubOptions {
  /**
   * The paths to fetch out of those that exist. Throws, or returns none, when a file that the model
   * needs is missing: without network it is asked with what the cache holds.
   */
  readonly choose: (files: readonly HubFile[]) => readonly string[];
  /** called as bytes arrive */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
  /** called with what a user should know though the model was found */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** ends the download; what has arrived is kept */
  readonly signal?: AbortSignal | undefined;
  /** files at a time; default 4 */
  readonly concurrency?: number | undefined;
}

/**
 * Fetches the chosen files of a model and returns the folder that holds them: the snapshot of one
 * commit, or the reference's subfolder of it. Files that the cache has are not fetched again. A
 * commit that the cache has needs no network; a branch or tag takes one request, and where that
 * fails for lack of network the commit that it last stood for is used, with a warning.
 *
 * reference  `hf://org/name[@revision][/subfolder]`, or one that was parsed
 * throws     HubError, whose `failure` says why; what has arrived stays in the cache
 */
export async function fetchModel(
  reference: string | HubReference,
  options: FetchModelOptions,
): Promise<string> {
  const model = toHubReference(reference);
  const settings = resolveSettings(options);
  const cache = repositoryCache(settings.cacheFolder, model.org, model.name);
  const task: Task = { model, settings, cache, options };
  try {
    return (await fromCacheAlone(task)) ?? (await fromHub(task));
  } catch (error) {
    throw asDiskError(error, settings.cacheFolder);
  }
}

interface Task {
  readonly model: HubReference;
  readonly settings: HubSettings;
  readonly cache: RepositoryCache;
  readonly options: FetchModelOptions;
}

/** The folder, where the network is not needed or not allowed; undefined to go on to the hub. */
async function fromCacheAlone(task: Task): Promise<string | undefined> {
  const { model, settings } = task;
  if (!settings.offline && !isCommit(model.revision)) return undefined;
  const found = await lookUp(task);
  if (found.folder !== undefined) return found.folder;
  if (settings.offline) throw notCached(task, "the network may not be used", found);
  return undefined;
}

async function fromHub(task: Task): Promise<string> {
  const { model, settings, options } = task;
  const transport = await openTransport(settings);
  try {
    const client = createHubClient(model, settings, transport);
    const plan = { ...settings, signal: options.signal };
    const known = await isKnown(task);
    let listing: Listing;
    try {
      // With something to fall back on, a hub that is down is not waited for.
      listing = await client.listing(known ? { ...plan, retries: 0 } : plan);
    } catch (error) {
      return await fallBack(task, error);
    }
    await bringMissing(task, listing, (file, signal, onBytes) =>
      downloadFile({
        client,
        cache: task.cache,
        commit: listing.commit,
        file,
        size: listing.tree.get(file)?.size,
        symlinks: settings.symlinks,
        plan: { ...plan, signal } satisfies RetryPlan,
        onBytes,
      }),
    );
    return folderOf(task, listing.commit);
  } finally {
    await transport.close();
  }
}

async function isKnown({ cache, model }: Task): Promise<boolean> {
  const commit = await readRef(cache, model.revision);
  return commit !== undefined && (await listSnapshot(cache, commit)).size > 0;
}

type Bring = (
  file: string,
  signal: AbortSignal,
  onBytes: (received: number, total: number) => void,
) => Promise<void>;

/** Downloads the chosen files that the snapshot lacks; the first failure ends the others. */
async function bringMissing(task: Task, listing: Listing, bring: Bring): Promise<void> {
  const { cache, model, options } = task;
  const { commit, tree } = listing;
  const chosen = chooseFrom(task, tree);
  if (chosen.length === 0) {
    throw new HubError(
      "not-found",
      `Expected at least one file of a model in ${formatReference(model)} but received none among ${tree.size}; name the repository, revision and folder that hold the model.`,
    );
  }
  const missing = await missingFrom(cache, commit, tree, chosen);
  const progress = createProgress(
    missing.map((file) => ({ file, size: tree.get(file)?.size })),
    options.onProgress,
  );
  const stop = new AbortController();
  const signals = [stop.signal, ...(options.signal ? [options.signal] : [])];
  const signal = AbortSignal.any(signals);
  const queue = [...missing];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      signal.throwIfAborted();
      const name = file;
      await bring(name, signal, (received, total) => progress(name, received, total));
    }
  };
  const workers = Array.from({ length: Math.max(1, options.concurrency ?? 4) }, async () => {
    try {
      await worker();
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(workers);
  if (results.some(({ status }) => status === "rejected")) throw signal.reason;
  await keepNotes(task, missing.length > 0, async () => {
    await writeTree(cache, commit, tree);
    await writeRef(cache, model.revision, commit);
  });
}

/** Written last, so that a ref stands for files that are there. A cache may be read-only. */
async function keepNotes(task: Task, required: boolean, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (required) throw error;
    task.options.onWarning?.(
      `Could not note the commit of ${formatReference(task.model)} in ${task.cache.folder}: ${(error as Error).message}`,
    );
  }
}

/** Uses the cache where the hub cannot be reached; refusals by the hub are not overruled. */
async function fallBack(task: Task, error: unknown): Promise<string> {
  if (!(error instanceof HubError) || error.failure !== "network") throw error;
  const found = await lookUp(task);
  if (found.folder === undefined) {
    if (found.commit === undefined) throw error;
    throw notCached(task, `the hub cannot be reached (${error.message})`, found, error);
  }
  task.options.onWarning?.(
    `Using ${formatReference(task.model)} from the cache, commit ${found.commit}, which may be out of date: ${error.message}`,
  );
  return found.folder;
}

/** What the cache has of a model. */
interface Found {
  /** undefined where it has no file of the revision */
  readonly commit: string | undefined;
  /** set when all chosen files are there */
  readonly folder?: string;
  readonly missing: readonly string[];
  readonly cause?: unknown;
}

async function lookUp(task: Task): Promise<Found> {
  const { cache, model } = task;
  const commit = await readRef(cache, model.revision);
  if (commit === undefined) return { commit, missing: [] };
  const tree = await readTree(cache, commit);
  const files = tree ?? (await listSnapshot(cache, commit));
  if (files.size === 0) return { commit: undefined, missing: [] };
  let chosen: string[];
  try {
    chosen = chooseFrom(task, files);
  } catch (cause) {
    // With the whole list at hand the model itself lacks the file, whether there is network or not.
    if (tree !== undefined) throw cause;
    return { commit, missing: [], cause };
  }
  const missing = await missingFrom(cache, commit, files, chosen);
  if (chosen.length === 0 || missing.length > 0) return { commit, missing };
  return { commit, missing, folder: folderOf(task, commit) };
}

function notCached(task: Task, why: string, found: Found, cause = found.cause): HubError {
  const { model, settings } = task;
  const files = found.missing.length === 0 ? "" : `${found.missing.join(", ")} of `;
  const state =
    found.commit === undefined ? "nothing of it" : `only a part of commit ${found.commit}`;
  return new HubError(
    "offline",
    `Expected ${files}${formatReference(model)} in the cache ${settings.cacheFolder}, since ${why}, but received ${state}; fetch it once with network (without HF_HUB_OFFLINE), or set HF_HUB_CACHE to the folder that has it.`,
    { cause },
  );
}

/** Asks the caller; paths of the whole repository, each once. */
function chooseFrom({ model, options }: Task, tree: Tree): string[] {
  const prefix = model.subfolder === "" ? "" : `${model.subfolder}/`;
  const files = [...tree]
    .filter(([file]) => file.startsWith(prefix) && isInside(file))
    .map(([file, { size }]) => ({ path: file.slice(prefix.length), size }));
  if (files.length === 0 && prefix !== "") {
    const folders = new Set([...tree.keys()].map((file) => path.posix.dirname(file)));
    throw new HubError(
      "not-found",
      `Expected the folder "${model.subfolder}" in ${formatReference({ ...model, subfolder: "" })} but received none;${didYouMean(model.subfolder, folders) || " check the spelling."}`,
    );
  }
  const paths = new Set(files.map((file) => file.path));
  const chosen = [...new Set(options.choose(files))];
  for (const file of chosen) {
    if (paths.has(file)) continue;
    throw new RangeError(
      `Expected choose to return files of ${formatReference(model)} but received "${file}";${didYouMean(file, paths) || " return paths that it was given."}`,
    );
  }
  return chosen.map((file) => prefix + file);
}

async function missingFrom(
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

function folderOf({ cache, model }: Task, commit: string): string {
  return path.join(snapshotFolder(cache, commit), ...model.subfolder.split("/"));
}

function toHubReference(reference: string | HubReference): HubReference {
  if (typeof reference !== "string") return reference;
  const parsed = parseModelReference(reference);
  if (parsed.kind === "hub") return parsed;
  throw new HubError(
    "reference",
    `Expected "hf://org/name[@revision]" for the model to fetch but received the path "${reference}"; write hf:// before the name of a model of the hub.`,
  );
}

/** Errors of the file system name the folder and what to do; others stay as they are. */
function asDiskError(error: unknown, folder: string): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof HubError || code === undefined || syscall === undefined) return error;
  const full = ["ENOSPC", "EDQUOT", "EFBIG"].includes(code);
  const cure = full ? "free some space" : "correct its permissions";
  return new HubError(
    "disk",
    `Expected to write the cache folder ${folder} but received ${message}; ${cure} or set HF_HUB_CACHE to another folder, and run it again: what has arrived is kept.`,
    { cause: error },
  );
}
