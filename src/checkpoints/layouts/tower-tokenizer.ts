/** The tokenizer of a model, which must fit its text tower. */
import { statSync } from "node:fs";
import {
  createTokenizer,
  familyTokenizer,
  loadTokenizer,
  tokenizerClassOf,
  type Tokenizer,
  type TokenizerFamily,
} from "../../text/index.ts";
import { CheckpointError, UnsettledError } from "../../errors.ts";
import type { TextTowerConfig } from "../../towers/index.ts";
import type { TextTransformerConfig } from "../../towers/text/text-transformer.ts";
import { type DescribedModel, type GivenFacts, settledBy } from "../layout.ts";
import type { PlaceFacts } from "../place.ts";

/** How a family's tokenizer is read, where its files leave that open. */
export interface TokenizerRules {
  /** Whose rules a single file is read by. ALIGN's for a BERT and CLIP's for others when absent. */
  readonly file?: TokenizerFamily;
  /** The class that transformers takes for a folder that names none. */
  readonly className?: string;
  /** A class that published folders name, although `className` is what the model was trained with. */
  readonly publishedAs?: string;
  /** The most tokens per text, of a table of positions that is larger than any text. */
  readonly mostTokens?: number;
}

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
 * throws  UnsettledError where there is none; CheckpointError where its ids are not the tower's, or
 *         the model has no text tower
 */
export async function towerTokenizer(
  place: PlaceFacts,
  {
    contents,
    rules = {},
  }: { contents: DescribedModel["contents"]; rules?: TokenizerRules | undefined },
  given: GivenFacts,
): Promise<Tokenizer> {
  const text = textTowerOf(place, contents);
  if (given.tokenizer === undefined && !tokenizerFiles.some((name) => place.names.includes(name))) {
    throw noTokenizer(place, tokenizerFiles);
  }
  checkContextLength(place, text, given);
  const contextLength =
    given.contextLength ?? Math.min(rules.mostTokens ?? Infinity, text.contextLength);
  const from = given.tokenizer ?? place.folder;
  const tokenizer = statSync(from, { throwIfNoEntry: false })?.isFile()
    ? await createTokenizer(
        await familyTokenizer(
          rules.file ?? (text.kind === "bert" ? "align" : "clip-openai"),
          from,
          { contextLength },
        ),
      )
    : await loadTokenizer(from, { contextLength, ...(await classFor(rules, from)) });
  return fitting(place, text, tokenizer);
}

/** Throws CheckpointError where there is no text tower. */
export function textTowerOf(
  place: PlaceFacts,
  contents: DescribedModel["contents"],
): TextTowerConfig {
  if (contents.kind === "pair") return contents.config.text;
  if (contents.kind === "text") return contents.config;
  throw new CheckpointError(
    place.path,
    `Expected a text tower in ${place.path} but it holds an image tower alone; it has no tokenizer`,
  );
}

/** `names`: the files that were looked for. */
export function noTokenizer({ path }: PlaceFacts, names: readonly string[]): UnsettledError {
  return new UnsettledError(
    path,
    "tokenizer",
    `Expected a tokenizer in ${path} but there is none of ${names.join(", ")}; copy its files from ` +
      `where the model came from, or name its folder or file with ${settledBy("tokenizer")}`,
  );
}

/** The class that transformers takes for a folder that names none; none where it names another. */
async function classFor(
  { className, publishedAs }: TokenizerRules,
  folder: string,
): Promise<{ tokenizerClass?: string }> {
  const named = await tokenizerClassOf(folder);
  const isOther = named !== undefined && named !== publishedAs;
  return className === undefined || isOther ? {} : { tokenizerClass: className };
}

/**
 * Throws CheckpointError for rows of a given length that the tower does not read: longer than its table
 * of positions, or other than it where texts are read at their last place.
 */
export function checkContextLength(
  { path }: PlaceFacts,
  text: TextTowerConfig,
  { contextLength: given }: GivenFacts,
): void {
  const { contextLength: places } = text;
  const readAtLast = text.kind === "transformer" && text.pooling === "last";
  if (given === undefined || (readAtLast ? given === places : given <= places)) return;
  throw new CheckpointError(
    path,
    `Expected ${readAtLast ? "" : "at most "}${places}, the places of its weights, for contextLength ` +
      `of ${path} but received ${given}; ${readAtLast ? "leave it out" : "give a smaller one"}`,
  );
}

/** `tokenizer` with rows that the tower reads. Throws CheckpointError where its ids do not fit. */
export async function fitting(
  { path }: PlaceFacts,
  text: TextTowerConfig,
  tokenizer: Tokenizer,
): Promise<Tokenizer> {
  const { vocabSize, endId, contextLength, description } = tokenizer;
  const { padId } = tokenizer;
  const pooling = text.kind === "transformer" ? (text.pooling ?? "eot") : undefined;
  const eotTokenId = pooling === "eot" ? (text as TextTransformerConfig).eotTokenId : undefined;
  if (vocabSize > text.vocabSize || (eotTokenId !== undefined && endId !== eotTokenId)) {
    throw new CheckpointError(
      path,
      `Expected a tokenizer of at most ${text.vocabSize} ids${ending(eotTokenId)} for the model in ` +
        `${path} but received one of ${vocabSize} ids` +
        `${eotTokenId === undefined ? "" : ending(endId ?? "nothing")}; copy the tokenizer's files ` +
        "from where the model came from",
    );
  }
  if (pooling === "greatest" && padId > (endId ?? 0)) {
    throw new CheckpointError(
      path,
      `Expected padding with an id up to ${endId}, the end of text, for the model in ${path}, which is ` +
        `read at the greatest id of a row, but received ${padId}; a model that is read at its padding ` +
        "is not supported",
    );
  }
  // Files may name a longer limit, or none; the tower has one position per token.
  return contextLength > text.contextLength
    ? createTokenizer({ ...description, contextLength: text.contextLength })
    : tokenizer;
}

const ending = (id: number | string | undefined): string =>
  id === undefined ? "" : ` that ends texts with ${id}`;
