/**
 * A model's folder, written as a whole in the layout that others read, and its weights read back
 * into a model with every one of them accounted for.
 */
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { isFloating, scope, type DType, type Tensor } from "../torch/index.ts";
import { writeTextAtomically } from "../files/atomic-write.ts";
import type { DualEncoder, DualEncoderConfig } from "../pair/dual-encoder.ts";
import { templatesFile, templatesJson } from "./folder-templates.ts";
import type { DescribedModel } from "./layout.ts";
import { writtenLayout, type SaveLayout, type WrittenModel } from "./layouts/writers.ts";
import { checkedRows, copyRows, tableWeights, type WeightSource } from "./load-weights.ts";
import { writeModelFolder } from "./model-folder.ts";
import { modelShapes } from "./model-shapes.ts";
import { partToTheirs, weightRows, type WeightRow } from "./weights/key-table.ts";
import { inType, matchWeights, type FoundWeight } from "./weights/check-weights.ts";
import { writeSafetensors } from "./weights/safetensors.ts";

export interface CheckpointContents extends WrittenModel {
  /** Every weight by limn's name (`namedState`); borrowed. Averaged weights may stand in. */
  weights: Iterable<readonly [string, Tensor]>;
  /** Sentences with `{}` that names of classes are put into, which the model is to carry; none when absent. */
  templates?: readonly string[] | undefined;
  /** Writes the tokenizer's files into the folder it is given. */
  tokenizerFiles?: (folder: string) => void | Promise<void>;
  /** Weights of the layout that nothing is computed from, under its own names; borrowed. */
  carried?: Iterable<readonly [string, Tensor]>;
}

export interface SaveOptions {
  /** Hugging Face's where it holds the model, else limn's own, when absent. */
  layout?: SaveLayout;
  /** Floating-point weights are written in this type; as they are when absent. */
  dtype?: DType;
}

/**
 * Writes a model folder in place of what `folder` held, all of it or nothing.
 *
 * throws  CheckpointError naming the folder or file: weights that are not those of `config`, a layout
 *         that cannot hold the model, a number beyond `dtype`; StorageError naming the folder: a full disk, no permission.
 *         What was there before stays
 */
export async function saveCheckpoint(
  folder: string,
  contents: CheckpointContents,
  { layout, dtype }: SaveOptions = {},
): Promise<void> {
  const { config, tokenizerFiles, templates, carried = [] } = contents;
  const written = writtenLayout(folder, contents, { layout, dtype });
  const weights = new Map(contents.weights);
  const rows = weightRows(written.table, modelShapes(folder, { kind: "pair", config }));
  matchWeights(
    folder,
    new Map(rows.map(({ ours, shape }) => [ours, shape])),
    new Map([...weights].map(([name, tensor]) => [name, describe(tensor)])),
  );
  await writeModelFolder(folder, async (partial) => {
    scope(() => {
      const entries = [...splitRows(rows, weights), ...carried];
      writeSafetensors(
        join(partial, written.weightsFile),
        dtype === undefined
          ? entries
          : entries.map(([name, one]) => [name, inType(folder, name, one, dtype)]),
      );
    });
    for (const [name, text] of Object.entries(written.files)) {
      writeTextAtomically(join(partial, name), text);
    }
    if (templates) writeTextAtomically(join(partial, templatesFile), templatesJson(templates));
    await tokenizerFiles?.(partial);
  });
}

function describe({ shape, dtype }: Tensor): FoundWeight {
  return { shape, floating: isFloating(dtype), storedAs: dtype };
}

/** The file's weights as views of the parameters where they can be. */
export function splitRows(
  rows: readonly WeightRow[],
  weights: ReadonlyMap<string, Tensor>,
): [string, Tensor][] {
  return rows.flatMap(({ ours, parts }): [string, Tensor][] => {
    const tensor = (weights.get(ours) as Tensor).detach();
    let at = 0;
    return parts.map((part) => {
      const rowCount = part.shape[0] ?? 1;
      const piece = parts.length === 1 ? tensor : tensor.narrow(0, at, rowCount);
      at += rowCount;
      return [part.name, partToTheirs(part, piece)];
    });
  });
}

/** The configuration of a pair. Throws CheckpointError where the model is one tower alone. */
export function pairConfigOf({
  place,
  contents,
}: Pick<DescribedModel, "place" | "contents">): DualEncoderConfig {
  if (contents.kind === "pair") return contents.config;
  throw new CheckpointError(
    place.path,
    `Expected a pair in ${place.path} but received its ${contents.kind} tower alone; ` +
      `name it in a recipe's towers.${contents.kind}.pretrained`,
  );
}

/**
 * Copies a checkpoint's weights into a model of its configuration, whatever floating-point type they
 * are stored in. Nothing changes unless all of them fit.
 *
 * throws  one CheckpointError with every missing, unexpected and mis-shaped weight
 */
export function loadWeights(source: WeightSource, model: Pick<DualEncoder, "namedState">): void {
  const state = new Map(model.namedState());
  copyRows(source, checkedRows(source, state), state);
}

/** The weights of a source's layout that nothing is computed from. The caller owns the tensors. */
export function loadCarried(source: WeightSource): [string, Tensor][] {
  const { carried } = source.table;
  if (carried === undefined) return [];
  const weights = tableWeights(source);
  return weights.names.filter(carried).map((name) => [name, weights.tensor(name)]);
}
