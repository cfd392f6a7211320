/** The vocabulary of a flax checkpoint, which lies beside it or is named. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import {
  createTokenizer,
  familyTokenizer,
  type Tokenizer,
  type TokenizerFamily,
} from "../../../text/index.ts";
import type { TextTowerConfig } from "../../../towers/index.ts";
import type { DescribedModel, Family, GivenFacts } from "../../layout.ts";
import { openPlace, type PlaceFacts } from "../../place.ts";
import { checkContextLength, fitting, noTokenizer, textTowerOf } from "../tower-tokenizer.ts";

/**
 * The family's tokenizer, with big_vision's cleaning where SentencePiece's own file is read. LiT's
 * vocabulary has the checkpoint's name (`LiT-B16B.npz`, `LiT-B16B.txt`).
 *
 * file    the checkpoint
 * throws  UnsettledError where no vocabulary lies beside it; CheckpointError where it is another
 *         model's, or there is no text tower; DataError for a damaged one
 */
export async function flaxTokenizer(
  place: PlaceFacts,
  file: string,
  { family, contents }: Pick<DescribedModel, "family" | "contents">,
  given: GivenFacts,
): Promise<Tokenizer> {
  const text = textTowerOf(place, contents);
  const rules = rulesOf(family, text);
  const from = vocabularyFile(place, file, rules, given.tokenizer);
  checkContextLength(place, text, given);
  // BERT's table of positions is longer than LiT's texts.
  const contextLength = text.kind === "bert" ? given.contextLength : text.contextLength;
  const description = await familyTokenizer(rules, from, {
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(family !== "LiT" && from.endsWith(".model") ? { clean: "big-vision-lower" as const } : {}),
  });
  return fitting(place, text, await createTokenizer(description));
}

/** Whose rules the vocabulary is read by. */
function rulesOf(family: Family, text: TextTowerConfig): TokenizerFamily {
  if (family === "LiT") return text.kind === "bert" ? "lit-bert" : "lit-sentencepiece";
  return family === "SigLIP 2" ? "siglip2" : "siglip";
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
  beside: PlaceFacts,
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
