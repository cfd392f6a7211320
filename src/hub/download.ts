/** One file of the hub, from its announcement to its place in a snapshot. */
import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { HubError } from "../errors.ts";
import {
  blobFile,
  holds,
  showInSnapshot,
  snapshotFile,
  type RepositoryCache,
} from "./cache-layout.ts";
import { withFileLock } from "../files/file-lock.ts";
import { makeFolders } from "../files/storage.ts";
import type { FileMetadata, HubClient } from "./hub-client.ts";
import { retrying, TransientError, type RetryPlan } from "./retry.ts";

export interface DownloadJob {
  readonly client: HubClient;
  readonly cache: RepositoryCache;
  readonly commit: string;
  /** path in the repository, with slashes */
  readonly file: string;
  /** bytes as the list of files says; undefined where it does not */
  readonly size: number | undefined;
  readonly symlinks: boolean;
  readonly plan: RetryPlan;
  /** called with words for another process that fetches the file, which is waited for */
  readonly onWait?: ((holder: string) => void) | undefined;
  /** called with the file's bytes that are on disk, and all of them */
  readonly onBytes: (received: number, total: number) => void;
}

/** The file is not the one that was announced: it changed on the server in between. */
class ChangedError extends Error {}

const MOST_CHANGES = 3;
const READ_BYTES = 1 << 20;

/**
 * Brings a file into its snapshot; what an earlier try has left is continued. Processes that want
 * the same file wait for each other.
 *
 * throws  HubError; what has arrived stays in `<etag>.incomplete`, except after a wrong checksum
 */
export async function downloadFile(job: DownloadJob): Promise<void> {
  for (let changes = 1; ; changes++) {
    const announced = await job.client.metadata(job.commit, job.file, job.plan);
    try {
      await bringIn(job, announced);
      return;
    } catch (error) {
      if (!(error instanceof ChangedError)) throw error;
      if (changes === MOST_CHANGES) throw mismatch(job, "one unchanging file", error.message);
    }
  }
}

async function bringIn(job: DownloadJob, { etag, ...announced }: FileMetadata): Promise<void> {
  const { cache, commit, file } = job;
  const size = announced.size ?? job.size;
  if (size === undefined) throw mismatch(job, "the size of the file", "none");
  if (job.size !== undefined && size !== job.size) {
    throw mismatch(job, `${job.size} bytes, as the list of files says,`, `${size}`);
  }
  const blob = blobFile(cache, etag);
  const target = snapshotFile(cache, commit, file);
  await withFileLock(
    path.join(cache.locks, `${etag}.limn.lock`),
    async () => {
      if (!(await holds(target, size))) {
        const fresh = !(await holds(blob, size));
        if (fresh) await receive(job, { etag, size, blob });
        await showInSnapshot(blob, target, { fresh, symlinks: job.symlinks });
      }
      job.onBytes(size, size);
    },
    { signal: job.plan.signal, onWait: job.onWait },
  );
}

interface Wanted {
  readonly etag: string;
  readonly size: number;
  readonly blob: string;
}

async function receive(job: DownloadJob, wanted: Wanted): Promise<void> {
  const partial = `${wanted.blob}.incomplete`;
  makeFolders(path.dirname(partial));
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT);
  let keep = false;
  try {
    const arrival = await continueFrom(handle, wanted);
    await fill(job, wanted, arrival);
    await handle.truncate(wanted.size);
    await handle.sync();
    verify(job, wanted, arrival);
    keep = true;
  } catch (error) {
    const spoiled = error instanceof ChangedError || isMismatch(error);
    keep = !spoiled;
    throw error;
  } finally {
    await handle.close();
    if (!keep) await rm(partial, { force: true });
  }
  await putInPlace(partial, wanted);
}

async function putInPlace(partial: string, { blob, size }: Wanted): Promise<void> {
  try {
    await rename(partial, blob);
  } catch (error) {
    // Another process, which took this one for dead, has finished the same file.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" || !(await holds(blob, size))) throw error;
  }
}

/** The bytes of a file that are on disk, hashed in order as they come. */
interface Arrival {
  readonly handle: FileHandle;
  received: number;
  hash: Hash | undefined;
  remoteEtag: string | undefined;
}

async function continueFrom(handle: FileHandle, { etag, size }: Wanted): Promise<Arrival> {
  const hash = hashLike(etag, size);
  const arrival: Arrival = { handle, received: 0, hash, remoteEtag: undefined };
  const present = (await handle.stat()).size;
  if (present > size) return arrival;
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  while (arrival.received < present) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, arrival.received);
    if (bytesRead === 0) break;
    hash?.update(buffer.subarray(0, bytesRead));
    arrival.received += bytesRead;
  }
  return arrival;
}

/** Requests until all bytes are there; a connection that breaks is taken up where it broke. */
async function fill(job: DownloadJob, wanted: Wanted, arrival: Arrival): Promise<void> {
  let before = arrival.received;
  const progressed = () => {
    const forward = arrival.received > before;
    before = arrival.received;
    return forward;
  };
  job.onBytes(arrival.received, wanted.size);
  while (arrival.received < wanted.size) {
    await retrying(`all of ${job.file}`, job.plan, () => request(job, wanted, arrival), progressed);
  }
}

async function request(job: DownloadJob, wanted: Wanted, arrival: Arrival): Promise<void> {
  const { client, commit, file, plan } = job;
  const { received: offset, remoteEtag } = arrival;
  // The connection broke behind the last byte: there is no rest to ask for.
  if (offset === wanted.size) return;
  const resume = { offset, etag: wanted.etag, remoteEtag };
  const delivery = await client.open(commit, file, resume, plan.signal);
  const { answer } = delivery;
  try {
    checkValidator(wanted, delivery.etag);
    checkEncoding(job, answer.headers["content-encoding"]);
    if (answer.status === 200) startAgain(wanted, arrival);
    else if (answer.status !== 206 || !continues(answer.headers["content-range"], offset, wanted)) {
      startAgain(wanted, arrival);
      throw new TransientError(`status ${answer.status} for the rest of the file`);
    }
  } catch (error) {
    await answer.discard();
    throw error;
  }
  arrival.remoteEtag = delivery.remoteEtag;
  for await (const chunk of answer.chunks()) {
    if (arrival.received + chunk.length > wanted.size) {
      throw mismatch(job, `${wanted.size} bytes`, "more");
    }
    await writeAll(arrival.handle, chunk, arrival.received);
    arrival.hash?.update(chunk);
    arrival.received += chunk.length;
    job.onBytes(arrival.received, wanted.size);
  }
  if (arrival.received < wanted.size) {
    throw new TransientError(`${arrival.received} of ${wanted.size} bytes`);
  }
}

/** The hub's hash of what it sends must be the announced one; other kinds of etags say nothing. */
function checkValidator({ etag }: Wanted, sent: string | undefined): void {
  const isHash = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
  if (sent === undefined || sent === etag || !isHash.test(sent) || !isHash.test(etag)) return;
  throw new ChangedError(`${etag}, then ${sent}`);
}

function checkEncoding(job: DownloadJob, encoding: string | undefined): void {
  if (encoding === undefined || encoding === "identity") return;
  throw new HubError(
    "protocol",
    `Expected ${job.file} as it is but received it compressed (${encoding}); check HF_ENDPOINT and the proxy.`,
  );
}

/** Bytes are written in place, never cut off first: a second writer would write the same ones. */
function startAgain({ etag, size }: Wanted, arrival: Arrival): void {
  arrival.received = 0;
  arrival.hash = hashLike(etag, size);
}

/**
 * The running hash that an etag is of: sha256 for a file in LFS (64 hex digits), git's sha1 of
 * "blob <size>\0" and the bytes for another (40). Undefined for an etag of another kind, whose
 * file is checked by its size alone.
 */
function hashLike(etag: string, size: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash("sha256");
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash("sha1").update(`blob ${size}\0`);
  return undefined;
}

function continues(range: string | undefined, offset: number, { size }: Wanted): boolean {
  const found = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "");
  return (
    found !== null && Number(found[1]) === offset && ["*", String(size)].includes(found[2] ?? "")
  );
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

function verify(job: DownloadJob, { etag }: Wanted, { hash }: Arrival): void {
  const digest = hash?.digest("hex");
  if (digest !== undefined && digest !== etag) throw mismatch(job, `the hash ${etag}`, digest);
}

function isMismatch(error: unknown): boolean {
  return error instanceof HubError && error.failure === "checksum";
}

function mismatch(job: DownloadJob, what: string, received: string): HubError {
  return new HubError(
    "checksum",
    `Expected ${what} for ${job.file} but received ${received}; what had arrived was removed: run it again, and check the proxy if it stays so.`,
  );
}
