/** `limn/text`: tokenizers. */
export {
  createTokenizer,
  familyTokenizer,
  loadTokenizer,
  saveTokenizer,
  trainTokenizer,
  type FamilyTokenizerOptions,
  type LoadTokenizerOptions,
  type Tokenizer,
  type TokenizerDescription,
  type TokenizerFamily,
} from "../text/index.ts";
