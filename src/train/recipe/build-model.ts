/** From a recipe's model and the tokenizer to a model with random weights on its device. */
import { placed, RecipeError } from "../../errors.ts";
import { pairConfig } from "../../pair/published.ts";
import { DualEncoder, type DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { resolveDevice, type Device } from "../../torch/index.ts";
import {
  configureImageTower,
  configureTextTower,
  knowsChange,
  namedImageTower,
  namedTextTower,
  withVocabulary as fitted,
  type ImageTowerConfig,
  type TextTowerConfig,
} from "../../towers/index.ts";
import { given } from "../../towers/recipe-fields.ts";
import type { TrainingChange, Vocabulary } from "../../towers/tower-kind.ts";
import { refuseSetting } from "./check-recipe.ts";
import type { Logits } from "./logits.ts";
import type { ModelChangesRecipe, PairRecipe } from "./recipe-model.ts";
import type { ModelRecipe } from "./recipe.ts";

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
  const config = typeof model === "string" ? namedConfig(model) : ownConfig(model);
  const { logitBiasInit: _, ...pair } = config;
  return {
    ...pair,
    text: withVocabulary(config.text, vocabulary),
    logitScaleLogInit: Math.log(logits.scaleInit),
    ...(logits.scaleAs === "temperature" ? { logitScaleAs: "temperature" as const } : {}),
    ...(logits.bias === null ? {} : { logitBiasInit: logits.bias }),
  };
}

function namedConfig(name: string): DualEncoderConfig {
  try {
    return pairConfig(name);
  } catch (error) {
    return refuseSetting(error);
  }
}

/** A text tower for a tokenizer. Throws RecipeError where the tower needs a token that is not there. */
export function withVocabulary(text: TextTowerConfig, vocabulary: Vocabulary): TextTowerConfig {
  return inRecipe("data.tokenizer", () => fitted(text, vocabulary, "data.tokenizer"));
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

type Shared = Pick<PairRecipe, "activation" | "normEpsilon">;

/** A recipe's image tower: by its published name, or of its own sizes. */
export function imageTowerConfig(tower: PairRecipe["image"], shared: Shared): ImageTowerConfig {
  const key = "model.image";
  if (typeof tower === "string") return inRecipe(key, () => namedImageTower(tower, key));
  if (tower.kind !== "sized") return configureImageTower(tower, shared);
  const { size, kind: _, ...changes } = tower;
  const image = inRecipe(key, () => namedImageTower(size, key));
  return changedImage(image, changes, { key, name: size });
}

const trainingChanges: readonly TrainingChange[] = ["patchDropout", "stochasticDepth"];

function changedImage(
  image: ImageTowerConfig,
  changes: Omit<ModelChangesRecipe, "contextLength">,
  { key, name }: { key: string; name: string },
): ImageTowerConfig {
  for (const change of trainingChanges) {
    const value = changes[change];
    if (value === undefined || knowsChange(image, change)) continue;
    throw new RecipeError(
      `${key}.${change}`,
      `Expected no ${change} for a ${name} but received ${value}; remove ${key}.${change}`,
    );
  }
  return { ...image, ...given(changes) } as ImageTowerConfig;
}

/** A recipe's text tower: by its published name, or of its own sizes; its vocabulary is still empty. */
export function textTowerConfig(tower: PairRecipe["text"], shared: Shared): TextTowerConfig {
  const key = "model.text";
  if (typeof tower === "string") return inRecipe(key, () => namedTextTower(tower, key));
  return configureTextTower(tower, shared);
}

/** Builds the model. Throws RecipeError for a size that cannot be. */
export function buildModel(config: DualEncoderConfig, device: Device): DualEncoder {
  return inRecipe("model", () => new DualEncoder(config).to(device));
}

/** Runs `body`; what it refuses is named by its path in the recipe. */
export function inRecipe<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RecipeError(path, placed(cause.message, path), { cause });
  }
}

/** The device of `train.device`. Throws RecipeError for one that is not there. */
export function trainingDevice(wanted: string): Device {
  return inRecipe("train.device", () => resolveDevice(wanted, "train.device"));
}
