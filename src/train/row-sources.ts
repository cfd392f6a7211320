/** Rows that training reads instead of decoding or encoding: features of locked towers, pixels. */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { LoaderOptions } from "../data/loader/options.ts";
import type { Tokenizer } from "../data/tokenize/tokenizer.ts";
import type { BatchSources } from "./batch-input.ts";
import type { ResolvedRecipe } from "./recipe.ts";
import type { Trainer } from "./trainer.ts";

export interface OpenSources {
  sources: BatchSources;
  /** What the training loader need not do. */
  loader: Partial<LoaderOptions>;
  close: () => void;
}

export interface RowSourceContext {
  trainer: Trainer;
  transform: EvaluationTransform;
  tokenizer: Tokenizer;
}

export async function openRowSources(
  _recipe: ResolvedRecipe,
  _context: RowSourceContext,
): Promise<OpenSources> {
  return { sources: {}, loader: {}, close: () => undefined };
}
