/** limn on a Hugging Face folder, as people call it. */
import { readFileSync } from "node:fs";
import {
  applyEvaluationTransform,
  normalizePixels,
} from "../../../dist/src/data/image/evaluation-transform.js";
import { loadModel } from "../../../dist/src/inference/load-model.js";

/**
 * @param {{ folder: string, files: string[], texts: string[] }} inputs
 * @returns {Promise<import("./compare.mjs").Results>}
 */
export async function measureLimn({ folder, files, texts }) {
  const model = await loadModel(folder);
  const { evaluationTransform: transform, tokenizer } = model;
  const size = 3 * transform.imageSize ** 2;
  const pixels = new Float32Array(files.length * size);
  for (const [i, file] of files.entries()) {
    const levels = await applyEvaluationTransform(readFileSync(file), transform);
    pixels.set(normalizePixels(levels, transform.imageSize ** 2, transform), i * size);
  }
  const image = await model.encodeImages(files);
  const text = model.encodeTexts(texts);
  const results = {
    pixels,
    tokens: tokenizer.encodeBatch(texts).tokens,
    image: image.toFloat32Array(),
    text: text.toFloat32Array(),
  };
  image.dispose();
  text.dispose();
  model.dispose();
  return results;
}
