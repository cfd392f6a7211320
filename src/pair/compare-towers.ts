/** Whether two configurations of a tower compute the same from the same weights. */
import { CheckpointError } from "../errors.ts";
import type { Tensor } from "../torch/index.ts";
import type { ImageTowerConfig, TextTowerConfig } from "../towers/create-tower.ts";
import {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "../towers/resize-position-embedding.ts";

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
  const [a, b] = [compared(source), compared(target)];
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

/** What absent keys of a configuration mean. */
const defaults = {
  vit: { classToken: true, pooling: "class", normBefore: true, patchBias: false },
  transformer: { attention: "causal", pooling: "eot" },
};

/** The values that two towers must share to compute the same from the same weights. */
function compared(config: TowerConfig): Map<string, unknown> {
  const { kind } = config;
  const absent = kind === "vit" || kind === "transformer" ? defaults[kind] : {};
  const values = new Map<string, unknown>(Object.entries({ ...absent, ...config }));
  // Nothing behind the end of text is looked at; a tower read at the last place looks for no end.
  if (values.get("attention") === "causal" && values.get("pooling") === "eot") {
    values.delete("padTokenId");
  }
  if (values.get("pooling") === "last") values.delete("eotTokenId");
  return values;
}

/** A table of positions for another image size or context length. */
export function resizePositions(config: TowerConfig, table: Tensor, places: number): Tensor {
  if ("imageSize" in config) {
    const hasToken =
      config.kind === "vit" ? config.classToken !== false : config.kind === "modifiedResNet";
    const leading = hasToken ? 1 : 0;
    return resizeImagePositionEmbedding(table, Math.sqrt(places - leading), { leading });
  }
  // BERT reads texts of any length at the first places of its table.
  const cut = config.kind === "bert" && places <= table.size(0);
  return cut ? table.narrow(0, 0, places) : resizeTextPositionEmbedding(table, places);
}
