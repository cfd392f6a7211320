import { RecipeError } from "../errors.ts";
import type { TextRules, TokenizerJsonDescription } from "./tokenizer.ts";
import { className, type TokenizerConfig } from "./tokenizer-config.ts";

/** Every rule by name. */
export const textRules: readonly TextRules[] = [
  "file",
  "bert",
  "siglip",
  "siglip2",
  "tensorflow-text",
];

/**
 * The rules that the class in a tokenizer_config.json asks for, those of the file where it names
 * none that has its own.
 *
 * throws   RecipeError for Gemma's class without a word on lower case: SigLIP 2 was published
 *          under it, and must be lower-cased where Gemma must not (transformers, pull request
 *          43101)
 */
export function rulesOf(
  { file, clean }: Pick<TokenizerJsonDescription, "file" | "clean">,
  config: TokenizerConfig,
): TextRules {
  switch (className(config)) {
    case "BertTokenizer":
      return "bert";
    case "SiglipTokenizer":
      return "siglip";
    case "Siglip2Tokenizer":
      return "siglip2";
    case "GemmaTokenizer":
      if (config.do_lower_case !== undefined) return config.do_lower_case ? "siglip2" : "file";
      if (clean !== undefined) return "file";
      throw new RecipeError(
        "tokenizer.rules",
        `Expected tokenizer.rules for ${file}, whose GemmaTokenizer does not say whether text is ` +
          `lower-cased; set it to "siglip2" for a SigLIP 2 model (lower-cased) or to "file".`,
      );
    default:
      return "file";
  }
}
