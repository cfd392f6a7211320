/**
 * Weights of open_clip alone in a file: a training checkpoint, `{epoch, name, state_dict, optimizer,
 * ...}`, or a bare state dict. A running average beside them (`state_dict_ema`) is not what is read.
 */
import type { Activation } from "../../../nn/activation.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { Weights } from "../../weights/weight-file.ts";
import { type GivenFacts, type Layout, unsettled } from "../../layout.ts";
import { isWeightsFile } from "../../weights/weight-file.ts";
import { inferClip, openClipImageHeads, openClipTextHeads } from "./infer-model.ts";
import { openClipTable, type OpenClipNames } from "./keys.ts";
import type { OpenClipModel } from "./model-config.ts";
import { openClipModel } from "./names.ts";
import { pairSource, clipTokenizer } from "./pair-source.ts";

export const openClipCheckpoint: Layout = {
  name: "open_clip checkpoint",
  matches: (place) => {
    if (place.file === undefined || !isWeightsFile(place.file)) return false;
    const { names } = place.weightsIn(place.file);
    return names.some((name) => /^(text\.)?token_embedding\.weight$/.test(name));
  },
  read: (place, given) => {
    const file = place.file as string;
    const { config, names } = modelOf(place.weightsIn(file), given);
    return pairSource({
      place,
      given,
      layout: "open_clip checkpoint",
      config,
      table: openClipTable(names),
      wanted: clipTokenizer(config.text.contextLength),
      weights: () => place.weightsIn(file),
      transform: () => {
        throw unsettled(place.path, "evaluationTransform", "how pictures are prepared");
      },
    });
  },
};

function modelOf(weights: Weights, given: GivenFacts): OpenClipModel {
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
function namedModel(weights: Weights, name: string, activation?: Activation): OpenClipModel {
  const { config, names } = openClipModel(weights.file, name);
  // Files that an older open_clip wrote have the text's names at the root (factory.py, `load_checkpoint`).
  const text = weights.has("text.positional_embedding") ? "text." : "";
  const spelled: OpenClipNames = { ...names, text };
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
