/**
 * A model folder: `model.safetensors`, `config.json`, `preprocessor_config.json` and the tokenizer's
 * files; in Hugging Face's `CLIPModel` layout where the pair is a CLIP, else in limn's own. Written
 * as a whole; read with every weight accounted for.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { CheckpointError } from "../errors.ts";
import { cat, isFloating, noGrad, scope, type Tensor } from "../torch/index.ts";
import { existingFolder, writeFolderAtomically, writeTextAtomically } from "./atomic-write.ts";
import type { DualEncoder, DualEncoderConfig } from "./dual-encoder.ts";
import { fromHuggingFaceConfig, toHuggingFaceConfig } from "./hugging-face-config.ts";
import { huggingFaceRows, ignoredKeys, partShape, type WeightRow } from "./hugging-face-keys.ts";
import {
  fromHuggingFacePreprocessor,
  toHuggingFacePreprocessor,
} from "./preprocessing/hugging-face-preprocessor.ts";
import { readJsonObject } from "./json-fields.ts";
import {
  fromLimnConfig,
  isClipConfig,
  limnModelType,
  toLimnConfig,
  towerModelType,
} from "./limn-layout.ts";
import { matchWeights, type FoundWeight } from "./weights/match-weights.ts";
import { readSafetensors, writeSafetensors, type SafetensorsFile } from "./weights/safetensors.ts";

export interface CheckpointContents {
  config: DualEncoderConfig;
  /** Every weight by limn's name (`namedState`); borrowed. Averaged weights may stand in. */
  weights: Iterable<readonly [string, Tensor]>;
  evaluationTransform: EvaluationTransform;
  /** Writes the tokenizer's files into the folder it is given. */
  tokenizerFiles?: (folder: string) => void | Promise<void>;
}

/**
 * Writes a model folder in place of what `folder` held, all of it or nothing.
 *
 * throws  CheckpointError naming the folder or file: weights that are not those of `config`, a full
 *         disk, a folder that cannot be written; what was there before stays
 */
export async function saveCheckpoint(folder: string, contents: CheckpointContents): Promise<void> {
  const { config, evaluationTransform, tokenizerFiles } = contents;
  const asClip = isClipConfig(config);
  const json = asClip ? toHuggingFaceConfig(config) : toLimnConfig(config);
  const preprocessor = toHuggingFacePreprocessor(evaluationTransform);
  const weights = new Map(contents.weights);
  const rows = asClip ? huggingFaceRows(config) : ownRows(weights);
  matchWeights(
    folder,
    new Map(rows.map(({ ours, shape }) => [ours, shape])),
    new Map([...weights].map(([name, tensor]) => [name, describe(tensor)])),
  );
  await writeFolderAtomically(folder, async (partial) => {
    scope(() => {
      const entries = splitRows(rows, weights);
      writeSafetensors(join(partial, weightsFile), entries);
    });
    writeTextAtomically(join(partial, "config.json"), json);
    writeTextAtomically(join(partial, "preprocessor_config.json"), preprocessor);
    await tokenizerFiles?.(partial);
  });
}

/** Rows of limn's own layout: every weight under its own name. */
function ownRows(weights: Iterable<readonly [string, Tensor]>): WeightRow[] {
  return [...weights].map(([name, { shape }]) => ({ ours: name, theirs: [name], shape }));
}

const weightsFile = "model.safetensors";

function describe({ shape, dtype }: Tensor): FoundWeight {
  return { shape, floating: isFloating(dtype), storedAs: dtype };
}

/** The file's weights as views of the parameters. */
function splitRows(
  rows: readonly WeightRow[],
  weights: ReadonlyMap<string, Tensor>,
): [string, Tensor][] {
  return rows.flatMap(({ ours, theirs }): [string, Tensor][] => {
    const tensor = weights.get(ours) as Tensor;
    const parts = theirs.length === 1 ? [tensor] : tensor.detach().chunk(theirs.length);
    return theirs.map((name, i) => [name, parts[i] as Tensor]);
  });
}

/** The configuration of a model folder. Throws CheckpointError naming the file and the field. */
export function readCheckpointConfig(folder: string): DualEncoderConfig {
  const file = join(existingFolder(folder), "config.json");
  const json = readJsonObject(file);
  if (json["model_type"] === towerModelType) {
    const side = String(json["side"]);
    throw new CheckpointError(
      file,
      `Expected a pair in ${folder} but received its ${side} tower alone; ` +
        `name it in a recipe's towers.${side}.pretrained`,
    );
  }
  return json["model_type"] === limnModelType
    ? fromLimnConfig(file, json)
    : fromHuggingFaceConfig(file, json);
}

/** The preprocessing of a model folder. Throws CheckpointError naming the file and the field. */
export function readCheckpointTransform(folder: string): EvaluationTransform {
  const found = existingFolder(folder);
  // transformers 5 writes a whole processor into one file.
  const files = ["preprocessor_config.json", "processor_config.json"].map((name) =>
    join(found, name),
  );
  const file = files.find((path) => existsSync(path));
  if (file !== undefined) return fromHuggingFacePreprocessor(file, readJsonObject(file));
  throw new CheckpointError(
    files[0] as string,
    `Expected preprocessor_config.json in ${folder} but there is none; copy it from where the ` +
      "model came from, as pictures prepared in another way give wrong embeddings",
  );
}

/** Opens the weights of a model folder; the caller closes the file. */
export function openWeights(folder: string): SafetensorsFile {
  const found = existingFolder(folder);
  const file = join(found, weightsFile);
  const other = ["model.safetensors.index.json", "pytorch_model.bin"].find((name) =>
    existsSync(join(found, name)),
  );
  if (!existsSync(file) && other !== undefined) {
    throw new CheckpointError(
      file,
      `Expected ${weightsFile} in ${folder} but received ${other}; save the model as one ` +
        "safetensors file first",
    );
  }
  return readSafetensors(file);
}

/**
 * Throws one CheckpointError that lists every missing, unexpected and mis-shaped weight of an open
 * file against rows of the key table. Reads no weight.
 */
export function checkWeights(weights: SafetensorsFile, rows: readonly WeightRow[]): void {
  const needed = rows.flatMap((row) =>
    row.theirs.map((name): [string, readonly number[]] => [name, partShape(row)]),
  );
  const names = weights.names.filter((name) => !ignoredKeys.includes(name));
  const found = names.map((name): [string, FoundWeight] => {
    const { dtype, shape, storedAs } = weights.info(name);
    return [name, { shape, storedAs, floating: dtype !== undefined && isFloating(dtype) }];
  });
  matchWeights(weights.file, new Map(needed), new Map(found));
}

/**
 * `checkWeights` for a folder and the configuration of its model. In limn's own layout the sizes
 * follow from the model, so that nothing can be said before it is made.
 */
export function checkCheckpoint(folder: string, config: DualEncoderConfig): void {
  if (!isClipConfig(config)) return;
  const weights = openWeights(folder);
  try {
    checkWeights(weights, huggingFaceRows(config));
  } finally {
    weights.close();
  }
}

/**
 * Copies a folder's weights into a model, whatever floating-point type they are stored in. Nothing
 * changes unless all of them fit.
 *
 * throws  one CheckpointError with every missing, unexpected and mis-shaped weight
 */
export function loadWeights(
  folder: string,
  model: Pick<DualEncoder, "config" | "namedState">,
): void {
  const state = new Map(model.namedState());
  const { config } = model;
  const rows = isClipConfig(config) ? huggingFaceRows(config) : ownRows(state);
  const weights = openWeights(folder);
  try {
    checkWeights(weights, rows);
    for (const { ours, theirs } of rows) {
      const target = state.get(ours);
      if (target === undefined) throw new Error(`internal: the model has no weight ${ours}`);
      scope(() => {
        const parts = theirs.map((name) => weights.tensor(name));
        const source = parts.length === 1 ? (parts[0] as Tensor) : cat(parts);
        noGrad(() => target.copy_(source));
      });
    }
  } finally {
    weights.close();
  }
}
