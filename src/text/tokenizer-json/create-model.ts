/** The `model` of a tokenizer.json, checked, as something that turns words into ids. */
import { createBpe } from "../models/bpe.ts";
import { fallbackIds, partialIds } from "../models/byte-pieces.ts";
import type { PieceModel } from "../models/piece-model.ts";
import { createUnigram } from "../models/unigram.ts";
import { createWordLevel, createWordPiece } from "../models/word-piece.ts";
import { checkId } from "./step-config.ts";

/** A model as the file has it; nothing in it has been checked. */
type ModelConfig = Readonly<Record<string, unknown>>;

type ModelType = "BPE" | "Unigram" | "WordPiece" | "WordLevel";

/** The type that a model says or, in files from before they did, has. */
export function modelType(model: ModelConfig): ModelType {
  const { type } = model;
  if (type === "BPE" || type === "Unigram" || type === "WordPiece" || type === "WordLevel") {
    return type;
  }
  if (type !== undefined && type !== null)
    throw new TypeError(`a model of type ${JSON.stringify(type).slice(0, 80)}`);
  if (Array.isArray(model["vocab"])) return "Unigram";
  if (model["merges"] !== undefined) return "BPE";
  return "continuing_subword_prefix" in model ? "WordPiece" : "WordLevel";
}

/** throws   TypeError for a model that lacks what its type needs */
export function createModel(model: ModelConfig): PieceModel {
  const type = modelType(model);
  if (type === "Unigram") return createUnigramOf(model);
  const ids = readVocabulary(model["vocab"]);
  const unknownId = unknownIdOf(model, ids);
  const text = (key: string): string => (typeof model[key] === "string" ? model[key] : "");
  if (type === "WordLevel") return createWordLevel(ids, unknownId);
  if (type === "WordPiece") {
    if (unknownId === undefined) throw new TypeError("no id of the unknown piece");
    const longest = model["max_input_chars_per_word"];
    const longestWord = typeof longest === "number" ? longest : 100;
    const prefix =
      model["continuing_subword_prefix"] === undefined ? "##" : text("continuing_subword_prefix");
    return createWordPiece({ ids, unknownId, prefix, longestWord });
  }
  return createBpe({
    ids,
    merges: readMergePairs(model["merges"]),
    ...(unknownId !== undefined && { unknownId }),
    fuseUnknown: model["fuse_unk"] === true,
    byteFallback: model["byte_fallback"] === true,
    ignoreMerges: model["ignore_merges"] === true,
    prefix: text("continuing_subword_prefix"),
    suffix: text("end_of_word_suffix"),
  });
}

/** The id that a checked model gives what it lacks. */
export function unknownIdOf(
  model: ModelConfig,
  ids: ReadonlyMap<string, number>,
): number | undefined {
  if (modelType(model) === "Unigram") return Number(model["unk_id"]);
  const unknown = model["unk_token"];
  return typeof unknown === "string" ? ids.get(unknown) : undefined;
}

/** Ids of a checked model's pieces that are bytes and no whole character. */
export function byteIdsOf(
  model: ModelConfig,
  ids: ReadonlyMap<string, number>,
  isByteLevel: boolean,
): ReadonlySet<number> {
  if (model["byte_fallback"] === true) return fallbackIds(ids);
  const text = (key: string): string => (typeof model[key] === "string" ? model[key] : "");
  const around = { prefix: text("continuing_subword_prefix"), suffix: text("end_of_word_suffix") };
  return isByteLevel ? partialIds(ids, around) : new Set();
}

/** Pieces and their ids, whose object is as JSON.parse made it. */
export function readVocabulary(vocab: unknown): Map<string, number> {
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) {
    throw new TypeError("no vocabulary of pieces and ids");
  }
  const ids = new Map<string, number>();
  // Entries as pairs would cost as much again for a vocabulary of 256,000.
  for (const piece of Object.keys(vocab)) ids.set(piece, checkId((vocab as ModelConfig)[piece]));
  return ids;
}

function readMergePairs(merges: unknown): readonly (readonly [string, string])[] {
  if (!Array.isArray(merges)) throw new TypeError("no merges");
  const pairs = typeof merges[0] === "string" ? merges.map(splitMerge) : (merges as unknown[]);
  for (const [i, pair] of pairs.entries()) {
    if (!isPair(pair)) throw new TypeError(`merge ${i + 1} is not of two pieces`);
  }
  return pairs as [string, string][];
}

function splitMerge(merge: unknown): unknown {
  return typeof merge === "string" ? merge.split(" ") : merge;
}

function isPair(pair: unknown): pair is [string, string] {
  if (!Array.isArray(pair) || pair.length !== 2) return false;
  return typeof pair[0] === "string" && typeof pair[1] === "string";
}

function createUnigramOf(model: ModelConfig): PieceModel {
  const vocab = model["vocab"];
  if (!Array.isArray(vocab) || vocab.length === 0) throw new TypeError("no vocabulary of pieces");
  const pieces = vocab.map((entry: unknown, i): [string, number] => {
    const [piece, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof piece === "string" && typeof score === "number" && Number.isFinite(score)) {
      return [piece, score];
    }
    throw new TypeError(`piece ${i} has no name and score`);
  });
  const unknownId = model["unk_id"];
  if (!Number.isSafeInteger(unknownId) || pieces[Number(unknownId)] === undefined) {
    throw new TypeError("no id of the unknown piece");
  }
  const byteFallback = model["byte_fallback"] === true;
  return createUnigram({ pieces, unknownId: Number(unknownId), byteFallback });
}
