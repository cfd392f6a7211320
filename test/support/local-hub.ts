/**
 * A server on 127.0.0.1 that answers as the hub does: lists of files, metadata, ranges, and a second
 * server, the store, that large files are redirected to. A test can take over any request.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface LocalFile {
  readonly bytes: Buffer;
  /** kept in LFS: named by its sha256, and served by the store */
  readonly lfs: boolean;
}

export interface LocalRepository {
  readonly commit: string;
  /** branches and tags that stand for the commit */
  readonly revisions: readonly string[];
  readonly files: Readonly<Record<string, LocalFile>>;
}

export interface LoggedRequest {
  readonly server: "hub" | "store";
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

/** Returns true when it has answered. */
export type Intercept = (
  request: LoggedRequest,
  response: ServerResponse,
) => boolean | Promise<boolean>;

export interface LocalHub {
  readonly endpoint: string;
  readonly storeOrigin: string;
  readonly log: LoggedRequest[];
  /** By `org/name`, of data sets by `datasets/org/name`. */
  readonly repositories: Map<string, LocalRepository>;
  intercept: Intercept | undefined;
  close(): Promise<void>;
}

export async function startLocalHub(
  repositories: Readonly<Record<string, LocalRepository>>,
): Promise<LocalHub> {
  const servers: Server[] = [];
  const listen = async (name: LoggedRequest["server"], answer: Answerer) => {
    const server = createServer((request, response) => {
      const logged = {
        server: name,
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
      };
      hub.log.push(logged);
      void (async () => {
        if (!(await hub.intercept?.(logged, response))) answer(logged, response);
      })();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const known = new Map(Object.entries(repositories));
  const hub: LocalHub = {
    endpoint: await listen("hub", (request, response) => answerAsHub(hub, request, response)),
    storeOrigin: await listen("store", (request, response) =>
      answerAsStore(hub, request, response),
    ),
    log: [],
    repositories: known,
    intercept: undefined,
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      }
    },
  };
  return hub;
}

type Answerer = (request: LoggedRequest, response: ServerResponse) => void;

export function gitHash(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function etagOfFile({ bytes, lfs }: LocalFile): string {
  return lfs ? sha256(bytes) : gitHash(bytes);
}

/** Bytes that repeat nowhere soon, the same on every run. */
export function someBytes(count: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function refuseWith(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { "content-length": 0, ...headers }).end();
  return true;
}

function answerAsHub(hub: LocalHub, request: LoggedRequest, response: ServerResponse): void {
  const { pathname } = new URL(request.url, hub.endpoint);
  const api = /^\/api\/(?:models\/)?((?:datasets\/)?[^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(
    pathname,
  );
  const file = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
  const [, name = "", route = "resolve", encoded = ""] =
    api ?? (file ? [file[0], file[1], "resolve", file[2]] : []);
  const repository = hub.repositories.get(name);
  if (!repository) return void refuseWith(response, 401, { "x-error-code": "RepoNotFound" });
  const revision = decodeURIComponent(encoded);
  if (revision !== repository.commit && !repository.revisions.includes(revision)) {
    return void refuseWith(response, 404, { "x-error-code": "RevisionNotFound" });
  }
  if (route === "revision") return sendJson(response, describe(name, repository));
  if (route === "tree") return sendJson(response, listTree(repository));
  const path = decodeURIComponent(file?.[3] ?? "");
  const found = repository.files[path];
  const commit = { "x-repo-commit": repository.commit };
  if (!found) {
    return void refuseWith(response, 404, { "x-error-code": "EntryNotFound", ...commit });
  }
  if (!found.lfs) return sendBytes(request, response, found.bytes, etagOfFile(found), commit);
  response
    .writeHead(302, {
      ...commit,
      "x-linked-etag": `"${etagOfFile(found)}"`,
      "x-linked-size": found.bytes.length,
      location: `${hub.storeOrigin}/store/${etagOfFile(found)}?signature=1`,
      "content-length": 0,
    })
    .end();
}

function answerAsStore(hub: LocalHub, request: LoggedRequest, response: ServerResponse): void {
  const etag = /^\/store\/([0-9a-f]+)/.exec(request.url)?.[1];
  const files = [...hub.repositories.values()].flatMap(({ files }) => Object.values(files));
  const found = files.find((file) => etagOfFile(file) === etag);
  if (!found) return void refuseWith(response, 404);
  // A store names its objects in its own way.
  sendBytes(request, response, found.bytes, `store-${etag?.slice(0, 16)}`);
}

function sendBytes(
  request: LoggedRequest,
  response: ServerResponse,
  bytes: Buffer,
  etag: string,
  headers: Record<string, string> = {},
): void {
  const condition = request.headers["if-range"];
  const range = /^bytes=(\d+)-$/.exec(request.headers["range"] ?? "");
  const from = range && (!condition || condition === `"${etag}"`) ? Number(range[1]) : 0;
  if (from > 0 && from >= bytes.length) {
    return void refuseWith(response, 416, { "content-range": `bytes */${bytes.length}` });
  }
  const partial =
    from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from === 0 ? 200 : 206, {
    etag: `"${etag}"`,
    "accept-ranges": "bytes",
    "content-length": bytes.length - from,
    ...partial,
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : bytes.subarray(from));
}

function describe(name: string, { commit, files }: LocalRepository): unknown {
  const siblings = Object.entries(files).map(([rfilename, file]) => ({
    rfilename,
    size: file.bytes.length,
    blobId: gitHash(file.bytes),
    ...(file.lfs && {
      lfs: { sha256: sha256(file.bytes), size: file.bytes.length, pointerSize: 134 },
    }),
  }));
  return { id: name, modelId: name, sha: commit, tags: [], downloads: 0, siblings };
}

function listTree({ files }: LocalRepository): unknown {
  return Object.entries(files).map(([path, file]) => ({
    type: "file",
    path,
    size: file.bytes.length,
    oid: gitHash(file.bytes),
    ...(file.lfs && {
      lfs: { oid: sha256(file.bytes), size: file.bytes.length, pointerSize: 134 },
    }),
  }));
}

function sendJson(response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value);
  response
    .writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    })
    .end(text);
}
