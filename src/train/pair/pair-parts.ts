/**
 * What a pair is made of before it has weights: configuration, tokenizer, evaluation transform and templates,
 * from the recipe, or from the model that the run starts from.
 */
import {
  convertedFirst,
  evaluationPreset,
  parseEvaluationTransform,
  type EvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { createTokenizer } from "../../text/index.ts";
import { readTemplates } from "../../text/read-templates.ts";
import type { Tokenizer, TokenizerDescription } from "../../text/tokenizer-description.ts";
import { atPath } from "../../errors.ts";
import { pairConfigOf } from "../../checkpoints/checkpoint.ts";
import type { DualEncoderConfig } from "../../pair/dual-encoder.ts";
import type { ModelSource } from "../../checkpoints/layout.ts";
import { changedConfig, modelConfig, withVocabulary } from "../recipe/build-model.ts";
import { resolveLogits } from "../recipe/logits.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";

export interface PairParts {
  config: DualEncoderConfig;
  tokenizer: Tokenizer;
  transform: EvaluationTransform;
  /** What the model is to carry for the names of classes; undefined where nothing says it. */
  templates: readonly string[] | undefined;
}

/**
 * origin   the model that stands for what the recipe leaves out: its `pretrained`, or a checkpoint of
 *          the run; unused where the recipe leaves out nothing
 * throws   RecipeError, DataError or CheckpointError where something does not fit
 */
export async function pairParts(
  recipe: ResolvedRecipe,
  origin: ModelSource | undefined,
): Promise<PairParts> {
  const { model, data } = recipe;
  const logits = resolveLogits(recipe.logits, recipe.objective);
  const templates = recipe.templates ? readTemplates(recipe.templates) : origin?.templates();
  if (model === undefined) {
    return { ...(await partsOfOrigin(recipe, known(origin))), templates };
  }
  const tokenizer = data.tokenizer
    ? await tokenizerOf(data.tokenizer)
    : await known(origin).tokenizer();
  const config = modelConfig(model, tokenizer, logits);
  const preset = evaluationPreset("clip", config.image.imageSize);
  return { config, tokenizer, transform: transformOf(recipe, preset), templates };
}

/** The recipe is checked to name what it leaves out. */
function known(origin: ModelSource | undefined): ModelSource {
  if (origin !== undefined) return origin;
  throw new TypeError("internal: the recipe leaves out what no model stands for");
}

async function partsOfOrigin(
  recipe: ResolvedRecipe,
  origin: ModelSource,
): Promise<Omit<PairParts, "templates">> {
  const { modelChanges: changes = {}, data } = recipe;
  const found = pairConfigOf(origin);
  const tokenizer = data.tokenizer
    ? await tokenizerOf(data.tokenizer)
    : await ofLength(await origin.tokenizer(), changes.contextLength);
  const config = changedConfig(found, changes, {
    contextLength: tokenizer.contextLength,
    logits: resolveLogits(recipe.logits, recipe.objective),
    scaleAs: recipe.logits.scale.as,
  });
  const transform = atSize(convertedFirst(origin.evaluationTransform()), config.image.imageSize);
  // Another tokenizer than the model's must fit its table of tokens, which loading checks.
  const text = data.tokenizer ? withVocabulary(config.text, tokenizer) : config.text;
  return { config: { ...config, text }, tokenizer, transform: transformOf(recipe, transform) };
}

/** The same share of a picture at another size. */
function atSize(transform: EvaluationTransform, imageSize: number): EvaluationTransform {
  const { resizeSize, ...rest } = transform;
  if (resizeSize === undefined) return { ...rest, imageSize };
  return {
    ...rest,
    imageSize,
    resizeSize: Math.round((resizeSize * imageSize) / transform.imageSize),
  };
}

function tokenizerOf(description: TokenizerDescription): Promise<Tokenizer> {
  return atPath("data.tokenizer", () => createTokenizer(description));
}

async function ofLength(tokenizer: Tokenizer, length: number | undefined): Promise<Tokenizer> {
  if (length === undefined || length === tokenizer.contextLength) return tokenizer;
  return createTokenizer({ ...tokenizer.description, contextLength: length });
}

function transformOf(recipe: ResolvedRecipe, base: EvaluationTransform): EvaluationTransform {
  const given = recipe.data.transform ?? {};
  const { imageSize } = base;
  return parseEvaluationTransform({ ...base, ...given, imageSize }, "data.transform");
}
