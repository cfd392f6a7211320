/** BERT's vocab.txt as a tokenizer.json. */
import { postProcessor } from "../train/layouts.ts";
import type { TokenizerFile } from "./tokenizer-file.ts";

/** What a tokenizer_config.json says about BERT's cleaning, with the defaults of transformers. */
export interface BertSettings {
  do_lower_case?: boolean;
  strip_accents?: boolean | null;
  tokenize_chinese_chars?: boolean;
}

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** Pieces one per line, ids their line numbers from 0; rows are [CLS] pieces [SEP]. */
export function fromBertVocabulary(text: string, settings: BertSettings): TokenizerFile {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const ids = new Map(lines.map((piece, id) => [piece, id]));
  const missing = special.slice(0, 4).filter((name) => !ids.has(name));
  if (missing.length > 0) throw new TypeError(`no ${missing.join(", ")} among its lines`);
  const { do_lower_case: lowercase = true, strip_accents = null } = settings;
  return {
    version: "1.0",
    truncation: null,
    padding: { pad_id: ids.get("[PAD]")! },
    added_tokens: special
      .filter((name) => ids.has(name))
      .map((content) => ({
        id: ids.get(content),
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: settings.tokenize_chinese_chars ?? true,
      strip_accents,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: postProcessor(["[CLS]", "[SEP]"], (name) => ids.get(name) ?? 0),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    } as NonNullable<TokenizerFile["model"]>,
  };
}
