/** BERT's vocab.txt as a tokenizer.json. */
import type { TokenizerConfig } from "../tokenizer-config.ts";
import { postProcessor } from "../train/layouts.ts";
import type { StepConfig } from "./step-config.ts";
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
    added_tokens: special
      .filter((name) => ids.has(name))
      .map((content) => ({ id: ids.get(content), content, normalized: false, special: true })),
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
