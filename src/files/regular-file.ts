/**
 * Reading files that people name. Only regular files are opened: a pipe, a socket or a device would
 * be waited for, or have no end. Nothing is read that is larger than its reader allows.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { DataError } from "../errors.ts";
import { decodeText, encodePath } from "./decode-text.ts";
import { parseJson } from "./json-text.ts";

/** No text or vocabulary is larger; the largest tokenizer has 35 MB. */
const MOST_BYTES = 256 << 20;

/**
 * Opens a file for reading and gives its descriptor. Links are followed.
 *
 * throws   the file system's own error; an Error with code EISDIR for a folder, and with code ENOTFILE
 *          for a pipe, a socket or a device
 */
export function openRegular(path: string): number {
  const place = encodePath(path);
  // Opening a device may already do something, so it is looked at first.
  checkRegular(statSync(place));
  // A pipe that takes the file's place in between must not be waited for. Windows has no such flag.
  const withoutWaiting = (constants.O_NONBLOCK as number | undefined) ?? 0;
  const descriptor = openSync(place, constants.O_RDONLY | withoutWaiting);
  try {
    checkRegular(fstatSync(descriptor));
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * For a file that something else opens, which would wait for a pipe. One that is not there is fine.
 *
 * throws   as `openRegular`
 */
export function checkRegularFile(path: string): void {
  const stats = statSync(encodePath(path), { throwIfNoEntry: false });
  if (stats !== undefined) checkRegular(stats);
}

/**
 * Whether a file lies at a path that may have none. A link that leads nowhere is a file that is lost, as
 * in a cache that was half removed.
 *
 * throws   as `openRegular`, and for such a link
 */
export function hasRegular(path: string): boolean {
  const place = encodePath(path);
  const stats = statSync(place, { throwIfNoEntry: false });
  if (stats !== undefined) {
    checkRegular(stats);
    return true;
  }
  if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return false;
  throw Object.assign(new Error("it is a link that leads nowhere"), { code: "ENOTFILE" });
}

/** For a file that is about to be written. throws  as `openRegular`, for a pipe alone */
export function checkNoPipe(path: string): void {
  const stats = statSync(encodePath(path), { throwIfNoEntry: false });
  if (stats?.isFIFO() === true) checkRegular(stats);
}

function checkRegular(stats: Stats): void {
  if (stats.isFile()) return;
  if (stats.isDirectory()) {
    throw Object.assign(new Error("it is a folder, not a file"), { code: "EISDIR" });
  }
  const what = stats.isFIFO() ? "a pipe" : stats.isSocket() ? "a socket" : "a device";
  throw Object.assign(new Error(`it is ${what}, not a file`), { code: "ENOTFILE" });
}

/**
 * The bytes of a file.
 *
 * mostBytes   the largest file that is read; looked at before memory is taken
 * throws      as `openRegular`, and Error for a larger file
 */
export function readRegular(path: string, mostBytes: number = MOST_BYTES): Buffer<ArrayBuffer> {
  const descriptor = openRegular(path);
  try {
    const { size } = fstatSync(descriptor);
    if (size > mostBytes) {
      throw new Error(`its ${size} bytes are more than the ${mostBytes} allowed here`);
    }
    return readExactly(descriptor, 0, size);
  } finally {
    closeSync(descriptor);
  }
}

/** `size` bytes of an open file from `offset`; throws Error where it ends before. */
export function readExactly(descriptor: number, offset: number, size: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(size));
  // One read call takes at most 2 GiB.
  const most = 1 << 28;
  for (let filled = 0; filled < size;) {
    const wanted = Math.min(most, size - filled);
    const count = readSync(descriptor, bytes, filled, wanted, offset + filled);
    if (count === 0) throw new Error("the file became shorter while it was read");
    filled += count;
  }
  return bytes;
}

/** The text of a file, see `decodeText`; throws as `readRegular` and `decodeText`. */
export function readTextFile(path: string, mostBytes: number = MOST_BYTES): string {
  return decodeText(readRegular(path, mostBytes));
}

/**
 * The value of a JSON file of settings, integers beyond 2^53 rounded; throws as `readTextFile` and
 * `parseJson`.
 */
export function readJsonFile(path: string, mostBytes: number = MOST_BYTES): unknown {
  const bytes = readRegular(path, mostBytes);
  const other = standIn(bytes);
  if (other !== undefined) throw new Error(other);
  const text = decodeText(bytes);
  if (text.trim() === "") throw new Error("the file is empty");
  return parseJson(text, { integers: "rounded" });
}

/** What a file is instead of what was wanted, as a phrase, and what to do. */
export interface Substitute {
  what: string;
  cure: string;
}

/** What often lies in place of a file that was fetched, told by its first bytes. */
export function substituteOf(bytes: Uint8Array): Substitute | undefined {
  const start = Buffer.from(bytes.subarray(0, 1024))
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "");
  if (start.startsWith("version https://git-lfs.github.com/spec/")) {
    return {
      what: "a Git LFS pointer in place of the file",
      cure: "git lfs pull fetches the file itself",
    };
  }
  if (/^\s*<\?xml/i.test(start) && start.includes("<svg")) return undefined;
  return /^\s*<(!doctype|html|\?xml|head|body)/i.test(start)
    ? { what: "a web page, as a failed download leaves one", cure: "fetch it again" }
    : undefined;
}

/** The same as a sentence. */
export function standIn(bytes: Uint8Array): string | undefined {
  const found = substituteOf(bytes);
  return found && `it is ${found.what} (${found.cure})`;
}

/** No picture or archive that is text throughout is so short. */
const MOST_WORDS = 1024;

/** The same for files that are no text: a few words, which a server sent in place of the file. */
export function wordsInPlace(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_WORDS) return undefined;
  const words = Buffer.from(bytes).toString("latin1").trim();
  if (!/^[\x20-\x7e\s]{8,}$/.test(words)) return undefined;
  const shown = words.length > 80 ? `${words.slice(0, 77)}...` : words;
  return `it is text, ${JSON.stringify(shown)}, as a failed download leaves it (fetch it again)`;
}

/** Why a file could not be read, as a sentence goes on after its name: never a code alone. */
export function readingReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "the file does not exist";
  if (code === "EACCES" || code === "EPERM") return "the file is not readable";
  if (code === "ENOTDIR") return "a file stands where its path has a folder";
  if (code === "ELOOP") return "links on its path lead in a circle";
  return error instanceof DataError ? error.reason : message;
}

const readingCalls = new Set(
  "open read stat lstat fstat scandir opendir readlink realpath".split(" "),
);

/** A bare failure of the file system that was of reading, as a DataError that names the place. */
export function asReadingError(error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (path === undefined || !readingCalls.has(syscall ?? "")) return error;
  return new DataError(
    `Expected a place that can be read for ${path} but received ${code}: ${readingReason(error)}; ` +
      "check the path and its permissions",
    { source: path },
    { cause: error },
  );
}
