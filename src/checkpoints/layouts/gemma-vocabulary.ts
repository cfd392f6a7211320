/** SigLIP 2 by its vocabulary, Gemma's, where sizes are all that is known of a SigLIP. */
import type { TextTowerConfig } from "../../towers/index.ts";
import type { Family } from "../layout.ts";

/** Its padding is id 0 and its end of text, as in SigLIP's own vocabulary, id 1. */
export const gemmaVocabulary = 256_000;

/** A label and how the tokenizer's files are read; other SigLIPs pad with the end of text. */
export function siglipFamily({ vocabSize }: Pick<TextTowerConfig, "vocabSize">): Family {
  return vocabSize === gemmaVocabulary ? "SigLIP 2" : "SigLIP";
}
