/** Sets that lie on the hub: which of a repository's files make one, and where they are once they are in the cache. */
import { join } from "node:path";

import { didYouMean, HubError } from "../../errors.ts";
import { fetchDataset } from "../../hub/fetch-dataset.ts";
import type { FetchOptions, HubFile } from "../../hub/fetch-repository.ts";
import { formatReference, parseDatasetReference } from "../../hub/reference.ts";
import { benchmarkClasses } from "../benchmark-folder.ts";
import { benchmarkTemplates } from "../../text/read-templates.ts";

export interface FetchSetOptions extends Omit<FetchOptions, "choose"> {
  /** Of a set in the layout of CLIP_benchmark. Default `test`. */
  readonly split?: string | undefined;
  /** Called with the files of the set before any of them is fetched. */
  readonly onFiles?: ((files: readonly HubFile[]) => void) | undefined;
}

const TEXTS = [benchmarkClasses, benchmarkTemplates, "dataset_type.txt"];
const SHARD_COUNT = "nshards.txt";

/**
 * Brings a set of the hub into the cache, but for what it has already, and gives its place: the repository's
 * folder, or the folder or file in it that the reference names.
 *
 * reference  `hf://datasets/org/name[@revision][/folder or file]`
 * throws     HubError, whose `failure` says why; what has arrived stays in the cache
 */
export async function fetchSet(reference: string, options: FetchSetOptions = {}): Promise<string> {
  const { split = "test", onFiles, ...rest } = options;
  const { subfolder: inside, ...parsed } = parseDatasetReference(reference);
  const whole = { ...parsed, subfolder: "" };
  const folder = await fetchDataset(whole, {
    ...rest,
    choose: (files) => {
      const chosen = setFiles(files, inside, split);
      if (chosen.length === 0) throw nothingThere(formatReference(whole), inside, files);
      onFiles?.(chosen);
      return chosen.map(({ path }) => path);
    },
  });
  return join(folder, ...inside.split("/"));
}

/**
 * The files that make a set: of one in the layout of CLIP_benchmark the shards of one split and the texts beside
 * them; else all files but those about the repository.
 *
 * inside  the folder or the file of the repository that is meant; empty for its root
 */
export function setFiles(files: readonly HubFile[], inside: string, split: string): HubFile[] {
  const exact = files.filter(({ path }) => path === inside);
  if (exact.length > 0) return exact;
  const within = files.filter(({ path }) => inside === "" || path.startsWith(`${inside}/`));
  const has = (path: string): boolean => within.some((file) => file.path === path);
  const splitFolder = [under(inside, split), inside].find((one) => has(under(one, SHARD_COUNT)));
  if (splitFolder === undefined) return within.filter(({ path }) => !isAbout(path));
  const above = splitFolder.includes("/") ? splitFolder.replace(/\/[^/]+$/, "") : "";
  const texts = [splitFolder, above].flatMap((one) => TEXTS.map((name) => under(one, name)));
  return files.filter(({ path }) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const isShard = name === SHARD_COUNT || /^\d+\.tar$/.test(name);
    return (isShard && path === under(splitFolder, name)) || texts.includes(path);
  });
}

function under(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** Of the repository, not of its data: its card, git's own files, scripts of `datasets`. */
function isAbout(path: string): boolean {
  return /(?:^|\/)\.|(?:^|\/)(?:README|LICENSE)(?:\.\w+)?$|\.py$/i.test(path);
}

function nothingThere(repository: string, inside: string, files: readonly HubFile[]): HubError {
  const folders = files.flatMap(({ path }) =>
    path.split("/").map((_, i, all) => all.slice(0, i + 1).join("/")),
  );
  const received = inside === "" ? `none among its ${files.length} files` : `no "${inside}"`;
  return new HubError(
    "not-found",
    `Expected files of a set in ${repository} but received ${received};` +
      (didYouMean(inside, new Set(folders)) || " check its page."),
  );
}
