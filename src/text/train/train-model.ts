/** What is learnt for each kind of vocabulary, and the rest of the tokenizer.json that training writes. */
import { alphabetInVocabularyOrder } from "../models/clip-bpe.ts";
import type { StepConfig } from "../tokenizer-json/step-config.ts";
import { trainPairs } from "./train-bpe.ts";
import { trainUnigram } from "./train-unigram.ts";

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

/** Words of the captions, as the layout's steps cut them, and how often each was seen. */
type WordCounts = ReadonlyMap<string, number>;

/** The `model` of a tokenizer.json, and its ids. */
export interface TrainedModel {
  model: { type: string; [key: string]: unknown };
  ids: ReadonlyMap<string, number>;
}

const suffix = "</w>";
const prefix = "##";

/** Learns a vocabulary of at most `vocabSize` ids, the special tokens among them. */
export function trainModel(
  kind: VocabularyKind,
  words: WordCounts,
  vocabSize: number,
): TrainedModel {
  return trainers[kind](words, vocabSize);
}

const trainers = { bpe: trainByteLevel, wordpiece: trainWordPiece, unigram: trainPieces };

function trainByteLevel(words: WordCounts, vocabSize: number): TrainedModel {
  const { names } = layouts.bpe.special;
  const alphabet = [
    ...alphabetInVocabularyOrder,
    ...alphabetInVocabularyOrder.map((character) => character + suffix),
  ];
  const { symbols, merges } = trainPairs(
    Array.from(words, ([word, count]) => [withSuffix(word), count] as const),
    alphabet,
    { symbolLimit: vocabSize - names.length, join: (a, b) => a + b },
  );
  const learnt = symbols.slice(alphabet.length);
  const ids = numbered([...alphabet, ...learnt, ...names]);
  return {
    ids,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: layouts.bpe.tokens["unk_token"],
      continuing_subword_prefix: "",
      end_of_word_suffix: suffix,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(ids),
      merges,
    },
  };
}

function withSuffix(word: string): string[] {
  const characters = Array.from(word);
  return characters.map((character, i) =>
    i === characters.length - 1 ? character + suffix : character,
  );
}

function trainWordPiece(words: WordCounts, vocabSize: number): TrainedModel {
  const { names } = layouts.wordpiece.special;
  // Each character has two forms; at least a third of the vocabulary is left to learn.
  const known = frequentCharacters(words, Math.floor((vocabSize - names.length) / 3));
  const { symbols } = trainPairs(
    knownWords(words, known).map(([word, count]) => [
      Array.from(word, (character, i) => (i === 0 ? character : prefix + character)),
      count,
    ]),
    [],
    {
      symbolLimit: vocabSize - names.length,
      join: (a, b) => a + b.slice(prefix.length),
    },
  );
  const ids = numbered([...names, ...symbols]);
  return {
    ids,
    model: {
      type: "WordPiece",
      unk_token: layouts.wordpiece.tokens["unk_token"],
      continuing_subword_prefix: prefix,
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}

function trainPieces(words: WordCounts, vocabSize: number): TrainedModel {
  const { names } = layouts.unigram.special;
  const limit = vocabSize - names.length;
  const known = frequentCharacters(words, Math.floor(limit / 2));
  const pieces = trainUnigram(knownWords(words, known), limit);
  const vocab = [...names.map((name): [string, number] => [name, 0]), ...pieces];
  return {
    ids: numbered(vocab.map(([piece]) => piece)),
    model: {
      type: "Unigram",
      unk_id: names.indexOf(layouts.unigram.tokens["unk_token"] ?? ""),
      vocab,
      byte_fallback: false,
    },
  };
}

function numbered(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name, id) => [name, id]));
}

/** The most frequent characters, so many that the vocabulary can hold them. */
function frequentCharacters(words: WordCounts, limit: number): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  }
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return new Set(ranked.slice(0, limit).map(([character]) => character));
}

function knownWords(words: WordCounts, known: ReadonlySet<string>): [string, number][] {
  return [...words].filter(([word]) => Array.from(word).every((character) => known.has(character)));
}
