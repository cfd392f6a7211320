/** What a model or tower holds, from its small files and the header of its weights alone. */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import type { TokenizerDescription } from "../text/index.ts";
import { UnsettledError } from "../errors.ts";
import type { Family, GivenFacts, ModelSource } from "./layout.ts";
import { probabilityKind } from "../pair/dual-encoder.ts";
import type { HubFetchOptions } from "./local-model.ts";
import { checkedRows, tableWeights } from "./load-weights.ts";
import { modelShapes, type WeightShape } from "./model-shapes.ts";
import { publishedPair } from "../pair/published.ts";
import { openModel } from "./open-model.ts";

export interface ModelDescription {
  path: string;
  /** How it is stored, `Hugging Face CLIPModel`. */
  layout: string;
  family: Family;
  holds: "pair" | "image tower" | "text tower";
  /** The published size with these dimensions, `ViT-B/32`, else the towers' kinds. */
  architecture: string;
  config: ModelSource["contents"]["config"];
  /** Learned numbers. */
  parameters: { total: number; imageTower: number; textTower: number };
  weights: {
    file: string;
    /** Of the weights' data. */
    bytes: number;
    /** How many weights have each element type. */
    dtypes: Record<string, number>;
    metadata: Readonly<Record<string, string>>;
  };
  /** How a pair's logits become probabilities; null for a tower alone. */
  probabilities: "softmax" | "sigmoid" | null;
  /** Null where the files do not say how pictures are prepared. */
  evaluationTransform: EvaluationTransform | null;
  /** Of a NaFlex model, whose pictures keep their aspect ratio; it is trained on the squares above. */
  naflexTransform?: NaflexTransform;
  /** The templates that it carries for the names of classes; null where it has none. */
  templates: readonly string[] | null;
  /** Null where there is none. */
  tokenizer: { vocabSize: number; contextLength: number; description: TokenizerDescription } | null;
}

/**
 * Describes a model; reads no weight, but checks that all of them are there.
 *
 * throws  CheckpointError or DataError naming the file that is missing or damaged
 */
export async function describeModel(
  reference: string,
  given: GivenFacts = {},
  hub?: HubFetchOptions,
): Promise<ModelDescription> {
  const source = await openModel(reference, given, hub);
  try {
    return await describe(source);
  } finally {
    source.close();
  }
}

async function describe(source: ModelSource): Promise<ModelDescription> {
  const { place, layout, family, contents } = source;
  const shapes = modelShapes(place.path, contents);
  const naflexTransform = source.naflexTransform?.();
  return {
    path: place.path,
    layout,
    family,
    holds: contents.kind === "pair" ? "pair" : `${contents.kind} tower`,
    architecture: architectureOf(contents),
    config: contents.config,
    parameters: {
      total: learnedNumbers(shapes, ""),
      imageTower: learnedNumbers(shapes, "imageTower."),
      textTower: learnedNumbers(shapes, "textTower."),
    },
    weights: describeWeights(source, shapes),
    probabilities: contents.kind === "pair" ? probabilityKind(contents.config) : null,
    evaluationTransform:
      contents.kind === "text" ? null : known(() => source.evaluationTransform()),
    ...(naflexTransform === undefined ? {} : { naflexTransform }),
    templates: source.templates() ?? null,
    tokenizer: contents.kind === "image" ? null : await describeTokenizer(source),
  };
}

function architectureOf(contents: ModelSource["contents"]): string {
  if (contents.kind !== "pair") return contents.config.kind;
  const { image, text } = contents.config;
  return publishedPair(contents.config) ?? `${image.kind} with ${text.kind}`;
}

const product = (shape: readonly number[]): number => shape.reduce((all, side) => all * side, 1);

function learnedNumbers(shapes: ReadonlyMap<string, WeightShape>, prefix: string): number {
  return [...shapes]
    .filter(([name, { learned }]) => learned && name.startsWith(prefix))
    .reduce((total, [, { shape }]) => total + product(shape), 0);
}

function describeWeights(
  source: ModelSource,
  shapes: ReadonlyMap<string, WeightShape>,
): ModelDescription["weights"] {
  checkedRows(source, shapes);
  const weights = tableWeights(source);
  const dtypes: Record<string, number> = {};
  let total = 0;
  for (const name of weights.names) {
    const { dtype, storedAs, bytes } = weights.info(name);
    const type = dtype ?? storedAs;
    dtypes[type] = (dtypes[type] ?? 0) + 1;
    total += bytes;
  }
  return { file: weights.file, bytes: total, dtypes, metadata: weights.metadata };
}

async function describeTokenizer(source: ModelSource): Promise<ModelDescription["tokenizer"]> {
  try {
    const { vocabSize, contextLength, description } = await source.tokenizer();
    return { vocabSize, contextLength, description };
  } catch (error) {
    if (error instanceof UnsettledError) return null;
    throw error;
  }
}

/** Null where the files do not say it; the rest can be described. */
function known<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnsettledError) return null;
    throw error;
  }
}
