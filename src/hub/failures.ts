/** What the hub means by a refusal and the file system by its own, and what to do about it. */
import { statfs } from "node:fs/promises";
import path from "node:path";

import { HubError, type HubFailure, StorageError } from "../errors.ts";
import { formatReference, repositoryPage, repositoryWord, type HubReference } from "./reference.ts";
import type { Headers } from "./retry.ts";
import type { HubSettings } from "./settings.ts";

/** What was asked for: the repository at a revision, or one of its files. */
export interface Asked {
  readonly reference: HubReference;
  readonly settings: HubSettings;
  readonly file?: string;
}

/**
 * The error of a status from 400 to 499. The hub's `X-Error-Code` says more than the status: it
 * answers 401 for a repository that does not exist, so as not to tell which ones are private.
 */
export function refusal(status: number, headers: Headers, asked: Asked): HubError {
  const { reference, settings, file } = asked;
  const repository = `${reference.org}/${reference.name}`;
  const model = formatReference(reference);
  const code = headers["x-error-code"] ?? "";
  const said = headers["x-error-message"] ?? "";
  const received = `${status}${code && ` ${code}`}${said && ` ("${said}")`}`;
  const hasToken = settings.token !== undefined;
  const page = repositoryPage(settings.endpoint, reference);
  const failed = (failure: HubFailure, what: string, advice: string) =>
    new HubError(failure, `Expected ${what} but received ${received}; ${advice}.`);

  if (code === "GatedRepo") {
    const then = hasToken ? "" : ", then set HF_TOKEN to a token of the account that has access";
    return failed("gated", `access to ${model}`, `accept its terms on ${page}${then}`);
  }
  if (code === "RevisionNotFound") {
    const advice = `check the branch, tag or commit behind @ on ${page}/tree/main`;
    return failed("not-found", `the revision "${reference.revision}" of ${repository}`, advice);
  }
  if (code === "EntryNotFound" && file !== undefined) {
    return failed("not-found", `${file} in ${model}`, `check the files on ${page}/tree/main`);
  }
  if (status === 401 && hasToken && code !== "RepoNotFound") {
    const advice = `renew it, correct HF_TOKEN, or leave it out for a public ${repositoryWord(reference)}`;
    return failed("token", `${settings.endpoint} to accept the token for ${model}`, advice);
  }
  if (status === 401 || status === 404 || code === "RepoNotFound") {
    const more = hasToken
      ? "if it is private, use a token that may read it"
      : "if it is private or gated, set HF_TOKEN";
    const failure = status === 401 && code !== "RepoNotFound" ? "token" : "not-found";
    return failed(
      failure,
      `the ${repositoryWord(reference)} ${model}`,
      `check the spelling; ${more}`,
    );
  }
  if (status === 403) {
    const advice = `use a token with the right to read ${page} (HF_TOKEN)`;
    return failed("token", `access to ${model}`, advice);
  }
  return failed("protocol", `${file ?? "the files"} of ${model}`, "check HF_ENDPOINT");
}

/** Errors of the file system name the folder and what to do; others stay as they are. */
export function asDiskError(failure: unknown, folder: string): unknown {
  const error = failure instanceof StorageError ? failure.cause : failure;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof HubError || code === undefined || syscall === undefined) return failure;
  const full = ["ENOSPC", "EDQUOT", "EFBIG"].includes(code);
  const cure = full ? "free some space" : "correct its permissions";
  return new HubError(
    "disk",
    `Expected to write the cache folder ${folder} but received ${message}; ${cure} or set HF_HUB_CACHE to another folder, and run it again: what has arrived is kept.`,
    { cause: error },
  );
}

/** Says so where `bytes` will hardly fit; file systems that do not know their size are trusted. */
export async function warnOfLittleSpace(
  folder: string,
  bytes: number,
  warn: (message: string) => void,
): Promise<void> {
  const free = await freeBytes(folder);
  if (free === undefined || free >= bytes) return;
  const mebibytes = (count: number) => `${Math.ceil(count / 2 ** 20)} MiB`;
  warn(
    `The files to fetch take ${mebibytes(bytes)}, but ${folder} has ${mebibytes(free)} free; free some space or set HF_HUB_CACHE to another folder.`,
  );
}

/** Of the nearest folder that exists. */
async function freeBytes(folder: string): Promise<number | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      const { bavail, bsize, blocks } = await statfs(at);
      return blocks === 0 ? undefined : bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || at === path.dirname(at)) {
        return undefined;
      }
    }
  }
}
