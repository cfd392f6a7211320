/**
 * `.npz` files of big_vision and vision_transformer: SigLIP and SigLIP 2, LiT, and AugReg's ViT alone.
 * There is no configuration beside the weights: sizes come from their shapes, and what all of these
 * models share (activation, epsilon, preprocessing) from the code that trained them.
 */
import { join } from "node:path";
import { evaluationPreset } from "../../../data/image/evaluation-transform.ts";
import { oneNumber, type KeyTable } from "../../weights/key-table.ts";
import { openWeightFile } from "../../weights/open-weight-file.ts";
import type { Family, Layout, ModelSource, Place } from "../layout.ts";
import { readImageTower } from "./image.ts";
import { FlaxShapes, plainName } from "./shapes.ts";
import { gemmaVocabulary, readTextTower } from "./text.ts";
import { flaxTokenizer } from "./tokenizer.ts";

export const bigVision: Layout = {
  name: "big_vision",
  matches: (place) => fileOf(place) !== undefined,
  read: (place, given) => {
    const file = fileOf(place) ?? place.path;
    const weights = openWeightFile(file);
    const shapes = new FlaxShapes(weights);
    weights.close();
    const model = shapes.hasUnder("txt/") ? readPair(shapes) : readTower(shapes);
    const { imageSize } =
      model.contents.kind === "pair" ? model.contents.config.image : model.contents.config;
    return {
      place,
      layout: bigVision.name,
      ...model,
      openWeights: () => openWeightFile(file),
      evaluationTransform: () => given.evaluationTransform ?? evaluationPreset("siglip", imageSize),
      tokenizer: () => flaxTokenizer(place, model, given),
    };
  },
};

/** The file that was named, or the only one of its kind in a folder without a configuration. */
function fileOf({ file, folder, names }: Place): string | undefined {
  if (file !== undefined) return file.endsWith(".npz") ? file : undefined;
  const [only, ...more] = names.filter((name) => name.endsWith(".npz"));
  if (only === undefined || more.length > 0 || names.includes("config.json")) return undefined;
  return join(folder, only);
}

type FlaxModel = Pick<ModelSource, "family" | "table" | "probabilities"> & {
  contents: Exclude<ModelSource["contents"], { kind: "text" }>;
};

/** Beside the weights: the optimizer's state and the training program's counters. */
const common = {
  canonical: plainName,
  ignored: (name: string) => /^(opt|chrono|extra)\//.test(name),
} satisfies Partial<KeyTable>;

function readPair(shapes: FlaxShapes): FlaxModel {
  const image = readImageTower(shapes, "img/");
  const text = readTextTower(shapes);
  const biased = shapes.has("b");
  return {
    family: familyOf(image.config.classToken === true, text.config.vocabSize),
    contents: {
      kind: "pair",
      config: {
        embedDim: text.embedDim,
        image: image.config,
        text: text.config,
        ...(image.embedDim === null ? { imageProjection: false } : {}),
        logitScaleLogInit: Math.log(10),
        ...(biased ? { logitBiasInit: -10 } : {}),
      },
    },
    table: {
      ...common,
      keys: {
        logitScaleLog: { names: ["t"], form: oneNumber },
        logitBias: { names: ["b"], form: oneNumber },
        ...image.keys,
        ...text.keys,
      },
    },
    probabilities: biased ? "sigmoid" : "softmax",
  };
}

/** LiT's image towers have a class token, SigLIP's none. */
function familyOf(classToken: boolean, vocabSize: number): Family {
  if (classToken) return "LiT";
  return vocabSize === gemmaVocabulary ? "SigLIP 2" : "SigLIP";
}

/** A tower alone, with the classifier that it was pretrained with. */
function readTower(shapes: FlaxShapes): FlaxModel {
  const { config, keys } = readImageTower(shapes, shapes.hasUnder("img/") ? "img/" : "");
  return {
    family: "ViT",
    contents: { kind: "image", config, embedDim: null },
    table: {
      ...common,
      keys,
      carried: (name) => /^(img\/)?(head|pre_logits)\//.test(name),
    },
    probabilities: "softmax",
  };
}
