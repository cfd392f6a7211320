/**
 * `.npz` files of big_vision and vision_transformer: SigLIP and SigLIP 2, LiT, and AugReg's ViT alone.
 * There is no configuration beside the weights: sizes come from their shapes, and what all of these
 * models share (activation, epsilon, preprocessing) from the code that trained them.
 */
import { join } from "node:path";
import { evaluationPreset } from "../../../data/image/evaluation-transform.ts";
import { naflexPreset } from "../../../data/image/naflex-transform.ts";
import { CheckpointError } from "../../../errors.ts";
import { squareTransform } from "../../preprocessing/hugging-face-naflex.ts";
import { oneNumber, type KeyTable } from "../../weights/key-table.ts";
import { siglipFamily } from "../hugging-face/siglip-family.ts";
import type { DescribedModel, Family, GivenFacts, Layout, PairContents } from "../../layout.ts";
import type { PlaceFacts } from "../../place.ts";
import { readImageTower, type FlaxImageTower } from "./image.ts";
import { FlaxShapes, plainName } from "./shapes.ts";
import { readTextTower } from "./text.ts";
import { flaxTokenizer } from "./tokenizer.ts";

export const bigVision: Layout = {
  name: "big_vision",
  matches: (place) => filesOf(place).length > 0,
  read: (place, given) => {
    const file = onlyFile(place);
    const shapes = new FlaxShapes(place.weightsIn(file));
    const model = shapes.hasUnder("txt/") ? readPair(shapes, given) : readTower(shapes, given);
    const { contents, family } = model;
    const image = contents.kind === "pair" ? contents.config.image : contents.config;
    return {
      place,
      layout: bigVision.name,
      ...model,
      weights: () => place.weightsIn(file),
      ...preprocessing(image as FlaxImageTower["config"], family, given),
      tokenizer: () => flaxTokenizer(place, file, model, given),
    };
  },
};

/** The file that was named, or those of a folder without a configuration. */
function filesOf({ file, folder, names }: PlaceFacts): string[] {
  if (file !== undefined) return file.endsWith(".npz") ? [file] : [];
  if (names.includes("config.json")) return [];
  return names.filter((name) => name.endsWith(".npz")).map((name) => join(folder, name));
}

function onlyFile(place: PlaceFacts): string {
  const [only = place.path, ...more] = filesOf(place);
  if (more.length === 0) return only;
  throw new CheckpointError(
    place.path,
    `Expected one .npz file in ${place.path} but received ${more.length + 1}; name the file, ` +
      `such as ${only}`,
  );
}

function preprocessing(
  image: FlaxImageTower["config"],
  family: Family,
  given: GivenFacts,
): Pick<DescribedModel, "evaluationTransform" | "naflexTransform"> {
  const { evaluationTransform: own } = given;
  if (image.kind === "naflex") {
    const { imageSize, patchSize } = image;
    const patches = { ...naflexPreset((imageSize / patchSize) ** 2), patchSize };
    return {
      evaluationTransform: () => own ?? squareTransform(patches, imageSize),
      naflexTransform: () => (own === undefined ? patches : undefined),
    };
  }
  const preset = family === "LiT" ? "lit" : "big-vision";
  return { evaluationTransform: () => own ?? evaluationPreset(preset, image.imageSize) };
}

type FlaxModel = Pick<DescribedModel, "family" | "table"> & {
  contents: Exclude<DescribedModel["contents"], { kind: "text" }>;
};

/** Beside the weights: the optimizer's state and the training program's counters. */
const common = {
  canonical: plainName,
  ignored: (name: string) => /^(opt|chrono|extra)\//.test(name),
} satisfies Partial<KeyTable>;

function readPair(shapes: FlaxShapes, given: GivenFacts): FlaxModel {
  const image = readImageTower(shapes, "img/", given.evaluationTransform?.imageSize);
  const text = readTextTower(shapes);
  const biased = shapes.has("b");
  const contents: PairContents = {
    kind: "pair",
    config: {
      embedDim: text.embedDim,
      image: image.config,
      text: text.config,
      ...(image.embedDim === null ? { imageProjection: false } : {}),
      logitScaleLogInit: Math.log(10),
      ...(biased ? { logitBiasInit: -10 } : {}),
    },
  };
  const numbers: KeyTable["keys"] = {
    logitScaleLog: { names: ["t"], form: oneNumber },
    logitBias: { names: ["b"], form: oneNumber },
  };
  return {
    family: familyOf(contents),
    contents,
    table: { ...common, keys: { ...numbers, ...image.keys, ...text.keys } },
  };
}

/** LiT's image towers have a class token, SigLIP's none. */
function familyOf({ config: { image, text } }: PairContents): Family {
  if (image.kind === "vit" && image.classToken === true) return "LiT";
  return siglipFamily(text);
}

/** A tower alone, with the classifier that it was pretrained with. */
function readTower(shapes: FlaxShapes, given: GivenFacts): FlaxModel {
  const prefix = shapes.hasUnder("img/") ? "img/" : "";
  const { config, keys } = readImageTower(shapes, prefix, given.evaluationTransform?.imageSize);
  return {
    family: "ViT",
    contents: { kind: "image", config, embedDim: null },
    table: {
      ...common,
      keys,
      carried: (name) => /^(img\/)?(head|pre_logits)\//.test(name),
    },
  };
}
