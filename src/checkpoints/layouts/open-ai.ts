/**
 * OpenAI's `.pt` files: TorchScript archives, or the state dicts taken from them, half of it in
 * float16. Everything is in the shapes (openai/CLIP, model.py, `build_model`): QuickGELU, one head per
 * 64 columns, CLIP's preprocessing and tokenizer.
 */
import { evaluationPreset } from "../../data/image/evaluation-transform.ts";
import { inferClip, openAiHeads } from "./open-clip/infer-model.ts";
import { openClipTable } from "./open-clip/keys.ts";
import { pairSource } from "./open-clip/pair-source.ts";
import { clipTokenizer } from "./open-clip/tokenizer.ts";
import { openWeightFile } from "../weights/open-weight-file.ts";
import type { Layout, ModelSource } from "../layout.ts";
import { isWeightsFile } from "./weights-of.ts";

/** Three numbers that OpenAI keeps beside the weights. */
const marks = ["input_resolution", "context_length", "vocab_size"];

export const openAi: Layout = {
  name: "OpenAI",
  matches: ({ file }) => {
    if (file === undefined || !isWeightsFile(file)) return false;
    const weights = openWeightFile(file);
    try {
      return marks.every((name) => weights.has(name));
    } finally {
      weights.close();
    }
  },
  read: (place, given): ModelSource => {
    const file = place.file as string;
    const weights = openWeightFile(file);
    try {
      const { activation = "quickGelu" } = given;
      const options = { activation, imageHeads: openAiHeads, textHeads: openAiHeads };
      const { config, names } = inferClip(weights, options);
      return pairSource({
        place,
        given,
        layout: "OpenAI",
        config,
        table: openClipTable(names),
        wanted: clipTokenizer(config.text.contextLength),
        openWeights: () => openWeightFile(file),
        transform: () => evaluationPreset("clip", config.image.imageSize),
      });
    } finally {
      weights.close();
    }
  },
};
