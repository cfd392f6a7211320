/** From an open checkpoint into tensors, by rows of a table of names: every weight accounted for. */
import { isFloating, noGrad, scope, type Tensor } from "../torch/index.ts";
import {
  partToOurs,
  weightRows,
  type KeyTable,
  type WeightPart,
  type WeightRow,
  canonicalWeights,
} from "./weights/key-table.ts";
import type { DescribedModel } from "./layout.ts";
import { matchWeights, type FoundWeight } from "./weights/check-weights.ts";
import type { Weights } from "./weights/weight-file.ts";

/**
 * Throws one CheckpointError that lists every missing, unexpected and mis-shaped weight of an open
 * file. Reads no weight.
 *
 * table   says which further weights the file may hold
 */
function checkWeights(weights: Weights, rows: readonly WeightRow[], table: KeyTable): void {
  const { ignored, carried } = table;
  const needed = neededShapes(rows);
  const names = weights.names.filter(
    (name) => needed.has(name) || !(ignored?.(name) || carried?.(name)),
  );
  matchWeights(weights.file, needed, new Map(names.map((name) => [name, found(weights, name)])));
}

/** As `checkWeights`, but the file may hold anything else beside. */
export function checkSomeWeights(weights: Weights, rows: readonly WeightRow[]): void {
  const needed = neededShapes(rows);
  const names = weights.names.filter((name) => needed.has(name));
  matchWeights(weights.file, needed, new Map(names.map((name) => [name, found(weights, name)])));
}

function neededShapes(rows: readonly WeightRow[]): Map<string, readonly number[]> {
  return new Map(
    rows.flatMap(({ parts }) => parts.map(({ name, fileShape }) => [name, fileShape] as const)),
  );
}

function found(weights: Weights, name: string): FoundWeight {
  const { dtype, shape, storedAs } = weights.info(name);
  return { shape, storedAs, floating: dtype !== undefined && isFloating(dtype) };
}

/** What is needed of a model to read its weights. */
export type WeightSource = Pick<DescribedModel, "table" | "weights">;

/** The weights of a model under its table's names. */
export function tableWeights({ table, weights }: WeightSource): Weights {
  return canonicalWeights(weights(), table);
}

/**
 * The rows of all of a model's weights, which the file has and no others.
 *
 * shapes  limn's names and shapes
 * throws  one CheckpointError with every missing, unexpected and mis-shaped weight
 */
export function checkedRows(
  source: WeightSource,
  shapes: Iterable<readonly [string, { readonly shape: readonly number[] }]>,
): WeightRow[] {
  const rows = weightRows(source.table, shapes);
  checkWeights(tableWeights(source), rows, source.table);
  return rows;
}

/** Copies checked rows into the tensors of `state` that have their names. */
export function copyRows(
  source: WeightSource,
  rows: readonly WeightRow[],
  state: Iterable<readonly [string, Tensor]>,
): void {
  const weights = tableWeights(source);
  const targets = new Map(state);
  for (const row of rows) copyWeight(weights, row, targets.get(row.ours) as Tensor);
}

/** Copies one weight, whatever floating-point type the file stores, into a tensor of its shape. */
export function copyWeight(weights: Weights, { parts }: WeightRow, target: Tensor): void {
  scope(() =>
    noGrad(() => {
      let at = 0;
      for (const part of parts) {
        const rows = part.shape[0] ?? 1;
        const place = parts.length === 1 ? target : target.narrow(0, at, rows);
        if (isDirect(weights, part, place)) weights.readInto(part.name, place);
        else place.copy_(readPart(weights, part));
        at += rows;
      }
    }),
  );
}

/** Whether the file's bytes are the tensor's, to be read where they belong. */
function isDirect(weights: Weights, { name, form, layer }: WeightPart, place: Tensor): boolean {
  if (form.isSame !== true || layer !== undefined || place.device !== "cpu") return false;
  // One number may be [] or [1].
  return weights.info(name).shape.length === place.rank;
}

/** As limn has it. Of a weight that holds all blocks only the one is read. */
function readPart(weights: Weights, { layer, ...part }: WeightPart): Tensor {
  const { name } = part;
  return partToOurs(part, layer === undefined ? weights.tensor(name) : weights.layer(name, layer));
}
