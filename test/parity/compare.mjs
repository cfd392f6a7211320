/** One family: limn loads what the reference wrote, computes the same, and saves it for the way back. */
import { readFileSync } from "node:fs";
import path from "node:path";
import {
  applyEvaluationTransform,
  normalizePixels,
} from "../../dist/src/data/image/evaluation-transform.js";
import {
  applyNaflexTransform,
  normalizePatches,
} from "../../dist/src/data/image/naflex-transform.js";
import {
  loadCarried,
  loadWeights,
  pairConfigOf,
  saveCheckpoint,
} from "../../dist/src/checkpoints/checkpoint.js";
import { evaluating } from "../../dist/src/nn/module.js";
import { DualEncoder, unitRows } from "../../dist/src/pair/dual-encoder.js";
import { openModelAt } from "../../dist/src/checkpoints/open-model.js";
import { loadTower } from "../../dist/src/checkpoints/tower-folder.js";
import { readSafetensors } from "../../dist/src/checkpoints/weights/safetensors.js";
import { withoutInitialValues } from "../../dist/src/nn/initialize.js";
import { noGrad, scope } from "../../dist/src/torch/index.js";
import { createImageTower } from "../../dist/src/towers/index.js";
import { NaflexVisionTransformer } from "../../dist/src/towers/image/naflex-vision-transformer.js";

/**
 * @typedef {import("../../dist/src/checkpoints/layout.js").ModelSource} ModelSource
 * @typedef {import("../../dist/src/checkpoints/checkpoint.js").SaveOptions["layout"]} SaveLayout
 * @typedef {import("../../dist/src/torch/index.js").Tensor} Tensor
 */

/**
 * What reference.py says of its model.
 * @typedef {object} About
 * @property {string} name
 * @property {number} pictures
 * @property {boolean} hasProcessor
 * @property {SaveLayout | null} savedAs
 * @property {Record<string, string>} versions
 */

/**
 * @typedef {object} Found
 * @property {string} layout
 * @property {number} parameters
 * @property {number} image largest distance of two rows over the length of the reference's
 * @property {number | null} text the same; null for an image tower alone
 * @property {number | null} logits largest difference over the logit scale
 * @property {number | null} pixels levels of 256; null where the layout has no processor to compare with
 */

/** The reference's numbers by name, all in float32. */
class Expected {
  /** @param {string} folder */
  constructor(folder) {
    this.file = readSafetensors(path.join(folder, "expected.safetensors"));
  }
  /** @param {string} name */
  tensor(name) {
    return this.file.tensor(name);
  }
  /** @param {string} name */
  numbers(name) {
    return scope(() => this.file.tensor(name).to("float32").toFloat32Array());
  }
  /** Rows and columns of each picture's patches. @returns {[number, number][]} */
  grids() {
    const sides = this.numbers("spatial_shapes");
    return Array.from({ length: sides.length / 2 }, (_, i) => [
      sides[2 * i] ?? NaN,
      sides[2 * i + 1] ?? NaN,
    ]);
  }
}

/**
 * Saves the model into `folder`/saved where the reference can read it again.
 * @param {string} folder @param {About} about @returns {Promise<Found>}
 */
export async function compare(folder, about) {
  const source = openModelAt(modelPath(folder));
  const expected = new Expected(folder);
  try {
    const found =
      source.contents.kind === "pair"
        ? await comparePair(folder, source, expected, about)
        : compareTower(source, expected);
    const pixels = about.hasProcessor
      ? await pixelLevels(folder, source, expected, about.pictures)
      : null;
    return { layout: source.layout, ...found, pixels };
  } finally {
    expected.file.close();
    source.close();
  }
}

/** OpenAI's archive is a file beside nothing; every other layout is found in its folder. */
function modelPath(/** @type {string} */ folder) {
  const model = path.join(folder, "model");
  return path.basename(folder) === "openai" ? path.join(model, "ViT-B-32.pt") : model;
}

/** @param {string} folder @param {ModelSource} source @param {Expected} expected @param {About} about */
async function comparePair(folder, source, expected, { savedAs }) {
  const config = pairConfigOf(source);
  const model = withoutInitialValues(() => new DualEncoder(config));
  try {
    loadWeights(source, model);
    const { image, text, logits, scale } = pairNumbers(model, expected);
    if (savedAs !== null) await save(path.join(folder, "saved"), source, model, savedAs);
    return {
      parameters: model.parameterCount(),
      image: rowError(image, expected.numbers("image"), config.embedDim),
      text: rowError(text, expected.numbers("text"), config.embedDim),
      logits: largestDifference(logits, expected.numbers("logits")) / scale,
    };
  } finally {
    model.dispose();
  }
}

/** @param {DualEncoder} model @param {Expected} expected */
function pairNumbers(model, expected) {
  return scope(() =>
    evaluating(model, "float32", () => {
      const image = encodeImages(model, expected);
      const text = model.encodeTexts(expected.tensor("tokens").to("int64"));
      const scaled = image.mm(text.t()).mul(model.logitScale());
      const logits = model.logitBias ? scaled.add(model.logitBias.tensor) : scaled;
      return {
        image: image.toFloat32Array(),
        text: text.toFloat32Array(),
        logits: logits.toFloat32Array(),
        scale: model.logitScale().item(),
      };
    }),
  );
}

/** @param {DualEncoder} model @param {Expected} expected @returns {Tensor} */
function encodeImages({ imageTower }, expected) {
  const pixels = expected.tensor("pixels");
  if (!(imageTower instanceof NaflexVisionTransformer)) return unitRows(imageTower.forward(pixels));
  return unitRows(imageTower.forwardPatches({ patches: pixels, grids: expected.grids() }));
}

/** @param {string} folder @param {ModelSource} source @param {DualEncoder} model @param {SaveLayout} layout */
async function save(folder, source, model, layout) {
  const carried = loadCarried(source);
  await saveCheckpoint(
    folder,
    {
      config: model.config,
      weights: model.namedState(),
      evaluationTransform: source.evaluationTransform(),
      naflexTransform: source.naflexTransform?.(),
      carried,
    },
    { layout },
  );
  for (const [, tensor] of carried) tensor.dispose();
}

/** @param {ModelSource} source @param {Expected} expected */
function compareTower(source, expected) {
  const { place, contents } = source;
  if (contents.kind !== "image") throw new Error(`Expected an image tower in ${place.path}`);
  const tower = withoutInitialValues(() => createImageTower(contents.config, null));
  try {
    loadTower(source, "image", tower, { head: "pretrained" });
    tower.train(false);
    const features = scope(() =>
      noGrad(() => tower.features(expected.tensor("pixels")).toFloat32Array()),
    );
    return {
      parameters: tower.parameterCount(),
      image: rowError(features, expected.numbers("image"), tower.featureDim),
      text: null,
      logits: null,
    };
  } finally {
    tower.dispose();
  }
}

/**
 * The largest distance of two rows over the length of the second.
 * @param {Float32Array} a @param {Float32Array} b @param {number} width
 */
function rowError(a, b, width) {
  let most = 0;
  for (let start = 0; start < b.length; start += width) {
    let [apart, length] = [0, 0];
    for (let i = start; i < start + width; i++) {
      apart += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2;
      length += (b[i] ?? NaN) ** 2;
    }
    if (Number.isNaN(apart)) return NaN;
    most = Math.max(most, Math.sqrt(apart / length));
  }
  return a.length === b.length ? most : NaN;
}

/** @param {Float32Array} a @param {Float32Array} b */
function largestDifference(a, b) {
  return b.reduce((most, value, i) => Math.max(most, Math.abs(value - (a[i] ?? NaN))), 0);
}

/**
 * How many of 256 levels the most different pixel is off; infinite for another grid of patches.
 * @param {string} folder @param {ModelSource} source @param {Expected} expected @param {number} count
 */
async function pixelLevels(folder, source, expected, count) {
  const wanted = expected.numbers("pixels");
  const size = wanted.length / count;
  let most = 0;
  for (let i = 0; i < count; i++) {
    const file = readFileSync(path.join(folder, `picture-${i}.png`));
    const { values, levels } = await preparedPicture(source, file, () => expected.grids()[i]);
    values.forEach((value, at) => {
      const difference = Math.abs(value - (wanted[i * size + at] ?? NaN));
      most = Math.max(most, Math.round(difference * levels(at)));
    });
    if (values.length !== size) return Infinity;
  }
  return most;
}

/**
 * A picture as the model takes it, and how many levels a difference of 1 is at a position.
 * @param {ModelSource} source @param {Uint8Array} file
 * @param {() => readonly [number, number] | undefined} gridOf
 */
async function preparedPicture(source, file, gridOf) {
  const naflex = source.naflexTransform?.();
  if (naflex !== undefined) {
    const patches = await applyNaflexTransform(file, naflex);
    const same = String(gridOf()) === String([patches.height, patches.width]);
    return {
      values: same ? normalizePatches(patches, naflex) : new Float32Array(0),
      levels: (/** @type {number} */ at) => 255 * (naflex.std[at % 3] ?? NaN),
    };
  }
  const transform = source.evaluationTransform();
  const plane = transform.imageSize ** 2;
  const pixels = await applyEvaluationTransform(file, transform);
  return {
    values: normalizePixels(pixels, plane, transform),
    levels: (/** @type {number} */ at) => 255 * (transform.std[Math.floor(at / plane)] ?? NaN),
  };
}
