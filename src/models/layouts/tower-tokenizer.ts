/** The tokenizer of a model, which must fit its text tower. */
import { createTokenizer, loadTokenizer, type Tokenizer } from "../../data/tokenize/index.ts";
import { CheckpointError, UnsettledError } from "../../errors.ts";
import type { TextTowerConfig } from "../../towers/create-tower.ts";
import type { GivenFacts, ModelSource, Place } from "./layout.ts";

/** What may hold a vocabulary. */
const tokenizerFiles = [
  "tokenizer.json",
  "merges.txt",
  "vocab.txt",
  "spiece.model",
  "tokenizer.model",
  "sentencepiece.bpe.model",
];

/**
 * The tokenizer beside a model, or the one that was given, its rows as long as the tower reads.
 *
 * throws  CheckpointError where its ids are not the tower's, or the model has no text tower
 */
export async function towerTokenizer(
  place: Place,
  contents: ModelSource["contents"],
  given: GivenFacts,
): Promise<Tokenizer> {
  if (contents.kind === "image") {
    throw new CheckpointError(
      place.path,
      `Expected a text tower in ${place.path} but it holds an image tower alone; it has no tokenizer`,
    );
  }
  const text = contents.kind === "text" ? contents.config : contents.config.text;
  if (given.tokenizer === undefined && !tokenizerFiles.some((name) => place.names.includes(name))) {
    throw new UnsettledError(
      place.path,
      "tokenizer",
      `Expected a tokenizer in ${place.path} but there is none of ${tokenizerFiles.join(", ")}; copy ` +
        "its files from where the model came from, or name its folder or file with tokenizer",
    );
  }
  return fitting(place, text, await loadTokenizer(given.tokenizer ?? place.folder));
}

/** `tokenizer` with rows that the tower reads. Throws CheckpointError where its ids do not fit. */
export async function fitting(
  { path }: Place,
  text: TextTowerConfig,
  tokenizer: Tokenizer,
): Promise<Tokenizer> {
  const { vocabSize, endId, contextLength, description } = tokenizer;
  const readAtEnd = text.kind === "transformer" && text.pooling !== "last";
  const eotTokenId = readAtEnd ? text.eotTokenId : undefined;
  if (vocabSize > text.vocabSize || (eotTokenId !== undefined && endId !== eotTokenId)) {
    throw new CheckpointError(
      path,
      `Expected a tokenizer of at most ${text.vocabSize} ids that ends texts with ` +
        `${eotTokenId ?? "any"} for the model in ${path} but received one of ${vocabSize} ids that ` +
        `ends them with ${endId ?? "nothing"}; copy the tokenizer's files from where the model came from`,
    );
  }
  // Files may name a longer limit, or none; the tower has one position per token.
  return contextLength > text.contextLength
    ? createTokenizer({ ...description, contextLength: text.contextLength })
    : tokenizer;
}
