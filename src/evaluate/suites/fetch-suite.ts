/** Brings the sets of a suite from the hub under one folder, where evaluation finds them. */
import { randomUUID } from "node:crypto";
import {
  cpSync,
  lstatSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { basename, join } from "node:path";

import { DataError, HubError } from "../../errors.ts";
import { makeFolders, orStorageError } from "../../files/storage.ts";
import { parseDatasetReference } from "../../hub/reference.ts";
import type { HubFile } from "../../hub/fetch-repository.ts";
import { fetchSet, type FetchSetOptions } from "./hub-set.ts";
import { placeOf } from "./open-set.ts";
import type { SetDefinition, SuiteDefinition } from "./suite.ts";

export interface FetchSuiteOptions {
  /** Folder of the sets' folders; made where there is none. */
  readonly root: string;
  readonly hub?: Omit<FetchSetOptions, "split" | "onFiles"> | undefined;
  /** Called before a set is fetched, with the files that it consists of and their bytes. */
  readonly onSet?:
    ((set: SetDefinition, files: readonly HubFile[], bytes: number) => void) | undefined;
  /** Called with every set as it is done. */
  readonly onResult?: ((result: FetchedSet) => void) | undefined;
}

export interface FetchedSet {
  readonly name: string;
  readonly title: string;
  /** `unpublished`: no repository of the hub has it in a layout that limn reads. */
  readonly state: "fetched" | "there" | "unpublished" | "failed";
  readonly place?: string;
  /** Bytes of its files, those that the cache had included. */
  readonly bytes?: number;
  readonly reason?: string;
}

/** Failures that the next set would meet too. */
const ofTheMachine: readonly HubError["failure"][] = ["network", "offline", "settings", "disk"];

/**
 * Fetches each set that is not under the root into the hub's cache, and links the set's folder to it; where links
 * are not allowed, it is copied. What is there is left as it is; a link into the cache is completed.
 *
 * throws  HubError without network, and for a full disk; StorageError where the root cannot be written
 */
export async function fetchSuite(
  suite: SuiteDefinition,
  options: FetchSuiteOptions,
): Promise<FetchedSet[]> {
  const results: FetchedSet[] = [];
  const roots = new Map<string, FetchedSet>();
  for (const set of suite.sets) {
    // Sets of one folder, such as one for each language, are fetched once.
    const key = set.hub ?? set.at ?? set.folders.join();
    const known = roots.get(key);
    const { name, title } = set;
    const result = known ? { ...known, name, title } : await fetchOne(set, options);
    roots.set(key, result);
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}

async function fetchOne(set: SetDefinition, options: FetchSuiteOptions): Promise<FetchedSet> {
  const { name, title, hub, at, split } = set;
  const { root, onSet } = options;
  const place = at === undefined ? placeOf(set, root) : undefined;
  if (place !== undefined && !(isLink(place) && hub !== undefined)) {
    return { name, title, state: "there", place };
  }
  const reference = at?.startsWith("hf://") === true ? at : hub;
  if (reference === undefined) {
    const reason =
      at === undefined
        ? `no repository is known; put it into ${join(root, set.folders[0] ?? name)}`
        : `${at} is no data set of the hub`;
    const isThere = at !== undefined && placeOf(set) !== undefined;
    return isThere
      ? { name, title, state: "there", place: at }
      : { name, title, state: "unpublished", reason };
  }
  let bytes = 0;
  try {
    const found = await fetchSet(reference, {
      ...options.hub,
      split,
      onFiles: (files) => {
        bytes = files.reduce((sum, { size = 0 }) => sum + size, 0);
        onSet?.(set, files, bytes);
      },
    });
    if (at !== undefined) return { name, title, state: "fetched", place: found, bytes };
    const target = place ?? join(root, folderOf(set, reference));
    if (place === undefined) {
      removeStaleLink(target, reference);
      show(found, target);
    }
    return { name, title, state: place === undefined ? "fetched" : "there", place: target, bytes };
  } catch (error) {
    const isOfTheSet =
      error instanceof DataError ||
      (error instanceof HubError && !ofTheMachine.includes(error.failure));
    if (!isOfTheSet) throw error;
    return { name, title, state: "failed", reason: error.message };
  }
}

/** The folder that has the repository's own name, where a set may be called so. */
function folderOf({ folders, name }: SetDefinition, reference: string): string {
  const own = parseDatasetReference(reference).name;
  return folders.includes(own) ? own : (folders[0] ?? basename(name));
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/**
 * A link that led to nothing before the fetch: one that an earlier fetch left, to a cache that was emptied, is
 * removed.
 *
 * throws  DataError for another one, which is the user's
 */
function removeStaleLink(target: string, reference: string): void {
  if (!isLink(target)) return;
  const { org, name } = parseDatasetReference(reference);
  if (!readlinkSync(target).includes(`datasets--${org}--${name}`)) {
    throw new DataError(
      `Expected no file at ${target} but received a link to nothing; remove it, or give another folder`,
      { source: target },
    );
  }
  orStorageError(target, () => unlinkSync(target));
}

/** Lets a folder under the root show a snapshot of the cache. */
function show(snapshot: string, target: string): void {
  orStorageError(target, () => {
    makeFolders(join(target, ".."));
    try {
      // A junction needs no right on Windows.
      symlinkSync(snapshot, target, "junction");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (!["EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
      const partial = `${target}.${randomUUID().slice(0, 8)}.partial`;
      try {
        cpSync(snapshot, partial, { recursive: true, dereference: true });
        renameSync(partial, target);
      } finally {
        rmSync(partial, { recursive: true, force: true });
      }
    }
  });
}
