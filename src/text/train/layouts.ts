/** The tokenizer.json files that training writes: everything but the model's contents. */
import type { StepConfig } from "../tokenizer-json/step-config.ts";

/** The kinds of vocabulary that can be trained. */
export type VocabularyKind = "bpe" | "wordpiece" | "unigram";

/** A layout: how text becomes words, and the tokens that are not learnt. */
export interface Layout {
  normalizer: StepConfig;
  preTokenizer: StepConfig;
  decoder: StepConfig;
  /** Names in tokenizer_config.json. */
  tokens: Readonly<Record<string, string>>;
  /** Placed in front of the vocabulary, or at its end. */
  special: { names: readonly string[]; first: boolean };
}

const spaces = { type: "Replace", pattern: { Regex: "\\s+" }, content: " " };

// As CLIP's, but marks belong to the letter in front of them: without that no vowel sign of Hindi
// or Thai could be in one symbol with its consonant.
const clipWords = "'s|'t|'re|'ve|'m|'ll|'d|\\p{L}[\\p{L}\\p{M}]*|\\p{N}|[^\\s\\p{L}\\p{N}]+";

/** Per kind. */
export const layouts: Readonly<Record<VocabularyKind, Layout>> = {
  bpe: {
    normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, spaces, { type: "Lowercase" }] },
    preTokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: clipWords }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    tokens: {
      bos_token: "<|startoftext|>",
      eos_token: "<|endoftext|>",
      unk_token: "<|endoftext|>",
      pad_token: "<|endoftext|>",
    },
    // Last, so that the end of text has the greatest id, which is where CLIP pools.
    special: { names: ["<|startoftext|>", "<|endoftext|>"], first: false },
  },
  wordpiece: {
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      // Accents are letters in most languages.
      strip_accents: false,
      lowercase: true,
    },
    preTokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    tokens: { cls_token: "[CLS]", sep_token: "[SEP]", unk_token: "[UNK]", pad_token: "[PAD]" },
    special: { names: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], first: true },
  },
  unigram: {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFKC" },
        spaces,
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Lowercase" },
      ],
    },
    preTokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    tokens: { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" },
    special: { names: ["<pad>", "</s>", "<unk>"], first: true },
  },
};

/** The names of start (if any) and end of text in a layout. */
export function endsOf({ tokens }: Layout): string[] {
  const names = [
    tokens["bos_token"] ?? tokens["cls_token"],
    tokens["eos_token"] ?? tokens["sep_token"],
  ];
  return names.filter((name) => name !== undefined);
}

/** The post-processor that puts the end of text behind the ids, and the start, if any, in front. */
export function postProcessor(
  ends: readonly string[],
  idOf: (token: string) => number,
): StepConfig {
  const special = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  const sequence = (id: string): object => ({ Sequence: { id, type_id: 0 } });
  const start = ends.slice(0, -1).map(special);
  const end = ends.slice(-1).map(special);
  return {
    type: "TemplateProcessing",
    single: [...start, sequence("A"), ...end],
    pair: [...start, sequence("A"), sequence("B"), ...end],
    special_tokens: Object.fromEntries(
      ends.map((name) => [name, { id: name, ids: [idOf(name)], tokens: [name] }]),
    ),
  };
}
