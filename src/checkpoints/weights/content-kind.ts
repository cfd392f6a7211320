/** Tells by its first bytes what a file is, whatever it is called. */
import type { ByteSource } from "./byte-source.ts";

export type ContentKind = "safetensors" | "zip" | "json";

/** What a file is: a kind that has a reader, or words for what it is in place of one. */
export type Content = { kind: ContentKind } | { kind: undefined; words: string };

const starts: readonly [string, string][] = [
  [
    "version https://git-lfs.github.com/spec/",
    "it is a Git LFS pointer in place of the file (git lfs pull fetches the file itself)",
  ],
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
  if (/^\s*<(!doctype|html|\?xml|head|body)/i.test(text)) {
    const words = "it is a web page, as a failed download leaves one (fetch it again)";
    return { kind: undefined, words };
  }
  return { kind: undefined, words: "its first bytes are those of no such file" };
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
