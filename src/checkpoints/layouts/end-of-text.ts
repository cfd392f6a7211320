/** Where the text towers of CLIP are read, and token ids of configurations that nothing is computed from. */
import type { JsonFields } from "../../files/json-fields.ts";
import type { TextTransformerConfig } from "../../towers/text/text-transformer.ts";

/** Of CLIP's own tokenizer, whose end of text is the greatest of its ids. */
const clipVocabulary = 49_408;

type End = Pick<TextTransformerConfig, "eotTokenId" | "pooling">;

/**
 * A tower that is read at the greatest id of a row, transformers' rule for an `eos_token_id` of 2. With
 * CLIP's own vocabulary that is the end of text; one that was enlarged has further ids behind it.
 */
export function readAtGreatest(vocabSize: number): End {
  const eotTokenId = vocabSize - 1;
  return vocabSize === clipVocabulary ? { eotTokenId } : { eotTokenId, pooling: "greatest" };
}

/**
 * The same rule in the layouts of OpenAI and open_clip (`argmax`), which name no tokenizer: a vocabulary
 * smaller than CLIP's has one of its own, whose end of text has to be the last id.
 */
export function readAtArgmax(vocabSize: number): End {
  return vocabSize < clipVocabulary ? { eotTokenId: vocabSize - 1 } : readAtGreatest(vocabSize);
}

/**
 * An id that nothing is computed from, which files leave out, or have as null, as a list or as what
 * another library's defaults say: `fallback` where it is no id of the vocabulary.
 */
export function freeId(
  fields: JsonFields,
  key: string,
  { fallback, vocabSize }: { fallback: number; vocabSize: number },
): number {
  const value = fields.raw(key);
  const fits = Number.isInteger(value) && Number(value) >= 0 && Number(value) < vocabSize;
  return fits ? Number(value) : fallback;
}
