/** `limn/text`: tokenizers, and what of a language they can write. */
export {
  coverageText,
  createTokenizer,
  familyTokenizer,
  loadTokenizer,
  saveTokenizer,
  tokenCoverage,
  trainTokenizer,
  type FamilyTokenizerOptions,
  type LoadTokenizerOptions,
  type TokenCoverage,
  type Tokenizer,
  type TokenizerDescription,
  type TokenizerFamily,
} from "../text/index.ts";
