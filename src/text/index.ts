/** Captions to token ids: every kind of tokenizer, its files, and training one. */
export { createTokenizer } from "./load-tokenizer.ts";
export { clean, cleanings, type Cleaning } from "./clean.ts";
export { tokenizerClassOf } from "./tokenizer-config.ts";
export { coverageText, tokenCoverage, type TokenCoverage } from "./coverage.ts";
export { fixText } from "./fix-text/fix-text.ts";
export { unescapeHtml } from "./fix-text/fix-text.ts";
export {
  familyTokenizer,
  type FamilyTokenizerOptions,
  type OpenClipTokenizerKwargs,
  type TokenizerFamily,
} from "./family-tokenizer.ts";
export { loadTokenizer, type LoadTokenizerOptions } from "./load-tokenizer.ts";
export { saveTokenizer } from "./save-tokenizer.ts";
export { trainTokenizer, type TrainTokenizerOptions } from "./train/train-tokenizer.ts";
export type { VocabularyKind } from "./train/train-model.ts";
export type {
  ClipBpeDescription,
  Pooling,
  TextRules,
  TokenBatch,
  Tokenizer,
  TokenizerDescription,
  TokenizerJsonDescription,
  TokenRow,
} from "./tokenizer-description.ts";
