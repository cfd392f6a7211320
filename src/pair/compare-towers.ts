/** Whether two configurations of a tower compute the same from the same weights. */
import { CheckpointError } from "../errors.ts";
import { computedKeys, type ImageTowerConfig, type TextTowerConfig } from "../towers/index.ts";

export type TowerConfig = ImageTowerConfig | TextTowerConfig;
/** Act in training only, or say how the head or new weights are made: may differ from the origin. */
const freeKeys = [
  "patchDropout",
  "stochasticDepth",
  "dropConnect",
  "projectionBias",
  "initialization",
  // Their tables of positions are resized.
  "imageSize",
  "dropsPartialPatches",
  "contextLength",
];

/** Throws CheckpointError with everything that differs. */
export function checkSameTower(folder: string, source: TowerConfig, target: TowerConfig): void {
  const [a, b] = [computedKeys(source), computedKeys(target)];
  const differing = [...new Set([...a.keys(), ...b.keys()])].filter(
    (key) => !freeKeys.includes(key) && JSON.stringify(a.get(key)) !== JSON.stringify(b.get(key)),
  );
  if (differing.length === 0) return;
  const shown = differing.map(
    (key) => `${key} ${JSON.stringify(a.get(key))} there, ${JSON.stringify(b.get(key))} here`,
  );
  throw new CheckpointError(
    folder,
    `Expected the tower of the recipe in ${folder} but received another: ${shown.join("; ")}; ` +
      "give the recipe's model the sizes of the folder",
  );
}
