/**
 * OpenAI's `.pt` files: TorchScript archives, or the state dicts taken from them, half of it in
 * float16. Everything is in the shapes (openai/CLIP, model.py, `build_model`): QuickGELU, one head per
 * 64 columns, CLIP's preprocessing and tokenizer.
 */
import { evaluationPreset } from "../../data/image/evaluation-transform.ts";
import { inferClip, openAiHeads } from "./open-clip/infer-model.ts";
import { openClipTable } from "./open-clip/keys.ts";
import { pairSource, clipTokenizer } from "./open-clip/pair-source.ts";
import type { Layout } from "../layout.ts";
import { isWeightsFile } from "../weights/weight-file.ts";

/** Three numbers that OpenAI keeps beside the weights. */
const marks = ["input_resolution", "context_length", "vocab_size"];

export const openAi: Layout = {
  name: "OpenAI",
  matches: (place) => {
    if (place.file === undefined || !isWeightsFile(place.file)) return false;
    const weights = place.weightsIn(place.file);
    return marks.every((name) => weights.has(name));
  },
  read: (place, given) => {
    const file = place.file as string;
    const { activation = "quickGelu" } = given;
    const options = { activation, imageHeads: openAiHeads, textHeads: openAiHeads };
    const { config, names } = inferClip(place.weightsIn(file), options);
    return pairSource({
      place,
      given,
      layout: "OpenAI",
      config,
      table: openClipTable(names),
      wanted: clipTokenizer(config.text.contextLength),
      weights: () => place.weightsIn(file),
      transform: () => ({
        ...evaluationPreset("clip", config.image.imageSize),
        colorConversion: "afterResize",
      }),
    });
  },
};
