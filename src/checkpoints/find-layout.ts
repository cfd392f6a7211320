/** Which layout a path has: the one list of layouts. */
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { readJsonObject } from "../files/json-fields.ts";
import { bigVision } from "./layouts/big-vision/big-vision.ts";
import { huggingFace } from "./layouts/hugging-face/hugging-face.ts";
import type { GivenFacts, Layout, ModelSource } from "./layout.ts";
import { limnPair, limnTower } from "./layouts/limn.ts";
import { openAi } from "./layouts/open-ai.ts";
import { openClipFolder } from "./layouts/open-clip/folder.ts";
import { openClipCheckpoint } from "./layouts/open-clip/training-checkpoint.ts";
import { openPlace } from "./place.ts";
import { timm } from "./layouts/timm/layout.ts";

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
 * What lies at a path: its layout, family, configuration and names of weights. Reads no weight.
 *
 * given   what the caller says of it; needed only where its files do not
 * throws  CheckpointError naming the file and the field, or what was looked for
 */
export function readModelSource(path: string, given: GivenFacts = {}): ModelSource {
  const place = openPlace(path);
  const layout = layouts.find((one) => one.matches(place));
  if (layout) return layout.read(place, given);
  // Says more of a config.json that is damaged.
  if (place.names.includes("config.json")) readJsonObject(join(place.folder, "config.json"));
  throw new CheckpointError(
    path,
    `Expected a model at ${path} but its files are of no layout that limn reads; give a folder with ` +
      "config.json or open_clip_config.json, or a .pt or .npz file",
  );
}
