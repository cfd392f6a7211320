/** From a recipe's model and the tokenizer to a model with random weights on its device. */
import { RecipeError } from "../../errors.ts";
import { pairConfig } from "../../pair/published-pairs.ts";
import { DualEncoder, type DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { resolveDevice, type Device } from "../../torch/index.ts";
import type { ImageTowerConfig, TextTowerConfig } from "../../towers/create-tower.ts";
import { namedImageTower, namedTextTower } from "../../towers/named-towers.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { Logits } from "../recipe/logits.ts";
import type { ModelChangesRecipe, PairRecipe } from "../recipe/recipe-model.ts";
import type { ModelRecipe } from "../recipe/recipe.ts";

/** What of a tokenizer becomes part of the model. */
export type Vocabulary = Pick<Tokenizer, "vocabSize" | "contextLength" | "padId" | "endId">;

/**
 * The configuration of a recipe's model: sizes from the recipe, vocabulary from the tokenizer, the
 * scale and bias of the logits from the recipe and its objective.
 *
 * throws  RecipeError for an unknown name, or a tokenizer that does not fit the text tower
 */
export function modelConfig(
  model: ModelRecipe,
  vocabulary: Vocabulary,
  logits: Logits,
): DualEncoderConfig {
  const config = typeof model === "string" ? pairConfig(model) : ownConfig(model);
  const { logitBiasInit: _, ...pair } = config;
  return {
    ...pair,
    text: withVocabulary(config.text, vocabulary),
    logitScaleLogInit: Math.log(logits.scaleInit),
    ...(logits.scaleAs === "temperature" ? { logitScaleAs: "temperature" as const } : {}),
    ...(logits.bias === null ? {} : { logitBiasInit: logits.bias }),
  };
}

/** A text tower for a tokenizer. Throws RecipeError where the tower needs a token that is not there. */
export function withVocabulary(text: TextTowerConfig, vocabulary: Vocabulary): TextTowerConfig {
  const { vocabSize, contextLength, padId: padTokenId, endId } = vocabulary;
  const fitted = { ...text, vocabSize, contextLength, padTokenId };
  if (fitted.kind !== "transformer") return fitted;
  if (fitted.pooling === "last") return { ...fitted, eotTokenId: endId ?? 0 };
  if (endId === undefined) {
    throw new RecipeError(
      "data.tokenizer",
      "Expected an end-of-text token for data.tokenizer but received a tokenizer without one; " +
        "the text tower is read at that token",
    );
  }
  if (endId === 2) {
    throw new RecipeError(
      "data.tokenizer",
      "Expected an end-of-text token other than 2 for data.tokenizer but received 2; " +
        "Hugging Face's CLIP reads that number as another rule, so give the token another id",
    );
  }
  return { ...fitted, eotTokenId: endId };
}

function ownConfig(model: PairRecipe): DualEncoderConfig {
  const { embedDim, imageProjection, textProjection } = model;
  return {
    embedDim,
    image: imageTowerConfig(model.image, model),
    text: textTowerConfig(model.text, model),
    ...(imageProjection ? {} : { imageProjection }),
    ...(textProjection ? {} : { textProjection }),
    logitScaleLogInit: 0,
  };
}

/**
 * The configuration of a folder's model for a run that starts from its weights: its sizes and
 * vocabulary, changed as the recipe says, with the recipe's logits where it speaks of them.
 *
 * contextLength  of the tokenizer's rows
 * throws         RecipeError for a change that the tower does not know
 */
export function changedConfig(
  config: DualEncoderConfig,
  changes: ModelChangesRecipe,
  {
    contextLength,
    logits,
    scaleAs,
  }: { contextLength: number; logits: Logits; scaleAs?: Logits["scaleAs"] | undefined },
): DualEncoderConfig {
  const { logitBiasInit: _, logitScaleAs, logitScaleLogInit, ...pair } = config;
  const { contextLength: __, ...image } = changes;
  return {
    ...pair,
    image: changedImage(config.image, image, {
      key: "modelChanges",
      name: `tower of kind ${config.image.kind}`,
    }),
    text: { ...config.text, contextLength },
    logitScaleLogInit,
    ...((scaleAs ?? logitScaleAs) === "temperature"
      ? { logitScaleAs: "temperature" as const }
      : {}),
    ...(logits.bias === null ? {} : { logitBiasInit: logits.bias }),
  };
}

type SizedTower = Extract<PairRecipe["image"], { kind: "sized" }>;
type Shared = Pick<PairRecipe, "activation" | "normEpsilon">;

/** A recipe's image tower: by its published name, or of its own sizes. */
export function imageTowerConfig(tower: PairRecipe["image"], shared: Shared): ImageTowerConfig {
  if (typeof tower === "string") return namedImageTower(tower);
  if (tower.kind === "vit" || tower.kind === "naflex")
    return completed(tower, shared) as ImageTowerConfig;
  if (tower.kind !== "sized") return tower as ImageTowerConfig;
  return resized(tower);
}

function resized({ size, kind: _, ...changes }: SizedTower): ImageTowerConfig {
  return changedImage(namedImageTower(size), changes, { key: "model.image", name: size });
}

function changedImage(
  image: ImageTowerConfig,
  changes: Omit<ModelChangesRecipe, "contextLength">,
  { key, name }: { key: string; name: string },
): ImageTowerConfig {
  const changed = given(changes);
  const { kind } = image;
  for (const [change, value] of Object.entries(changed)) {
    if (change !== "patchDropout" && change !== "stochasticDepth") continue;
    const knows = kind === "mixer" || kind === "bitResNet" || kind === "naflex";
    if (kind === "vit" || (change === "stochasticDepth" && knows)) continue;
    throw new RecipeError(
      `${key}.${change}`,
      `Expected no ${change} for a ${name} but received ${value}; remove ${key}.${change}`,
    );
  }
  return { ...image, ...changed } as ImageTowerConfig;
}

/** A recipe's text tower: by its published name, or of its own sizes; its vocabulary is empty yet. */
export function textTowerConfig(tower: PairRecipe["text"], shared: Shared): TextTowerConfig {
  if (typeof tower === "string") return namedTextTower(tower);
  const empty = { contextLength: 0, vocabSize: 0, padTokenId: 0 };
  if (tower.kind === "bert") {
    return { mlpWidth: 4 * tower.width, ...given(tower), ...empty } as TextTowerConfig;
  }
  return { ...completed(tower, shared), ...empty, eotTokenId: 0 } as TextTowerConfig;
}

/** Fills in the hidden width and what the towers of a pair share; absent keys stay absent. */
function completed<T extends { width: number; mlpWidth?: number | undefined }>(
  tower: T,
  { activation, normEpsilon }: Shared,
): T & Shared {
  return { activation, normEpsilon, mlpWidth: 4 * tower.width, ...given(tower) };
}

/** The keys that have a value. */
function given<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** Builds the model, turning a size that cannot be into a RecipeError. */
export function buildModel(config: DualEncoderConfig, device: Device): DualEncoder {
  try {
    return new DualEncoder(config).to(device);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RecipeError("model", cause.message, { cause });
  }
}

/** The device of `train.device`. Throws RecipeError for one that is not there. */
export function trainingDevice(wanted: string): Device {
  try {
    return resolveDevice(wanted, "train.device");
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RecipeError("train.device", cause.message, { cause });
  }
}
