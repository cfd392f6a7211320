/** The weights of one tower, from a pair or a tower alone in any layout; and a tower's folder written. */
import { join } from "node:path";

import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { CheckpointError } from "../errors.ts";
import { noGrad, scope, type Tensor } from "../torch/index.ts";
import { resizePositions } from "../towers/index.ts";
import type { ImageTower, TextTower } from "../towers/tower.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import { checkSameTower, type TowerConfig } from "../pair/compare-towers.ts";
import type { DualEncoder } from "../pair/dual-encoder.ts";
import { toHuggingFacePreprocessor } from "./preprocessing/hugging-face-preprocessor.ts";
import type { DescribedModel } from "./layout.ts";
import { toTowerConfig } from "./layouts/limn.ts";
import { checkSomeWeights, copyWeight, tableWeights } from "./load-weights.ts";
import { writeModelFolder } from "./model-folder.ts";
import { partToOurs, weightRows, type WeightRow } from "./weights/key-table.ts";
import { writeSafetensors } from "./weights/safetensors.ts";
import type { Weights } from "./weights/weight-file.ts";

interface TowerContents {
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
  await writeModelFolder(folder, async (partial) => {
    writeSafetensors(join(partial, "model.safetensors"), [
      ...[...tower.namedState()].map(([name, tensor]) => [`${side}Tower.${name}`, tensor] as const),
      ...extra,
    ]);
    writeTextAtomically(join(partial, "config.json"), toTowerConfig(side, tower));
    if (evaluationTransform !== undefined) {
      const preprocessor = toHuggingFacePreprocessor(evaluationTransform);
      writeTextAtomically(join(partial, "preprocessor_config.json"), preprocessor);
    }
    await furtherFiles?.(partial);
  });
}

/**
 * Copies the weights of a checkpoint's image or text tower into `tower`, the head only with
 * `head: "pretrained"`. Positions are resized where the image size or the context length differs.
 * Nothing changes unless all of them fit.
 *
 * throws  CheckpointError naming the checkpoint: a tower of other sizes, weights that do not fit
 */
export function loadTower(
  source: DescribedModel,
  side: "image" | "text",
  tower: ImageTower | TextTower,
  { head }: { head: "random" | "pretrained" },
): void {
  const config = tower.config as TowerConfig;
  checkSameTower(source.place.path, towerConfigOf(source, side), config);
  if (head === "pretrained") checkHead(source, tower);
  const wanted = [...tower.namedState()].filter(
    ([name]) => head === "pretrained" || !name.startsWith("projection."),
  );
  const targets = wanted.map(([name, tensor]) => [`${side}Tower.${name}`, tensor] as const);
  copyNamed(source, targets, (table, places) => resizePositions(config, table, places));
}

function checkHead(
  { place, contents }: DescribedModel,
  { projection }: ImageTower | TextTower,
): void {
  if (projection === null || contents.kind === "pair" || contents.embedDim !== null) return;
  throw new CheckpointError(
    place.path,
    `Expected a head beside the ${contents.kind} tower in ${place.path} but it has none; ` +
      `let towers.${contents.kind}.head be random`,
  );
}

/**
 * Copies all weights of a pair into `model`: both towers as `loadTower` with their heads, scale and
 * bias of the logits.
 *
 * own     what the model keeps of its own
 * throws  CheckpointError naming the checkpoint: towers of other sizes, weights that do not fit
 */
export function loadPair(
  source: DescribedModel,
  model: DualEncoder,
  own: { scale?: boolean; bias?: boolean } = {},
): void {
  const { logitScaleLog, temperature, logitBias } = model;
  const scale = own.scale ? {} : { logitScaleLog, temperature };
  const scalars = Object.entries({ ...scale, ...(own.bias ? {} : { logitBias }) }).flatMap(
    ([name, parameter]) => (parameter ? [[name, parameter.tensor] as const] : []),
  );
  loadTower(source, "image", model.imageTower, { head: "pretrained" });
  loadTower(source, "text", model.textTower, { head: "pretrained" });
  loadNamed(source, scalars);
}

/**
 * Copies the weights of these names, limn's, into `targets`; what else the checkpoint holds is left.
 * Nothing changes unless all of them fit.
 *
 * throws   one CheckpointError with every missing and mis-shaped weight
 */
export function loadNamed(
  source: DescribedModel,
  targets: readonly (readonly [string, Tensor])[],
): void {
  copyNamed(source, targets);
}

/** A table of positions [P, W] for another number of places. */
type Resize = (table: Tensor, places: number) => Tensor;

function copyNamed(
  source: DescribedModel,
  targets: readonly (readonly [string, Tensor])[],
  resize?: Resize,
): void {
  const { table } = source;
  const weights = tableWeights(source);
  const shapes = targets.map(
    ([name, { shape }]) =>
      [name, { shape: storedShape(weights, table, [name, shape], resize) }] as const,
  );
  const rows = weightRows(table, shapes);
  checkSomeWeights(weights, rows);
  for (const [i, row] of rows.entries()) {
    const target = targets[i]?.[1] as Tensor;
    const fits = row.shape.join() === target.shape.join();
    if (fits || !resize) copyWeight(weights, row, target);
    else copyResized(weights, row, target, resize);
  }
}

/** The shape that a weight has in the file: of a table of positions, with the file's number of places. */
function storedShape(
  weights: Weights,
  table: DescribedModel["table"],
  [name, shape]: readonly [string, readonly number[]],
  resize: Resize | undefined,
): readonly number[] {
  if (!resize || !name.endsWith("ositionEmbedding")) return shape;
  const part = weightRows(table, [[name, { shape }]])[0]?.parts[0];
  if (!part || !weights.has(part.name)) return shape;
  const { shape: stored } = weights.info(part.name);
  const [width = 1] = shape.slice(-1);
  // The file may leave out the row of the class token.
  const rowsBeside = (product(shape) - product(part.fileShape)) / width;
  const places = product(stored) / width + rowsBeside;
  return stored.at(-1) === width && Number.isInteger(places) ? [places, width] : shape;
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, side) => all * side, 1);
}

function copyResized(weights: Weights, { parts }: WeightRow, target: Tensor, resize: Resize): void {
  const [part] = parts;
  if (part === undefined) return;
  scope(() => {
    const stored = partToOurs(part, weights.tensor(part.name));
    noGrad(() => target.copy_(resize(stored, target.shape[0] ?? 0)));
  });
}

function towerConfigOf({ place, contents }: DescribedModel, side: "image" | "text"): TowerConfig {
  if (contents.kind === "pair") return contents.config[side];
  if (contents.kind === side) return contents.config;
  throw new CheckpointError(
    place.path,
    `Expected the ${side} tower's weights in ${place.path} but received those of a tower for ` +
      `${contents.kind}; give another folder`,
  );
}
