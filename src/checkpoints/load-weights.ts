/** From an open checkpoint into tensors, by rows of a table of names: every weight accounted for. */
import { isFloating, noGrad, scope, type Tensor } from "../torch/index.ts";
import { partToOurs, type KeyTable, type WeightPart, type WeightRow } from "./weights/key-table.ts";
import type { ModelSource } from "./layout.ts";
import { canonicalWeights } from "./weights/canonical-weights.ts";
import { matchWeights, type FoundWeight } from "./weights/match-weights.ts";
import type { WeightFile } from "./weights/weight-file.ts";

/**
 * Throws one CheckpointError that lists every missing, unexpected and mis-shaped weight of an open
 * file. Reads no weight.
 *
 * table   says which further weights the file may hold
 */
export function checkWeights(
  weights: WeightFile,
  rows: readonly WeightRow[],
  table: KeyTable,
): void {
  const { ignored, carried } = table;
  const needed = neededShapes(rows);
  const names = weights.names.filter(
    (name) => needed.has(name) || !(ignored?.(name) || carried?.(name)),
  );
  matchWeights(weights.file, needed, new Map(names.map((name) => [name, found(weights, name)])));
}

/** As `checkWeights`, but the file may hold anything else beside. */
export function checkSomeWeights(weights: WeightFile, rows: readonly WeightRow[]): void {
  const needed = neededShapes(rows);
  const names = weights.names.filter((name) => needed.has(name));
  matchWeights(weights.file, needed, new Map(names.map((name) => [name, found(weights, name)])));
}

function neededShapes(rows: readonly WeightRow[]): Map<string, readonly number[]> {
  return new Map(
    rows.flatMap(({ parts }) => parts.map(({ name, fileShape }) => [name, fileShape] as const)),
  );
}

function found(weights: WeightFile, name: string): FoundWeight {
  const { dtype, shape, storedAs } = weights.info(name);
  return { shape, storedAs, floating: dtype !== undefined && isFloating(dtype) };
}

/** The weights of a source under its table's names; the caller closes them. */
export function openSource({
  table,
  openWeights,
}: Pick<ModelSource, "table" | "openWeights">): WeightFile {
  return canonicalWeights(openWeights(), table);
}

/** Copies one weight, whatever floating-point type the file stores, into a tensor of its shape. */
export function copyWeight(weights: WeightFile, { parts }: WeightRow, target: Tensor): void {
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
function isDirect(weights: WeightFile, { name, form, layer }: WeightPart, place: Tensor): boolean {
  if (form.isSame !== true || layer !== undefined || place.device !== "cpu") return false;
  // One number may be [] or [1].
  return weights.info(name).shape.length === place.rank;
}

/** As limn has it. Of a weight that holds all blocks only the one is read. */
function readPart(weights: WeightFile, { layer, ...part }: WeightPart): Tensor {
  const { name } = part;
  return partToOurs(part, layer === undefined ? weights.tensor(name) : weights.layer(name, layer));
}
