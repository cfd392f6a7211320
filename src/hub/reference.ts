/**
 * What the name of a model or a data set says: a folder of this machine, or a repository of the hub.
 * Knows nothing about the network or the cache.
 */
import { HubError } from "../errors.ts";

/** A folder or file of this machine. */
export interface PathReference {
  readonly kind: "path";
  readonly path: string;
}

export type RepositoryType = "model" | "dataset";

/** A repository of the hub at one revision. */
export interface HubReference {
  readonly kind: "hub";
  readonly type: RepositoryType;
  readonly org: string;
  readonly name: string;
  /** a branch, a tag, `refs/pr/1` or a commit; `main` where none is written */
  readonly revision: string;
  /** the folder inside the repository that is meant, with slashes; empty for its root */
  readonly subfolder: string;
}

export type ModelReference = PathReference | HubReference;

const FORMS: Record<RepositoryType, string> = {
  model: `a path or "hf://org/name[@revision][/subfolder]" for the model`,
  dataset: `"hf://datasets/org/name[@revision][/subfolder]" for the data set`,
};
/** Revisions that hold a slash without being written as %2F. */
const SPECIAL_REVISION = /^refs\/(?:convert\/[\w.-]+|pr\/\d+)(?=\/|$)/;
const NAME = /^(?![.-])[\w.-]{1,96}(?<![.-])$/;
const OTHER_KINDS = ["spaces", "kernels", "buckets"];

/** What is read, and as what. */
interface Text {
  readonly text: string;
  readonly type: RepositoryType;
}

/**
 * Reads `hf://org/name[@revision][/subfolder]`, open_clip's `hf-hub:org/name`, or a path.
 * A name without a scheme is always a path. The grammar of `hf://` is that of huggingface_hub's
 * `parse_hf_uri`: a slash in a revision is written `%2F`, except in `refs/pr/1`.
 *
 * throws  HubError (`reference`) for anything that is nearly a reference, with the right spelling
 */
export function parseModelReference(text: string): ModelReference {
  const given: Text = { text, type: "model" };
  if (text.trim() === "") throw unreadable(given, "give a folder or a model of the hub");
  const body = /^(?:hf:\/\/|hf-hub:(?!\/))(.*)$/s.exec(text)?.[1];
  if (body?.startsWith("datasets/") === true) {
    throw unreadable(given, "a data set is a source or a set of a suite; name a model repository");
  }
  if (body !== undefined) return parseBody(given, body.replace(/^models\//, ""));
  refuseNearMiss(given);
  return { kind: "path", path: text };
}

/** Whether a text means a data set of the hub. */
export function isDatasetReference(text: string): boolean {
  return text.startsWith("hf://datasets/");
}

/**
 * Reads `hf://datasets/org/name[@revision][/subfolder]`, by the same grammar.
 *
 * throws  HubError (`reference`) for anything else, with the right spelling
 */
export function parseDatasetReference(text: string): HubReference {
  const given: Text = { text, type: "dataset" };
  const body = /^hf:\/\/datasets\/(.*)$/s.exec(text)?.[1];
  if (body !== undefined) return parseBody(given, body);
  refuseNearMiss(given);
  const name = /^(?:hf:\/\/)?([\w.-]+\/[\w.-]+.*)$/s.exec(text)?.[1];
  throw unreadable(given, `write "hf://datasets/${name ?? "org/name"}"`);
}

/** The reference in its one spelling, `hf://[datasets/]org/name[@revision][/subfolder]`. */
export function formatReference({ type, org, name, revision, subfolder }: HubReference): string {
  const plain = SPECIAL_REVISION.exec(revision)?.[0] === revision;
  const at = revision === "main" ? "" : `@${plain ? revision : encodeURIComponent(revision)}`;
  const kind = type === "dataset" ? "datasets/" : "";
  return `hf://${kind}${org}/${name}${at}${subfolder && `/${subfolder}`}`;
}

/** Its address in a browser, in front of all files too. */
export function repositoryPage(endpoint: string, { type, org, name }: HubReference): string {
  return `${endpoint}/${type === "dataset" ? "datasets/" : ""}${org}/${name}`;
}

/** As messages name it. */
export function repositoryWord({ type }: Pick<HubReference, "type">): string {
  return type === "dataset" ? "data set" : "model";
}

/**
 * Whether `path`, a repository's path with slashes, stays inside the folder that it is joined to
 * under POSIX and Windows rules alike.
 */
export function isInside(path: string): boolean {
  if (/[\\\0]|^[A-Za-z]:/.test(path)) return false;
  return path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

function parseBody(text: Text, body: string): HubReference {
  const parts = /^([^/@]*)(?:\/([^/@]*))?(?:@(.*)|\/(.*))?$/s.exec(body.replace(/\/$/, ""));
  const [, org = "", name, tail, path = ""] = parts ?? [];
  if (name !== undefined && OTHER_KINDS.includes(org)) {
    throw unreadable(text, `${org} are no ${repositoryWord(text)}s; name a repository of one`);
  }
  if (!org || !name) {
    throw unreadable(text, `write the organisation and the name of the ${repositoryWord(text)}`);
  }
  for (const part of [org, name]) checkName(text, part);
  const { revision, subfolder } =
    tail === undefined ? { revision: "main", subfolder: path } : splitRevision(text, tail);
  checkRevision(text, revision);
  if (subfolder !== "" && !isInside(subfolder)) {
    throw unreadable(text, `"${subfolder}" must be a folder inside the repository`);
  }
  return { kind: "hub", type: text.type, org, name, revision, subfolder };
}

function splitRevision(text: Text, tail: string): { revision: string; subfolder: string } {
  const special = SPECIAL_REVISION.exec(tail)?.[0];
  const written = special ?? tail.split("/", 1)[0]!;
  try {
    return { revision: decodeURIComponent(written), subfolder: tail.slice(written.length + 1) };
  } catch (cause) {
    throw unreadable(text, `"${written}" has a % that is not followed by two digits`, cause);
  }
}

function checkName(text: Text, part: string): void {
  if (NAME.test(part) && !/--|\.\.|\.git$/.test(part)) return;
  const rule =
    "letters, digits, -, _ and . (not first or last, no -- or .., not .git at the end, at most 96)";
  throw unreadable(text, `"${part}" must consist of ${rule}`);
}

/** The rules of git for the names of refs, which are also file names in the cache. */
function checkRevision(text: Text, revision: string): void {
  if (revision === "") throw unreadable(text, "write a branch, tag or commit behind @, or no @");
  // oxlint-disable-next-line no-control-regex
  const bad = /[\s\x00-\x1f\x7f~^:?*[\\]|\.\.|\/\/|^\/|\/$|(?:^|\/)\.|\.lock(?:\/|$)/;
  if (!bad.test(revision)) return;
  throw unreadable(text, `"${revision}" cannot be a branch, tag or commit`);
}

function refuseNearMiss(given: Text): void {
  const { text, type } = given;
  const web = /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/(.+)$/i.exec(text)?.[1];
  if (web !== undefined) throw unreadable(given, `write "${fromWebAddress(web)}"`);
  const near = /^(?:hf|hf-hub|hfhub|hub|huggingface):\/*(.*)$/i.exec(text)?.[1];
  const isMissed = near !== undefined && !text.startsWith("hf://");
  const wanted = type === "dataset" && !near?.startsWith("datasets/") ? "datasets/" : "";
  if (isMissed) throw unreadable(given, `write "hf://${wanted}${near || "org/name"}"`);
  const local = /^local-dir:(.*)$/.exec(text)?.[1];
  if (local !== undefined) throw unreadable(given, `write the path alone, "${local}"`);
  if (type === "model" && /^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw unreadable(given, "give the path of a folder, or a model of the hub");
  }
}

/** `org/name/tree/v1/sub` of a browser's address bar as a reference. */
function fromWebAddress(path: string): string {
  const [, kind = "", repository = ""] = /^(datasets\/)?(.*)$/s.exec(path) ?? [];
  const [org = "", name = "name", route, revision, ...rest] = repository
    .replace(/[?#].*$/, "")
    .replace(/\/$/, "")
    .split("/");
  const at = route !== undefined && revision !== undefined && revision !== "main";
  return `hf://${kind}${org}/${name}${at ? `@${revision}` : ""}${rest.map((part) => `/${part}`).join("")}`;
}

function unreadable({ text, type }: Text, advice: string, cause?: unknown): HubError {
  return new HubError("reference", `Expected ${FORMS[type]} but received "${text}"; ${advice}.`, {
    cause,
  });
}
