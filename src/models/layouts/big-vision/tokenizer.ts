/** The vocabulary of a flax checkpoint, which lies beside it or is named. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import {
  createTokenizer,
  familyTokenizer,
  type Tokenizer,
  type TokenizerFamily,
} from "../../../data/tokenize/index.ts";
import { CheckpointError } from "../../../errors.ts";
import type { TextTowerConfig } from "../../../towers/create-tower.ts";
import type { GivenFacts, ModelSource, Place } from "../layout.ts";
import { openPlace } from "../place.ts";
import { fitting, noTokenizer, textTowerOf, tokenizerFamily } from "../tower-tokenizer.ts";

/**
 * The family's tokenizer, with big_vision's cleaning where SentencePiece's own file is read. LiT's
 * vocabulary has the checkpoint's name (`LiT-B16B.npz`, `LiT-B16B.txt`).
 *
 * file    the checkpoint
 * throws  UnsettledError where no vocabulary lies beside it; CheckpointError where it is another
 *         model's, or there is no text tower; DataError for a damaged one
 */
export async function flaxTokenizer(
  place: Place,
  file: string,
  { family, contents }: Pick<ModelSource, "family" | "contents">,
  given: GivenFacts,
): Promise<Tokenizer> {
  const text = textTowerOf(place, contents);
  const rules = tokenizerFamily(family, text);
  const from = vocabularyFile(place, file, rules, given.tokenizer);
  const contextLength = rowLength(place, text, given);
  const description = await familyTokenizer(rules, from, {
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(family !== "LiT" && from.endsWith(".model") ? { clean: "big-vision-lower" as const } : {}),
  });
  return fitting(place, text, await createTokenizer(description));
}

/**
 * Of BERT, whose table of positions is longer than LiT's texts, what the caller says or LiT's own; the
 * other towers read texts at the last of their places.
 */
function rowLength(
  { path }: Place,
  { kind, contextLength }: TextTowerConfig,
  { contextLength: given }: GivenFacts,
): number | undefined {
  if (kind === "bert") return given;
  if (given === undefined || given === contextLength) return contextLength;
  throw new CheckpointError(
    path,
    `Expected ${contextLength}, the places of its weights, for contextLength of ${path} but received ` +
      `${given}; leave it out`,
  );
}

/** Beside `<name>.npz`: the name's own vocabulary first. */
const vocabularies: Partial<Record<TokenizerFamily, readonly string[]>> = {
  "lit-bert": ["<name>.txt", "vocab.txt"],
  "lit-sentencepiece": ["<name>.model", "sentencepiece.model", "spiece.model", "tokenizer.model"],
  siglip: ["<name>.model", "sentencepiece.model", "spiece.model", "tokenizer.json"],
  siglip2: ["<name>.model", "tokenizer.model", "tokenizer.json"],
};

/** `given`: a file, or a folder instead of the checkpoint's own. */
function vocabularyFile(
  beside: Place,
  file: string,
  family: TokenizerFamily,
  given: string | undefined,
): string {
  const isFolder = given !== undefined && statSync(given, { throwIfNoEntry: false })?.isDirectory();
  if (given !== undefined && !isFolder) return given;
  const place = given === undefined ? beside : openPlace(given);
  const own = basename(file, ".npz");
  const wanted = (vocabularies[family] ?? []).map((name) => name.replace("<name>", () => own));
  const found = wanted.find((name) => place.names.includes(name));
  if (found === undefined) throw noTokenizer(place, wanted);
  return join(place.folder, found);
}
