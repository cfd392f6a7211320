/** From a recipe's model and the tokenizer to a model with random weights on its device. */
import { RecipeError } from "../errors.ts";
import { Clip } from "../models/clip.ts";
import { clipConfig, type ClipConfig } from "../models/configs.ts";
import { devices, type Device } from "../torch/index.ts";
import type { Tokenizer } from "../data/tokenize/tokenizer.ts";
import type { ModelRecipe } from "./recipe.ts";

/** What of a tokenizer becomes part of the model. */
export type Vocabulary = Pick<Tokenizer, "vocabSize" | "contextLength" | "padId" | "endId">;

/**
 * The configuration of a recipe's model: sizes from the recipe, vocabulary from the tokenizer.
 *
 * throws  RecipeError for an unknown name, or a tokenizer without an end-of-text token
 */
export function modelConfig(model: ModelRecipe, vocabulary: Vocabulary): ClipConfig {
  const config = typeof model === "string" ? clipConfig(model) : ownConfig(model);
  if (vocabulary.endId === undefined) {
    throw new RecipeError(
      "data.tokenizer",
      "Expected an end-of-text token for data.tokenizer but received a tokenizer without one; " +
        "the text tower is read at that token",
    );
  }
  if (vocabulary.endId === 2) {
    throw new RecipeError(
      "data.tokenizer",
      "Expected an end-of-text token other than 2 for data.tokenizer but received 2; " +
        "Hugging Face's CLIP reads that number as another rule, so give the token another id",
    );
  }
  return {
    ...config,
    text: {
      ...config.text,
      vocabSize: vocabulary.vocabSize,
      contextLength: vocabulary.contextLength,
      eotTokenId: vocabulary.endId,
      padTokenId: vocabulary.padId,
    },
  };
}

function ownConfig(model: Exclude<ModelRecipe, string>): ClipConfig {
  const { embedDim, activation, normEpsilon } = model;
  const { patchDropout, stochasticDepth, ...image } = model.image;
  return {
    embedDim,
    image: {
      ...image,
      mlpWidth: image.mlpWidth ?? 4 * image.width,
      activation,
      normEpsilon,
      ...(patchDropout === undefined ? {} : { patchDropout }),
      ...(stochasticDepth === undefined ? {} : { stochasticDepth }),
    },
    text: {
      ...model.text,
      mlpWidth: model.text.mlpWidth ?? 4 * model.text.width,
      activation,
      normEpsilon,
      contextLength: 0,
      vocabSize: 0,
      eotTokenId: 0,
      padTokenId: 0,
    },
    logitScaleLogInit: Math.log(1 / 0.07),
  };
}

/** Builds the model, turning a size that cannot be into a RecipeError. */
export function buildModel(config: ClipConfig, device: Device): Clip {
  try {
    return new Clip(config).to(device);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RecipeError("model", cause.message, { cause });
  }
}

/** `auto` is the first GPU, else the CPU. Throws RecipeError, naming `key`, for one that is not there. */
export function resolveDevice(wanted: string, key = "train.device"): Device {
  const found = devices();
  if (wanted === "auto") return found.find((device) => device.startsWith("cuda")) ?? "cpu";
  const device = wanted === "cuda" ? "cuda:0" : wanted;
  if (found.includes(device)) return device;
  throw new RecipeError(
    key,
    `Expected one of auto, ${found.join(", ")} for ${key} but received "${wanted}"; ` +
      "limn doctor lists the devices that this libtorch can use",
  );
}
