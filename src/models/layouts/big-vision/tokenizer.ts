/** The vocabulary of a flax checkpoint, which lies beside it or is named. */
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../../data/tokenize/index.ts";
import { UnsettledError } from "../../../errors.ts";
import type { GivenFacts, ModelSource, Place } from "../layout.ts";
import { fitting } from "../tower-tokenizer.ts";

/** Throws UnsettledError where no vocabulary lies beside the checkpoint. */
export async function flaxTokenizer(
  place: Place,
  { contents }: Pick<ModelSource, "contents" | "family">,
  given: GivenFacts,
): Promise<Tokenizer> {
  if (contents.kind !== "pair") {
    throw new UnsettledError(
      place.path,
      "tokenizer",
      `Expected a text tower in ${place.path} but it holds an image tower alone`,
    );
  }
  const from = given.tokenizer ?? join(place.folder);
  return fitting(place, contents.config.text, await loadTokenizer(from));
}
