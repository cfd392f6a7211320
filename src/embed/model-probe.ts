/** What a model makes of one fixed picture and text: enough to tell it from another. */
import { cellBytes, placePicture } from "../data/image/picture-cell.ts";
import { embedCells } from "../inference/encode-images.ts";
import { embedTexts } from "../inference/encode-texts.ts";
import { pictureTransform, type InferenceModel } from "../inference/inference-model.ts";

/** Numbers of each embedding that are kept. */
const KEPT = 16;

/** The first numbers of both embeddings; they depend on weights, preprocessing and tokenizer. */
export function modelProbe(model: InferenceModel): number[] {
  const transform = pictureTransform(model);
  const [width, height] = [96, 64];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i + 31 * i) % 251);
  const cell = new Uint8Array(cellBytes(transform));
  placePicture({ data, width, height }, transform, cell);
  const image = embedCells(model, cell, 1);
  const text = embedTexts(model, ["a photo of a cat"]).data;
  return [...image.subarray(0, KEPT), ...text.subarray(0, KEPT)].map((x) => Number(x.toFixed(6)));
}
