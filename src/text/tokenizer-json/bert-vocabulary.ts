/**
 * BERT's vocab.txt: as a tokenizer.json, as transformers reads it, or as tensorflow_text.BertTokenizer
 * reads it, which LiT uses.
 */
import { type PieceEncoder, rememberWords, sizeOf } from "../models/piece-model.ts";
import { createWordPiece } from "../models/word-piece.ts";
import { addedTokensOf, type TokenizerConfig } from "../tokenizer-config.ts";
import { postProcessor, type StepConfig } from "./step-config.ts";
import type { TokenizerFile } from "./tokenizer-file.ts";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** Pieces one per line, with their ids, the line numbers from 0. */
export function readBertVocabulary(text: string): Map<string, number> {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return new Map(lines.map((piece, id) => [piece, id]));
}

/** BERT's cleaning as a tokenizer_config.json says it, with the defaults of transformers. */
export function bertNormalizer(config: TokenizerConfig): StepConfig {
  return {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: config.tokenize_chinese_chars ?? true,
    strip_accents: config.strip_accents ?? null,
    lowercase: config.do_lower_case ?? true,
  };
}

/** Rows are [CLS] pieces [SEP]; throws a TypeError for a vocabulary without these. */
export function fromBertVocabulary(
  ids: ReadonlyMap<string, number>,
  config: TokenizerConfig,
): TokenizerFile {
  const missing = special.slice(0, 4).filter((name) => !ids.has(name));
  if (missing.length > 0) throw new TypeError(`no ${missing.join(", ")} among its lines`);
  return {
    version: "1.0",
    truncation: null,
    padding: { pad_id: ids.get("[PAD]")! },
    added_tokens: [
      ...special
        .filter((name) => ids.has(name))
        .map((content) => ({ id: ids.get(content), content, normalized: false, special: true })),
      ...addedTokensOf(config).filter(({ content }) => !special.includes(content)),
    ],
    normalizer: bertNormalizer(config),
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: postProcessor(["[CLS]", "[SEP]"], (name) => ids.get(name) ?? 0),
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}

/** Bytes of UTF-8 from which on a word is unknown as a whole. */
const longestWord = 100;

/**
 * [CLS] and pieces, no [SEP] (vit_jax/preprocess.py): case folded, accents dropped, control
 * characters as spaces, cut at spaces of ASCII, punctuation and ideographs. Names of special
 * tokens in a caption are text.
 *
 * ids      of BERT's vocab.txt, line numbers from 0
 * throws   TypeError for a vocabulary without [CLS] or [UNK]
 */
export function openTensorFlowText(ids: ReadonlyMap<string, number>): PieceEncoder {
  const [unknownId, startId] = ["[UNK]", "[CLS]"].map((name) => {
    const id = ids.get(name);
    if (id === undefined) throw new TypeError(`no ${name} among its lines`);
    return id;
  }) as [number, number];
  const pieces = createWordPiece({ ids, unknownId, prefix: "##", longestWord: Infinity });
  const model = rememberWords({
    ids,
    encode: (word) => (Buffer.byteLength(word) > longestWord ? [unknownId] : pieces.encode(word)),
  });
  return {
    encode: (text) => wordsOf(text).flatMap((word) => model.encode(word)),
    inFront: [startId],
    behind: [],
    endsOnce: false,
    vocabSize: sizeOf(ids.values()),
    // Padded by pad_model_inputs, whatever [PAD] is.
    padId: 0,
    contextLength: undefined,
    readInFront: true,
    idOf: (name) => ids.get(name),
    unknownId,
    byteIds: () => new Set(),
  };
}

const kept =
  /[!-/:-@[-`{-~\p{P}\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]|[^ !-/:-@[-`{-~\p{P}\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]+/gu;

function wordsOf(text: string): string[] {
  const plain = foldCase(text)
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .replace(/\p{Cc}|\p{Cf}/gu, " ");
  return plain.match(kept) ?? [];
}

/** Unicode's NFKC_Casefold: compatibility forms and cases alike, ignorable characters dropped. */
function foldCase(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  const folded = Array.from(text.replace(ignorable, "").normalize("NFKC"), foldCharacter).join("");
  return folded.replace(ignorable, "").normalize("NFKC");
}

const ignorable = /\p{Default_Ignorable_Code_Point}/gu;

/** Full case folding: lower case of upper case, but for what differs from its capital for good. */
function foldCharacter(character: string): string {
  if (/[\u13a0-\u13f5\u0131]/.test(character)) return character;
  if (/[\uab70-\uabbf\u13f8-\u13fd]/.test(character)) return character.toUpperCase();
  if (character === "\u0130") return "i\u0307";
  if (character === "\u1e9e") return "ss";
  return Array.from(character.toUpperCase(), (letter) => letter.toLowerCase()).join("");
}
