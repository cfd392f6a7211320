/** What a model folder holds, from its small files and the header of its weights alone. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { loadTokenizer, type TokenizerDescription } from "../data/tokenize/index.ts";
import { existingFolder } from "./atomic-write.ts";
import {
  checkCheckpoint,
  openWeights,
  readCheckpointConfig,
  readCheckpointTransform,
} from "./checkpoint.ts";
import { clipConfig, clipConfigNames, type ClipConfig } from "./configs.ts";
import type { DualEncoderConfig } from "./dual-encoder.ts";
import { huggingFaceRows } from "./hugging-face-keys.ts";
import { isClipConfig } from "./limn-layout.ts";

export interface ModelDescription {
  folder: string;
  /** What the folder's layout says: Hugging Face's CLIPModel, or a pair of any towers. */
  family: "CLIP" | "dual encoder";
  /** The published size with these dimensions, `ViT-B/32`, or the towers' kinds; null for another CLIP. */
  architecture: string | null;
  config: DualEncoderConfig;
  /** Learned numbers. */
  parameters: { total: number; imageTower: number; textTower: number };
  weights: {
    file: string;
    /** Of the tensors' data. */
    bytes: number;
    /** How many weights have each element type. */
    dtypes: Record<string, number>;
    metadata: Readonly<Record<string, string>>;
  };
  /** Null where the folder has no preprocessing. */
  evaluationTransform: EvaluationTransform | null;
  /** Null where the folder has no tokenizer. */
  tokenizer: { vocabSize: number; contextLength: number; description: TokenizerDescription } | null;
}

/**
 * Describes a model folder; reads no weight, but checks that all of a CLIP's are there.
 *
 * throws  CheckpointError or DataError naming the file that is missing or damaged
 */
export async function describeModel(folder: string): Promise<ModelDescription> {
  const config = readCheckpointConfig(folder);
  checkCheckpoint(folder, config);
  const asClip = isClipConfig(config);
  return {
    folder,
    family: asClip ? "CLIP" : "dual encoder",
    architecture: asClip ? publishedName(config) : `${config.image.kind} with ${config.text.kind}`,
    config,
    parameters: asClip ? clipParameters(config) : ownParameters(folder),
    ...(await describeFiles(folder)),
  };
}

/** What the files beside a folder's `config.json` say. */
export async function describeFiles(
  folder: string,
): Promise<Pick<ModelDescription, "weights" | "evaluationTransform" | "tokenizer">> {
  return {
    weights: describeWeights(folder),
    evaluationTransform: has(folder, "preprocessor_config.json", "processor_config.json")
      ? readCheckpointTransform(folder)
      : null,
    tokenizer: has(folder, "tokenizer.json", "merges.txt") ? await describeTokenizer(folder) : null,
  };
}

function has(folder: string, ...names: string[]): boolean {
  return names.some((name) => existsSync(join(existingFolder(folder), name)));
}

const product = (shape: readonly number[]): number => shape.reduce((all, side) => all * side, 1);

function clipParameters(config: ClipConfig): ModelDescription["parameters"] {
  const count = (prefix: string): number =>
    huggingFaceRows(config)
      .filter(({ ours }) => ours.startsWith(prefix))
      .reduce((total, { shape }) => total + product(shape), 0);
  return {
    total: count(""),
    imageTower: count("imageTower."),
    textTower: count("textTower."),
  };
}

function ownParameters(folder: string): ModelDescription["parameters"] {
  return {
    total: learnedCount(folder),
    imageTower: learnedCount(folder, "imageTower."),
    textTower: learnedCount(folder, "textTower."),
  };
}

/** Learned numbers of a folder in limn's own layout under names that begin so. */
export function learnedCount(folder: string, prefix = ""): number {
  const weights = openWeights(folder);
  try {
    return weights.names
      .filter((name) => name.startsWith(prefix) && !/\.running(Mean|Variance)$/.test(name))
      .reduce((total, name) => total + product(weights.info(name).shape), 0);
  } finally {
    weights.close();
  }
}

function describeWeights(folder: string): ModelDescription["weights"] {
  const weights = openWeights(folder);
  try {
    const dtypes: Record<string, number> = {};
    let bytes = 0;
    for (const name of weights.names) {
      const { dtype, storedAs, start, end } = weights.info(name);
      const type = dtype ?? storedAs;
      dtypes[type] = (dtypes[type] ?? 0) + 1;
      bytes += end - start;
    }
    return { file: weights.file, bytes, dtypes, metadata: weights.metadata };
  } finally {
    weights.close();
  }
}

async function describeTokenizer(
  folder: string,
): Promise<NonNullable<ModelDescription["tokenizer"]>> {
  const { vocabSize, contextLength, description } = await loadTokenizer(existingFolder(folder));
  return { vocabSize, contextLength, description };
}

/** The name of a published configuration of equal dimensions, whatever its vocabulary. */
function publishedName(config: ClipConfig): string | null {
  const dimensions = ({ embedDim, image, text }: ClipConfig): string =>
    [
      [embedDim, image.imageSize, image.patchSize],
      [image.width, image.depth, image.heads, image.mlpWidth],
      [text.width, text.depth, text.heads, text.mlpWidth],
    ].join();
  const wanted = dimensions(config);
  return clipConfigNames.find((name) => dimensions(clipConfig(name)) === wanted) ?? null;
}
