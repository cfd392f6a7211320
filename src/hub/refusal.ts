/** What the hub means by a refusal, and what to do about it. */
import { HubError, type HubFailure } from "../errors.ts";
import { formatReference, type HubReference } from "./reference.ts";
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
  const page = `${settings.endpoint}/${repository}`;
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
    const advice = "renew it, correct HF_TOKEN, or leave it out for a public model";
    return failed("token", `${settings.endpoint} to accept the token for ${model}`, advice);
  }
  if (status === 401 || status === 404 || code === "RepoNotFound") {
    const more = hasToken
      ? "if it is private, use a token that may read it"
      : "if it is private or gated, set HF_TOKEN";
    const failure = status === 401 && code !== "RepoNotFound" ? "token" : "not-found";
    return failed(failure, `the model ${model}`, `check the spelling; ${more}`);
  }
  if (status === 403) {
    const advice = `use a token with the right to read ${page} (HF_TOKEN)`;
    return failed("token", `access to ${model}`, advice);
  }
  return failed("protocol", `${file ?? "the files"} of ${model}`, "check HF_ENDPOINT");
}
