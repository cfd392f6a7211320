/** What cached rows are told apart by: weights, preprocessing and tokenizer, each as a digest or plain data. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainingAugmentation } from "../../data/image/training-transform.ts";
import type { PictureTransform } from "../../data/image/picture-cell.ts";
import { saveTokenizer, type Tokenizer } from "../../text/index.ts";
import type { Module } from "../../nn/module.ts";
import type { Precision } from "../../nn/precision.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { isOwnName } from "../../files/folder-record.ts";
import { makeUniqueFolder } from "../../files/storage.ts";
import { allocate } from "../../torch/dtype.ts";
import { scope } from "../../torch/index.ts";

/** Raised when limn decodes, resizes or augments otherwise than before, so that old caches end. */
export const PIPELINE = 1;

/**
 * How pictures become pixels, without what has no influence on the stored rows: the seed where nothing
 * is augmented, mean and deviation where pixels are stored before they are normalised.
 */
export function preprocessingPart(options: {
  transform: PictureTransform;
  augmentation?: TrainingAugmentation | undefined;
  /** Where it is set: larger pictures have no row. */
  maxPixels?: number | undefined;
  seed: number;
  normalized: boolean;
}): unknown {
  const { mean, std, ...sized } = options.transform;
  const transform = options.normalized ? { ...sized, mean, std } : sized;
  const { augmentation, maxPixels, seed } = options;
  const bound = maxPixels === undefined ? {} : { maxPixels };
  if (augmentation === undefined) return { transform, ...bound };
  return { transform, augmentation, seed, ...bound };
}

/** The contents of the tokenizer's files; where they came from does not matter. */
export async function tokenizerPart(tokenizer: Tokenizer): Promise<unknown> {
  const folder = makeUniqueFolder(join(tmpdir(), "limn-tokenizer-"));
  try {
    await saveTokenizer(tokenizer, folder);
    const hash = createHash("sha256");
    for (const name of readdirSync(folder).sort()) {
      if (isOwnName(name)) continue;
      hash.update(JSON.stringify([name, readFileSync(join(folder, name), "utf8")]));
    }
    const { contextLength, vocabSize } = tokenizer;
    return { tokenizer: hash.digest("hex").slice(0, 32), contextLength, vocabSize };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Digest of every parameter and buffer by name, type, shape and content, without those whose name
 * starts with `except` (a head that is trained on a locked tower). 350 MB take about half a second.
 */
export function hashWeights(tower: Module, { except }: { except?: string } = {}): string {
  const hash = createHash("sha256");
  for (const [name, tensor] of tower.namedState()) {
    if (except !== undefined && name.startsWith(except)) continue;
    hash.update(JSON.stringify([name, tensor.dtype, tensor.shape]));
    const data = allocate(tensor.dtype, tensor.count);
    tensor.copyInto(data);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 32);
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** 32 hexadecimal digits that stand for a value. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 32);
}

/** What the embeddings of a model are told apart by. */
export interface ModelIdentity {
  /** Of the model itself, in whatever precision: 32 hexadecimal digits. */
  readonly fingerprint: string;
  /** Numbers that were learned. */
  readonly parameters: number;
  /** All that decides the embeddings of pictures. */
  readonly image: unknown;
  /** All that decides the embeddings of texts. */
  readonly text: unknown;
}

/**
 * Reads all weights, so before they are prepared for inference.
 *
 * precision   what they will be computed in
 */
export async function modelIdentity(
  pair: DualEncoder,
  {
    transform,
    tokenizer,
    precision,
  }: { transform: PictureTransform; tokenizer: Tokenizer; precision: Precision },
): Promise<ModelIdentity> {
  const { imageTower, textTower, config } = pair;
  const scale = scope(() => [pair.logitScale().item(), pair.logitBias?.tensor.item() ?? 0]);
  const image = { weights: hashWeights(imageTower), tower: config.image, transform };
  const text = {
    weights: hashWeights(textTower),
    tower: config.text,
    tokenizer: await tokenizerPart(tokenizer),
  };
  return {
    fingerprint: digestOf({ image, text, scale }),
    parameters: [...pair.namedParameters()].reduce((sum, [, { count }]) => sum + count, 0),
    image: { ...image, precision },
    text: { ...text, precision },
  };
}

/**
 * The folder of one kind of caches, the same for every run of a user: in `LIMN_CACHE`, else
 * `$XDG_CACHE_HOME/limn`, else `~/.cache/limn`.
 */
export function defaultCacheRoot(
  kind: "embeddings" | "features",
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const { LIMN_CACHE: own, XDG_CACHE_HOME: shared } = environment;
  const base = own || join(shared || join(homedir(), ".cache"), "limn");
  return join(base, kind);
}
