/**
 * Weights of open_clip alone in a file: a training checkpoint, `{epoch, name, state_dict, optimizer,
 * ...}`, or a bare state dict. A running average beside them (`state_dict_ema`) is not what is read.
 */
import type { Activation } from "../../../nn/activation.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { WeightFile } from "../../weights/weight-file.ts";
import { openWeightFile } from "../../weights/open-weight-file.ts";
import type { GivenFacts, Layout, ModelSource } from "../../layout.ts";
import { isWeightsFile } from "../weights-of.ts";
import { unsettled } from "../unsettled.ts";
import { inferClip, openClipImageHeads, openClipTextHeads, prefixOf } from "./infer-model.ts";
import { openClipTable, type OpenClipNames } from "./keys.ts";
import type { OpenClipModel } from "./model-config.ts";
import { openClipModel } from "./names.ts";
import { pairSource } from "./pair-source.ts";
import { clipTokenizer } from "./tokenizer.ts";

export const openClipCheckpoint: Layout = {
  name: "open_clip checkpoint",
  matches: ({ file }) => {
    if (file === undefined || !isWeightsFile(file)) return false;
    const weights = openWeightFile(file);
    try {
      return weights.names.some((name) =>
        /^(module\.)?(text\.)?token_embedding\.weight$/.test(name),
      );
    } finally {
      weights.close();
    }
  },
  read: (place, given): ModelSource => {
    const file = place.file as string;
    const weights = openWeightFile(file);
    try {
      const { config, names } = modelOf(weights, given);
      return pairSource({
        place,
        given,
        layout: "open_clip checkpoint",
        config,
        table: openClipTable(names),
        wanted: clipTokenizer(config.text.contextLength),
        openWeights: () => openWeightFile(file),
        transform: () => {
          throw unsettled(place.path, "evaluationTransform", "how pictures are prepared");
        },
      });
    } finally {
      weights.close();
    }
  },
};

function modelOf(weights: WeightFile, given: GivenFacts): OpenClipModel {
  const { architecture, activation } = given;
  if (architecture !== undefined) return namedModel(weights, architecture, activation);
  // Says first what no activation would settle.
  const infer = (which: Activation): OpenClipModel =>
    inferClip(weights, {
      activation: which,
      imageHeads: openClipImageHeads,
      textHeads: openClipTextHeads,
    });
  const model = infer(activation ?? "gelu");
  if (activation !== undefined) return model;
  throw unsettled(
    weights.file,
    "activation",
    '"quickGelu" (OpenAI\'s weights and those trained on them) or "gelu"',
  );
}

/** A name settles the activation too; one that is given beside it wins. */
function namedModel(weights: WeightFile, name: string, activation?: Activation): OpenClipModel {
  const { config, names } = openClipModel(weights.file, name);
  const prefix = prefixOf(weights);
  // Files that an older open_clip wrote have the text's names at the root (factory.py, `load_checkpoint`).
  const text = weights.has(`${prefix}text.positional_embedding`) ? "text." : "";
  const spelled: OpenClipNames = { ...names, text, prefix };
  if (activation === undefined) return { config, names: spelled };
  return { config: withActivation(config, activation, names), names: spelled };
}

/** open_clip's own towers with another activation; timm's keep theirs. */
function withActivation(
  config: DualEncoderConfig,
  activation: Activation,
  { image: kind }: OpenClipNames,
): DualEncoderConfig {
  const { image, text } = config;
  return {
    ...config,
    image: image.kind === "vit" && kind === "vit" ? { ...image, activation } : image,
    text: { ...text, activation },
  };
}
