/** A model folder as what duplicates are told by. */
import type { PictureEmbedder } from "../../data/dedupe/describe-pictures.ts";

/**
 * Loads the model, and the engine with it: commands that can do without start without.
 *
 * throws   CheckpointError for a folder that does not fit; UsageError for a device that is not there
 */
export async function loadPictureEmbedder(
  folder: string,
  device: string,
): Promise<PictureEmbedder & { dispose(): void }> {
  const { chosenDevice } = await import("./model-options.ts");
  const { loadModel } = await import("../../inference/load-model.ts");
  const loaded = await loadModel(folder, { device: chosenDevice({ device }) });
  const { encoder } = loaded;
  return {
    transform: encoder.transform,
    embedPixels: (pixels) => encoder.encodeImages(pixels),
    similarities: encoder.similarities,
    dispose: () => loaded.dispose(),
  };
}
