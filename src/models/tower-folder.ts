/**
 * The weights of one tower: from a pair's folder, or a folder that holds a tower alone, as
 * `limn pretrain` writes it.
 */
import { join } from "node:path";

import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { CheckpointError } from "../errors.ts";
import { cat, isFloating, noGrad, scope, type Tensor } from "../torch/index.ts";
import type { ImageTowerConfig, TextTowerConfig } from "../towers/create-tower.ts";
import {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "../towers/resize-position-embedding.ts";
import type { ImageTower, TextTower } from "../towers/tower.ts";
import type { DualEncoder } from "./dual-encoder.ts";
import { existingFolder, writeFolderAtomically, writeTextAtomically } from "./atomic-write.ts";
import { openWeights, readCheckpointConfig } from "./checkpoint.ts";
import { huggingFaceRows } from "./hugging-face-keys.ts";
import { toHuggingFacePreprocessor } from "./preprocessing/hugging-face-preprocessor.ts";
import { readJsonObject } from "./json-fields.ts";
import { isClipConfig, towerModelType } from "./limn-layout.ts";
import { matchWeights, type FoundWeight } from "./weights/match-weights.ts";
import { writeSafetensors, type SafetensorsFile } from "./weights/safetensors.ts";

export interface TowerContents {
  side: "image" | "text";
  tower: ImageTower | TextTower;
  /** Of an image tower. */
  evaluationTransform?: EvaluationTransform;
  /** Writes further files, such as a text tower's tokenizer, into the folder it is given. */
  furtherFiles?: (folder: string) => void | Promise<void>;
  /** What else belongs to the weights, such as a classification head; by names of their own. */
  extra?: Iterable<readonly [string, Tensor]>;
}

/** Writes a tower's folder, all of it or nothing. Throws CheckpointError naming it. */
export async function saveTower(folder: string, contents: TowerContents): Promise<void> {
  const { side, tower, evaluationTransform, furtherFiles, extra = [] } = contents;
  const json = { model_type: towerModelType, version: 1, side, tower: tower.config };
  await writeFolderAtomically(folder, async (partial) => {
    writeSafetensors(join(partial, "model.safetensors"), [
      ...[...tower.namedState()].map(([name, tensor]) => [`${side}Tower.${name}`, tensor] as const),
      ...extra,
    ]);
    writeTextAtomically(join(partial, "config.json"), `${JSON.stringify(json, null, 2)}\n`);
    if (evaluationTransform !== undefined) {
      const preprocessor = toHuggingFacePreprocessor(evaluationTransform);
      writeTextAtomically(join(partial, "preprocessor_config.json"), preprocessor);
    }
    await furtherFiles?.(partial);
  });
}

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
  "contextLength",
];

/**
 * Copies the weights of a folder's image or text tower into `tower`, the head only with
 * `head: "pretrained"`. Positions are resized where the image size or the context length differs.
 * Nothing changes unless all of them fit.
 *
 * throws  CheckpointError naming the folder: a tower of other sizes, weights that do not fit
 */
export function loadTower(
  folder: string,
  side: "image" | "text",
  tower: ImageTower | TextTower,
  { head }: { head: "random" | "pretrained" },
): void {
  const source = readTower(folder, side);
  checkSameTower(folder, source.config, tower.config as TowerConfig);
  const wanted = [...tower.namedState()].filter(
    ([name]) => head === "pretrained" || !name.startsWith("projection."),
  );
  const targets = wanted.map(([name, tensor]) => [`${side}Tower.${name}`, tensor] as const);
  loadNamed(folder, targets, {
    ...(source.rows ? { rows: source.rows } : {}),
    resize: (table, places) => resizePositions(tower.config as TowerConfig, table, places),
  });
}

/**
 * Copies all weights of a pair's folder into `model`: both towers as `loadTower` with their heads,
 * scale and bias of the logits.
 *
 * own     what the model keeps of its own
 * throws  CheckpointError naming the folder: towers of other sizes, weights that do not fit
 */
export function loadPair(
  folder: string,
  model: DualEncoder,
  own: { scale?: boolean; bias?: boolean } = {},
): void {
  const { logitScaleLog, temperature, logitBias } = model;
  const scale = own.scale ? {} : { logitScaleLog, temperature };
  const scalars = Object.entries({ ...scale, ...(own.bias ? {} : { logitBias }) }).flatMap(
    ([name, parameter]) => (parameter ? [[name, parameter.tensor] as const] : []),
  );
  loadTower(folder, "image", model.imageTower, { head: "pretrained" });
  loadTower(folder, "text", model.textTower, { head: "pretrained" });
  const { rows } = readTower(folder, "image");
  loadNamed(folder, scalars, rows ? { rows } : {});
}

/** A table of positions for another image size or context length. */
function resizePositions(config: TowerConfig, table: Tensor, places: number): Tensor {
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

export interface LoadNamedOptions {
  /** The file's names of each weight, where they are others; stacked where several. */
  rows?: ReadonlyMap<string, readonly string[]>;
  /** A table of positions [P, W] for another number of places; of other shapes it is refused. */
  resize?: (table: Tensor, places: number) => Tensor;
}

/**
 * Copies the weights of these names into `targets`; what else the folder holds is left. Nothing
 * changes unless all of them fit.
 *
 * throws   one CheckpointError with every missing and mis-shaped weight
 */
export function loadNamed(
  folder: string,
  targets: readonly (readonly [string, Tensor])[],
  { rows, resize }: LoadNamedOptions = {},
): void {
  const weights = openWeights(folder);
  const parts = (name: string): readonly string[] => rows?.get(name) ?? [name];
  const resizes = (name: string, { shape }: Tensor): boolean =>
    resize !== undefined &&
    name.endsWith("ositionEmbedding") &&
    weights.names.includes(parts(name)[0] ?? "") &&
    weights.info(parts(name)[0] ?? "").shape[1] === shape[1];
  try {
    matchWeights(
      weights.file,
      new Map(
        targets.flatMap(([name, target]) =>
          resizes(name, target)
            ? [[parts(name)[0] as string, weights.info(parts(name)[0] as string).shape] as const]
            : partShapes(parts(name), target.shape),
        ),
      ),
      new Map(targets.flatMap(([name]) => parts(name)).flatMap((name) => found(weights, name))),
    );
    for (const [name, target] of targets) {
      scope(() => {
        const tensors = parts(name).map((part) => weights.tensor(part));
        const whole = tensors.length === 1 ? (tensors[0] as Tensor) : cat(tensors);
        const fitted =
          resize && resizes(name, target) ? resize(whole, target.shape[0] ?? 0) : whole;
        noGrad(() => target.copy_(fitted));
      });
    }
  } finally {
    weights.close();
  }
}

interface TowerSource {
  config: TowerConfig;
  /** The file's names of each weight, where they are not limn's own. */
  rows?: Map<string, readonly string[]>;
}

function readTower(folder: string, side: "image" | "text"): TowerSource {
  const file = join(existingFolder(folder), "config.json");
  const json = readJsonObject(file);
  if (json["model_type"] !== towerModelType) {
    const config = readCheckpointConfig(folder);
    const rows = isClipConfig(config)
      ? new Map(huggingFaceRows(config).map(({ ours, theirs }) => [ours, theirs]))
      : undefined;
    return { config: config[side], ...(rows ? { rows } : {}) };
  }
  if (json["side"] !== side) {
    throw new CheckpointError(
      file,
      `Expected the ${side} tower's weights in ${folder} but received those of a tower for ` +
        `${String(json["side"])}; give another folder`,
    );
  }
  return { config: json["tower"] as TowerConfig };
}

/** Which tower a folder holds alone; undefined for a pair. Throws CheckpointError naming it. */
export function towerSide(folder: string): "image" | "text" | undefined {
  const json = readJsonObject(join(existingFolder(folder), "config.json"));
  if (json["model_type"] !== towerModelType) return undefined;
  return json["side"] === "text" ? "text" : "image";
}

/** The configuration of the tower whose weights a folder holds. Throws CheckpointError naming it. */
export function readTowerConfig(folder: string, side: "image" | "text"): TowerConfig {
  return readTower(folder, side).config;
}

function checkSameTower(folder: string, source: TowerConfig, target: TowerConfig): void {
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

function partShapes(
  names: readonly string[],
  shape: readonly number[],
): [string, readonly number[]][] {
  if (names.length === 1) return [[names[0] as string, shape]];
  const [first = 1, ...rest] = shape;
  return names.map((name) => [name, [first / names.length, ...rest]]);
}

function found(weights: SafetensorsFile, name: string): [string, FoundWeight][] {
  if (!weights.names.includes(name)) return [];
  const { dtype, shape, storedAs } = weights.info(name);
  return [[name, { shape, storedAs, floating: dtype !== undefined && isFloating(dtype) }]];
}
