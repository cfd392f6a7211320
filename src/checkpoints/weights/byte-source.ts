/**
 * Bytes at positions: an open file, or memory in place of one. Tells by its first bytes what a file is,
 * whatever it is called.
 */
import { closeSync, fstatSync, readSync } from "node:fs";

import { openRegular, standIn } from "../../files/regular-file.ts";
import { fromData, noGrad, readFileInto, scope, viewAs, type Tensor } from "../../torch/index.ts";

export interface ByteSource {
  /** Named in errors. */
  readonly file: string;
  readonly size: number;
  /** A copy of `length` bytes; throws Error where the source ends before. */
  read(position: number, length: number): Uint8Array;
  /** Fills a contiguous CPU tensor; throws Error where the source ends before. */
  fill(target: Tensor, position: number): void;
  close(): void;
}

/** Opens a file for positioned reads. Throws the file system's own error. */
export function openSource(file: string): FileSource {
  return new FileSource(file, openRegular(file));
}

class FileSource implements ByteSource {
  readonly file: string;
  readonly size: number;
  readonly #descriptor: number;
  #open = true;

  constructor(file: string, descriptor: number) {
    this.file = file;
    this.#descriptor = descriptor;
    this.size = fstatSync(descriptor).size;
  }

  read(position: number, length: number): Uint8Array {
    checkRange(this.size, position, length);
    const bytes = new Uint8Array(length);
    // One read call takes at most 2 GiB.
    const most = 1 << 28;
    for (let at = 0; at < length;) {
      const wanted = Math.min(most, length - at);
      const count = readSync(this.#descriptor, bytes, at, wanted, position + at);
      if (count === 0) throw new Error(`the file ends at byte ${position + at}`);
      at += count;
    }
    return bytes;
  }

  fill(target: Tensor, position: number): void {
    noGrad(() => readFileInto(target, this.#descriptor, position));
  }

  close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }
}

/** Bytes in memory under the name of a file. */
export function memorySource(file: string, bytes: Uint8Array): ByteSource {
  const read = (position: number, length: number): Uint8Array => {
    checkRange(bytes.length, position, length);
    return bytes.slice(position, position + length);
  };
  const fill = (target: Tensor, position: number): void => {
    scope(() => {
      const flat = viewAs(target.detach().view(-1), "uint8");
      checkRange(bytes.length, position, flat.count);
      if (flat.count === 0) return;
      flat.copy_(fromData(bytes.subarray(position, position + flat.count)));
    });
  };
  return { file, size: bytes.length, read, fill, close: () => undefined };
}

function checkRange(size: number, position: number, length: number): void {
  if (position >= 0 && length >= 0 && position + length <= size) return;
  throw new Error(`bytes ${position} to ${position + length} are asked of a file of ${size}`);
}

type ContentKind = "safetensors" | "zip" | "json";

/** What a file is: a kind that has a reader, or words for what it is in place of one. */
type Content = { kind: ContentKind } | { kind: undefined; words: string };

const starts: readonly [string, string][] = [
  [
    "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "it is a PyTorch file from before 1.6, which only Python can read (torch.load and torch.save " +
      "with a newer PyTorch, where you trust the file, make it readable)",
  ],
  ["\x80\x02", "it is a bare pickle, of which nothing was executed"],
  ["\x80\x03", "it is a bare pickle, of which nothing was executed"],
  ["\x80\x04", "it is a bare pickle, of which nothing was executed"],
  ["\x80\x05", "it is a bare pickle, of which nothing was executed"],
  ["\x93NUMPY", "it is a single array of numpy, without a name (numpy.savez names arrays)"],
  ["\x1f\x8b", "it is compressed by gzip (unpack it first)"],
  ["\x28\xb5\x2f\xfd", "it is compressed by zstd (unpack it first)"],
  ["\x89HDF", "it is an HDF5 file"],
  ["GGUF", "it is a GGUF file"],
];

/** Sniffs the beginning of a source. */
export function contentKind(source: ByteSource): Content {
  const { size } = source;
  if (size === 0) return { kind: undefined, words: "it is empty" };
  const bytes = source.read(0, Math.min(size, 1024));
  const text = Buffer.from(bytes).toString("latin1");
  // First, as its length can look like the beginning of anything.
  if (looksLikeSafetensors(bytes)) return { kind: "safetensors" };
  if (/^PK(\x03\x04|\x05\x06)/.test(text)) return { kind: "zip" };
  for (const [start, words] of starts) {
    if (text.startsWith(start)) return { kind: undefined, words };
  }
  if (text.slice(257, 262) === "ustar") {
    return { kind: undefined, words: "it is a tar archive (unpack it first)" };
  }
  if (/^\s*\{/.test(text)) return { kind: "json" };
  const words = standIn(bytes) ?? "its first bytes are those of no such file";
  return { kind: undefined, words };
}

/** A length below the format's limit, then a brace. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b && bytes.subarray(4, 8).every((byte) => byte === 0);
}

/** Throws Error in the words of what a source is, where that is known and is not `wanted`. */
export function refuseOther(source: ByteSource, wanted: ContentKind): void {
  const found = contentKind(source);
  if (found.kind === wanted) return;
  // What only looks odd gets the reader's own, closer words.
  if (found.kind === undefined && found.words.includes("no such file")) return;
  const words = { safetensors: "a safetensors file", zip: "a zip archive", json: "JSON" };
  throw new Error(found.kind === undefined ? found.words : `it is ${words[found.kind]}`);
}
