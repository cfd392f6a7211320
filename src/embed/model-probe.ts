/** What a model makes of one fixed picture and text: enough to tell it from another. */
import { placePixels } from "../models/inference/picture.ts";
import { embedPixels } from "../models/inference/encode-images.ts";
import { embedTexts } from "../models/inference/encode-texts.ts";
import type { InferenceModel } from "../models/inference/inference-model.ts";

/** Numbers of each embedding that are kept. */
const KEPT = 16;

/** The first numbers of both embeddings; they depend on weights, preprocessing and tokenizer. */
export function modelProbe(model: InferenceModel): number[] {
  const { evaluationTransform: transform } = model;
  const [width, height] = [96, 64];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i + 31 * i) % 251);
  const pixels = new Uint8Array(3 * transform.imageSize ** 2);
  placePixels({ data, width, height }, transform, pixels);
  const image = embedPixels(model, pixels, 1);
  const text = embedTexts(model, ["a photo of a cat"]).data;
  return [...image.subarray(0, KEPT), ...text.subarray(0, KEPT)].map((x) => Number(x.toFixed(6)));
}
