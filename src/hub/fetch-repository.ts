/**
 * Files of repositories of the hub, brought into the cache folder that Python's huggingface_hub uses
 * too. Knows nothing about what a model or a data set consists of: the caller chooses the files.
 */
import { removeLeftLocks } from "../files/file-lock.ts";
import { HubError } from "../errors.ts";
import {
  isCommit,
  listSnapshot,
  readRef,
  repositoryCache,
  writeRef,
  writeTree,
} from "./cache-layout.ts";
import {
  chooseFrom,
  folderOf,
  lookUp,
  missingFrom,
  notCached,
  type HubFile,
  type WantedFiles,
} from "./cached-files.ts";
import { asDiskError, warnOfLittleSpace } from "./failures.ts";
import { downloadFile } from "./download.ts";
import { createHubClient, type Listing } from "./hub-client.ts";
import { createProgress, type FetchProgress } from "./progress.ts";
import { formatReference, repositoryWord, type HubReference } from "./reference.ts";
import type { RetryPlan } from "./retry.ts";
import { resolveSettings, type HubOptions, type HubSettings } from "./settings.ts";
import { openTransport } from "./transport.ts";

export type { HubFile } from "./cached-files.ts";

export interface FetchOptions extends HubOptions {
  /**
   * The paths to fetch out of those that exist. Throws, or returns none, when a file that is needed
   * is missing: without network it is asked with what the cache holds.
   */
  readonly choose: (files: readonly HubFile[]) => readonly string[];
  /** called as bytes arrive */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
  /** called with what a user should know though the files were found */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** ends the download; what has arrived is kept */
  readonly signal?: AbortSignal | undefined;
}

/** See `fetchModel`. */
export async function fetchRepository(
  reference: HubReference,
  options: FetchOptions,
): Promise<string> {
  if (typeof options.choose !== "function") {
    throw new TypeError(
      `Expected a function for choose but received ${typeof options.choose}; return the paths to fetch.`,
    );
  }
  const settings = resolveSettings(options);
  const cache = repositoryCache(settings.cacheFolder, reference);
  const { choose, signal, onProgress, onWarning } = options;
  const { cacheFolder } = settings;
  const warn = (message: string) => onWarning?.(message);
  const task = { reference, settings, cache, cacheFolder, choose, signal, onProgress, warn };
  try {
    return (await fromCacheAlone(task)) ?? (await fromHub(task));
  } catch (error) {
    options.signal?.throwIfAborted();
    throw asDiskError(error, cacheFolder);
  }
}

interface Task extends WantedFiles {
  readonly settings: HubSettings;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: FetchProgress) => void) | undefined;
  readonly warn: (message: string) => void;
}

/** The folder, where the network is not needed or not allowed; undefined to go on to the hub. */
async function fromCacheAlone(task: Task): Promise<string | undefined> {
  const { reference, settings } = task;
  if (!settings.offline && !isCommit(reference.revision)) return undefined;
  const found = await lookUp(task);
  if (found.folder !== undefined) return found.folder;
  if (settings.offline) throw notCached(task, "the network may not be used", found);
  return undefined;
}

async function fromHub(task: Task): Promise<string> {
  const { reference, settings } = task;
  const transport = await openTransport(settings);
  try {
    const client = createHubClient(reference, settings, transport);
    const plan = { ...settings, signal: task.signal };
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
        onWait: (holder) => task.warn(`Waiting for ${holder}, which fetches ${file} ...`),
      }),
    );
    // Of one that was killed when its file was there already.
    await removeLeftLocks(task.cache.locks);
    return folderOf(task, listing.commit);
  } finally {
    await transport.close();
  }
}

async function isKnown({ cache, reference }: Task): Promise<boolean> {
  const commit = await readRef(cache, reference.revision);
  return commit !== undefined && (await listSnapshot(cache, commit)).size > 0;
}

type Bring = (
  file: string,
  signal: AbortSignal,
  onBytes: (received: number, total: number) => void,
) => Promise<void>;

/** Downloads the chosen files that the snapshot lacks; the first failure ends the others. */
async function bringMissing(task: Task, listing: Listing, bring: Bring): Promise<void> {
  const { cache, reference } = task;
  const { commit, tree } = listing;
  const chosen = chooseFrom(task, tree);
  if (chosen.length === 0) {
    const word = repositoryWord(reference);
    throw new HubError(
      "not-found",
      `Expected at least one file of a ${word} in ${formatReference(reference)} but received none among ${tree.size}; name the repository, revision and folder that hold the ${word}.`,
    );
  }
  const missing = await missingFrom(cache, commit, tree, chosen);
  const progress = createProgress(
    missing.map((file) => ({ file, size: tree.get(file)?.size })),
    task.onProgress,
  );
  const bytes = missing.reduce((sum, file) => sum + (tree.get(file)?.size ?? 0), 0);
  await warnOfLittleSpace(task.cacheFolder, bytes, task.warn);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(task.signal ? [task.signal] : [])]);
  const queue = [...missing];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      signal.throwIfAborted();
      const name = file;
      await bring(name, signal, (received, total) => progress(name, received, total));
    }
  };
  const workers = Array.from({ length: task.settings.concurrency }, async () => {
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
    await writeRef(cache, reference.revision, commit);
  });
}

/** Written last, so that a ref stands for files that are there. A cache may be read-only. */
async function keepNotes(task: Task, required: boolean, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (required) throw error;
    task.warn(
      `Could not note the commit of ${formatReference(task.reference)} in ${task.cache.folder}: ${(error as Error).message}`,
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
  task.warn(
    `Using ${formatReference(task.reference)} from the cache, commit ${found.commit}, which may be out of date: ${error.message}`,
  );
  return found.folder;
}
