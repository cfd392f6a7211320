import { createClipTokenizer } from "./clip/clip-tokenizer.ts";
import { checkDescription } from "./description.ts";
import { createHuggingFaceTokenizer } from "./tokenizer-json/hugging-face.ts";
import type { Tokenizer, TokenizerDescription } from "./tokenizer.ts";

/**
 * A tokenizer from its description, in any thread.
 *
 * throws RecipeError for a description with unknown keys or values; DataError for files that are
 * missing, damaged or of different models
 */
export async function createTokenizer(description: TokenizerDescription): Promise<Tokenizer> {
  checkDescription(description);
  return description.kind === "clip-bpe"
    ? createClipTokenizer(description)
    : createHuggingFaceTokenizer(description);
}
