/** What a model makes of one fixed picture and text: enough to tell it from another. */
import { cellBytes, placePicture } from "../data/image/picture-cell.ts";
import { embedTexts } from "../inference/encode-texts.ts";
import type { InferenceModel } from "../inference/inference-model.ts";

/** Numbers of each embedding that are kept. */
const KEPT = 16;

/** The first numbers of both embeddings; they depend on weights, preprocessing and tokenizer. */
export function modelProbe(model: InferenceModel): number[] {
  const { transform } = model.encoder;
  const [width, height] = [96, 64];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i + 31 * i) % 251);
  const cell = new Uint8Array(cellBytes(transform));
  placePicture({ data, width, height }, transform, cell);
  const image = model.encoder.encodeImages(cell).data;
  const text = embedTexts(model, ["a photo of a cat"]).data;
  return [...image.subarray(0, KEPT), ...text.subarray(0, KEPT)].map((x) => Number(x.toFixed(6)));
}
