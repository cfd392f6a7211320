/** Opens a model of the hub, a folder or a file: the one list of layouts, asked once. */
import { CheckpointError } from "../errors.ts";
import { bigVision } from "./layouts/big-vision/big-vision.ts";
import { huggingFace } from "./layouts/hugging-face/hugging-face.ts";
import { folderTemplates } from "./folder-templates.ts";
import type { GivenFacts, Layout, ModelSource } from "./layout.ts";
import { limnPair, limnTower } from "./layouts/limn.ts";
import { openAi } from "./layouts/open-ai.ts";
import { openClipFolder } from "./layouts/open-clip/folder.ts";
import { openClipCheckpoint } from "./layouts/open-clip/training-checkpoint.ts";
import { localModel, type HubFetchOptions } from "./local-model.ts";
import { otherLayout } from "./other-layouts.ts";
import { openPlace, type Place } from "./place.ts";
import { timm } from "./layouts/timm/folder.ts";

/** In the order in which they are asked: where a folder has two, both hold the same model. */
const layouts: readonly Layout[] = [
  limnPair,
  limnTower,
  huggingFace,
  openClipFolder,
  timm,
  bigVision,
  // These two open the file; OpenAI's marks are the more special ones.
  openAi,
  openClipCheckpoint,
];

/**
 * Opens a model: of the hub, `hf://organisation/name[@revision]`, or a folder or file of this machine.
 * Reads no weight. The caller closes it.
 *
 * given   what the caller says of it; needed only where its files do not
 * throws  HubError where it cannot be fetched; CheckpointError as `openModelAt`
 */
export async function openModel(
  reference: string,
  given: GivenFacts = {},
  hub?: HubFetchOptions,
): Promise<ModelSource> {
  return openModelAt(await localModel(reference, hub), given);
}

/**
 * `openModel` of a path of this machine.
 *
 * throws  CheckpointError naming the file and the field, or what was looked for
 */
export function openModelAt(path: string, given: GivenFacts = {}): ModelSource {
  const place = openPlace(path);
  try {
    const model = layoutOf(place).read(place, given);
    const close = (): void => place.close();
    return {
      ...model,
      tokenizer: once(model.tokenizer),
      templates: once(() => folderTemplates(place)),
      close,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    place.close();
    throw error;
  }
}

function layoutOf(place: Place): Layout {
  const layout = layouts.find((one) => one.matches(place));
  if (layout) return layout;
  const { path, names } = place;
  // Says more of a config.json that is damaged.
  if (names.includes("config.json")) place.json("config.json");
  throw new CheckpointError(
    path,
    `Expected a model at ${path} but ${otherLayout(place) ?? unknownLayout}`,
  );
}

const unknownLayout =
  "its files are of no layout that limn reads; give a folder with config.json or " +
  "open_clip_config.json, or a .pt or .npz file";

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
