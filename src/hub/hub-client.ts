/**
 * The hub's two interfaces, as Python's huggingface_hub 2.4 uses them: the list of a revision's
 * files, and the files. Follows redirects, keeps the token to the hub's own host, retries.
 */
import { HubError } from "../errors.ts";
import { parseJson } from "../files/json-text.ts";
import type { Tree, TreeEntry } from "./cache-layout.ts";
import { formatReference, isInside, repositoryPage, type HubReference } from "./reference.ts";
import { requestedWait, retrying, TransientError, type Headers, type RetryPlan } from "./retry.ts";
import type { HubSettings } from "./settings.ts";
import { refusal, type Asked } from "./failures.ts";
import type { Answer, Transport } from "./transport.ts";

/** The files of one commit. */
export interface Listing {
  readonly commit: string;
  readonly tree: Tree;
}

/** What the hub announces about a file before it sends it. */
export interface FileMetadata {
  /** the sha256 of a file in LFS (64 hex digits), git's hash of another (40) */
  readonly etag: string;
  /** bytes; undefined where the server does not say */
  readonly size: number | undefined;
}

export interface HubClient {
  listing(plan: RetryPlan): Promise<Listing>;
  metadata(commit: string, file: string, plan: RetryPlan): Promise<FileMetadata>;
  /** One try to get a file, from byte `from` on; the answer's status is 200, 206 or 416. */
  open(commit: string, file: string, from: ResumePoint, signal?: AbortSignal): Promise<Delivery>;
}

/** Where a download continues, and the validators of what it has so far. */
export interface ResumePoint {
  readonly offset: number;
  readonly etag: string;
  /** the ETag of the last host, where it is another one than the hub */
  readonly remoteEtag: string | undefined;
}

export interface Delivery {
  readonly answer: Answer;
  /** the hub's etag of what it sends, where it gives one */
  readonly etag: string | undefined;
  readonly remoteEtag: string | undefined;
}

const MOST_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

export function createHubClient(
  reference: HubReference,
  settings: HubSettings,
  transport: Transport,
): HubClient {
  const repository = `${reference.org}/${reference.name}`;
  const page = repositoryPage(settings.endpoint, reference);
  const hub = new URL(settings.endpoint);
  const asked: Asked = { reference, settings };

  function fileUrl(commit: string, file: string): URL {
    const encoded = file.split("/").map(encodeURIComponent).join("/");
    return new URL(`${page}/resolve/${commit}/${encoded}`);
  }

  /** The token belongs to the hub: its scheme, host and port. */
  function headersFor(url: URL): Headers {
    const headers = { "user-agent": `limn (node ${process.versions.node})` };
    if (settings.token === undefined || url.origin !== hub.origin) return headers;
    return { ...headers, authorization: `Bearer ${settings.token}` };
  }

  /** Sends, and follows redirects while `follow` agrees. */
  async function send(
    method: "GET" | "HEAD",
    start: URL,
    options: { signal?: AbortSignal | undefined; follow?: Follow; extra?: Extra } = {},
  ): Promise<{ answer: Answer; hubHeaders: Headers; url: URL }> {
    let url = start;
    let hubHeaders: Headers | undefined;
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const headers = { ...headersFor(url), ...options.extra?.(url) };
      const answer = await transport.send(method, url, headers, options.signal);
      // What the hub says about the file, it says in the last answer of its own host.
      if (url.origin === hub.origin || hubHeaders === undefined) hubHeaders = answer.headers;
      const next = redirectOf(url, answer);
      if (next === undefined || options.follow?.(next) === false)
        return { answer, hubHeaders, url };
      await answer.discard();
      url = next;
    }
    throw new HubError(
      "protocol",
      `Expected at most ${MOST_REDIRECTS} redirects for ${start.href} but received more; check HF_ENDPOINT and the proxy.`,
    );
  }

  return {
    async listing(plan) {
      const revision = encodeURIComponent(reference.revision);
      const url = new URL(
        `${settings.endpoint}/api/${reference.type}s/${repository}/revision/${revision}?blobs=true`,
      );
      return retrying(`the files of ${formatReference(reference)}`, plan, async () => {
        const { answer } = await send("GET", url, { signal: plan.signal });
        await refuse(answer, asked, url);
        return readListing(url, await readJson(url, answer));
      });
    },

    async metadata(commit, file, plan) {
      const url = fileUrl(commit, file);
      return retrying(`${file} of ${formatReference(reference)}`, plan, async () => {
        const follow = (next: URL) => next.origin === hub.origin;
        const { answer } = await send("HEAD", url, { signal: plan.signal, follow });
        await refuse(answer, { ...asked, file }, url);
        await answer.discard();
        return readMetadata(url, commit, answer);
      });
    },

    async open(commit, file, from, signal) {
      const url = fileUrl(commit, file);
      const extra: Extra = (url) => rangeHeaders(from, url.origin === hub.origin);
      const { answer, hubHeaders, url: last } = await send("GET", url, { signal, extra });
      if (answer.status !== 416) await refuse(answer, { ...asked, file }, url);
      const remote = last.origin !== hub.origin;
      return {
        answer,
        etag: etagOf(hubHeaders),
        remoteEtag: remote ? answer.headers["etag"] : undefined,
      };
    },
  };
}

type Follow = (next: URL) => boolean;
type Extra = (url: URL) => Headers;

function redirectOf(url: URL, { status, headers }: Answer): URL | undefined {
  const location = headers["location"];
  if (!REDIRECTS.includes(status) || location === undefined) return undefined;
  if (!URL.canParse(location, url.href)) {
    throw new HubError(
      "protocol",
      `Expected an address to go on to from ${url.href} but received ${JSON.stringify(location)}; check HF_ENDPOINT and the proxy.`,
    );
  }
  const next = new URL(location, url.href);
  if (next.protocol === "https:" || next.protocol === url.protocol) return next;
  throw new HubError(
    "protocol",
    `Expected ${url.host} to go on to an https address but received ${next.protocol}//${next.host}; check HF_ENDPOINT and the proxy.`,
  );
}

/**
 * Range, with If-Range so that a changed file comes whole. The hub's validator is the etag; another
 * host has its own, which is known once it has answered.
 */
function rangeHeaders({ offset, etag, remoteEtag }: ResumePoint, isHub: boolean): Headers {
  if (offset === 0) return {};
  const validator = isHub ? `"${etag}"` : remoteEtag?.startsWith("W/") ? undefined : remoteEtag;
  const range = { range: `bytes=${offset}-` };
  return validator === undefined ? range : { ...range, "if-range": validator };
}

/** Throws what a status above 399 means; what may pass is a TransientError. */
async function refuse(answer: Answer, asked: Asked, url: URL): Promise<void> {
  const { status, headers } = answer;
  if (status < 400) return;
  await answer.discard();
  if (status === 408 || status === 429 || status >= 500) {
    const waitMs = status === 429 || status === 503 ? requestedWait(headers) : undefined;
    throw new TransientError(`status ${status} of ${url.host}`, { waitMs });
  }
  throw refusal(status, headers, asked);
}

/** Bytes of a list of files: some 300,000 of them, more than any model has. */
const MOST_LISTING = 64 << 20;

async function readJson(url: URL, answer: Answer): Promise<unknown> {
  const announced = Number(answer.headers["content-length"] ?? 0);
  const parts: Uint8Array[] = [];
  let length = 0;
  // An error inside closes the connection.
  for await (const chunk of answer.chunks()) {
    length += chunk.length;
    if (Math.max(length, announced) > MOST_LISTING) {
      throw unlike(url, `more than ${MOST_LISTING} bytes`);
    }
    parts.push(chunk);
  }
  const text = Buffer.concat(parts).toString();
  try {
    return parseJson(text, { integers: "rounded" });
  } catch (cause) {
    // As JSON: what a terminal would obey is shown, not sent.
    throw unlike(url, JSON.stringify(text.slice(0, 60)), { cause });
  }
}

interface Sibling {
  rfilename?: unknown;
  size?: number;
  blobId?: string;
  lfs?: { sha256?: string; size?: number };
}

function readListing(url: URL, body: unknown): Listing {
  const { sha, siblings } = (body ?? {}) as { sha?: unknown; siblings?: Sibling[] };
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
    throw unlike(url, "no list of files");
  }
  const tree = new Map<string, TreeEntry>();
  for (const sibling of siblings as (Sibling | null)[]) {
    const { rfilename, size, blobId, lfs } = sibling ?? {};
    if (typeof rfilename !== "string") throw unlike(url, "a file without a name");
    if (!isInside(rfilename)) {
      throw new HubError(
        "protocol",
        `Expected files inside the repository from ${url.host} but received ${JSON.stringify(rfilename)}; nothing was written: do not trust this repository.`,
      );
    }
    const bytes = lfs?.size ?? size ?? undefined;
    if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= 0)) {
      throw unlike(url, `a size of ${JSON.stringify(bytes)} for ${JSON.stringify(rfilename)}`);
    }
    const inLfs =
      typeof lfs?.sha256 === "string" ? { lfs_sha256: lfs.sha256, lfs_size: bytes } : {};
    tree.set(rfilename, { size: bytes, ...(blobId && { blob_id: blobId }), ...inLfs });
  }
  return { commit: sha, tree };
}

function readMetadata(url: URL, commit: string, { status, headers }: Answer): FileMetadata {
  const etag = etagOf(headers);
  if (etag === undefined) throw unlike(url, "an answer without ETag");
  const found = headers["x-repo-commit"];
  if (found !== commit) throw unlike(url, `X-Repo-Commit ${found ?? "missing"}`);
  const length = headers["x-linked-size"] ?? (status < 300 ? headers["content-length"] : undefined);
  return { etag, size: length && /^\d{1,15}$/.test(length) ? Number(length) : undefined };
}

/** The etag as the cache names it: without the quotes and the mark of a weak one. */
function etagOf(headers: Headers): string | undefined {
  const etag = (headers["x-linked-etag"] ?? headers["etag"])?.replace(/^W\//, "").replace(/"/g, "");
  return etag !== undefined && /^[\w.+=-]{1,128}$/.test(etag) && !etag.includes("..")
    ? etag
    : undefined;
}

function unlike(url: URL, received: string, options?: ErrorOptions): HubError {
  return new HubError(
    "protocol",
    `Expected the answer of a hub for ${url.href} but received ${received}; check HF_ENDPOINT and the proxy.`,
    options,
  );
}
