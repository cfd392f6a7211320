/** The kinds of towers. A new kind is a file of its own and one line in a list below. */
import type { z } from "zod";

import { didYouMean } from "../errors.ts";
import type { Tensor } from "../torch/index.ts";
import { bitResNet } from "./image/bit-resnet.ts";
import { efficientNet } from "./image/efficient-net.ts";
import { mixer } from "./image/mixer.ts";
import { modifiedResNet } from "./image/modified-resnet.ts";
import { naflex } from "./image/naflex-vision-transformer.ts";
import { vit } from "./image/vision-transformer.ts";
import type { TransformerDefaults } from "./recipe-fields.ts";
import {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "./resize-position-embedding.ts";
import { bert } from "./text/bert-tower.ts";
import { textTransformer } from "./text/text-transformer.ts";
import type { ImageTowerKind, TextTowerKind, TrainingChange, Vocabulary } from "./tower-kind.ts";
import type { ImageTower, TextTower } from "./tower.ts";

/** In the order of the documentation; a recipe that names no kind means the first. */
export const imageTowerKinds = [
  vit,
  naflex,
  modifiedResNet,
  efficientNet,
  mixer,
  bitResNet,
] as const;
export const textTowerKinds = [textTransformer, bert] as const;

type ImageKinds = (typeof imageTowerKinds)[number];
type TextKinds = (typeof textTowerKinds)[number];

export type ImageTowerConfig = ReturnType<ImageKinds["configure"]>;
export type TextTowerConfig = ReturnType<TextKinds["configure"]>;
/** What a recipe writes for a tower of its own sizes, defaults filled in. */
export type WrittenImageTower = z.output<ImageKinds["schema"]>;
export type WrittenTextTower = z.output<TextKinds["schema"]>;

/** A declaration that takes any configuration, which is of its own kind by the look-up. */
type AnyImageKind = ImageTowerKind<ImageKinds["schema"], ImageTowerConfig>;
type AnyTextKind = TextTowerKind<TextKinds["schema"], TextTowerConfig>;

const imageKinds = byKind(imageTowerKinds as unknown as readonly AnyImageKind[]);
const textKinds = byKind(textTowerKinds as unknown as readonly AnyTextKind[]);
const imageSizes = allSizes<ImageTowerConfig>(imageTowerKinds);
const textSizes = allSizes<TextTowerConfig>(textTowerKinds);

/** The names that `namedImageTower` and `namedTextTower` know. */
export const imageTowerNames: readonly string[] = Object.keys(imageSizes);
export const textTowerNames: readonly string[] = Object.keys(textSizes);

/** `embedDim` null: no projection, the features are the embeddings. Throws RangeError for bad sizes. */
export function createImageTower(config: ImageTowerConfig, embedDim: number | null): ImageTower {
  return find(imageKinds, config, "image").create(config, embedDim);
}

/** `embedDim` null: no projection, the features are the embeddings. Throws RangeError for bad sizes. */
export function createTextTower(config: TextTowerConfig, embedDim: number | null): TextTower {
  return find(textKinds, config, "text").create(config, embedDim);
}

/**
 * A fresh copy of a published image tower's configuration.
 *
 * use     what the tower is for, as errors call it
 * throws  RangeError for an unknown name
 */
export function namedImageTower(name: string, use = "an image tower"): ImageTowerConfig {
  return named(imageSizes, name, use);
}

/** `namedImageTower` of a text tower. */
export function namedTextTower(name: string, use = "a text tower"): TextTowerConfig {
  return named(textSizes, name, use);
}

/** From what a recipe writes to a configuration. */
export function configureImageTower(
  written: WrittenImageTower,
  defaults: TransformerDefaults,
): ImageTowerConfig {
  return find(imageKinds, written, "image").configure(written, defaults);
}

/** From what a recipe writes to a configuration; its vocabulary is still empty. */
export function configureTextTower(
  written: WrittenTextTower,
  defaults: TransformerDefaults,
): TextTowerConfig {
  return find(textKinds, written, "text").configure(written, defaults);
}

/** Whether a tower of this configuration knows a change of what acts in training. */
export function knowsChange(config: ImageTowerConfig, change: TrainingChange): boolean {
  return find(imageKinds, config, "image").changes.includes(change);
}

/**
 * A text tower's configuration for a tokenizer.
 *
 * name    of the tokenizer in errors
 * throws  RangeError where the tower needs a token that is not there
 */
export function withVocabulary(
  config: TextTowerConfig,
  vocabulary: Vocabulary,
  name = "the tokenizer",
): TextTowerConfig {
  return find(textKinds, config, "text").withVocabulary(config, vocabulary, name);
}

/** What decides which numbers come from given weights: absent keys filled in, others left out. */
export function computedKeys(config: ImageTowerConfig | TextTowerConfig): Map<string, unknown> {
  const computed = isImage(config)
    ? find(imageKinds, config, "image").computed?.(config)
    : find(textKinds, config, "text").computed?.(config);
  return new Map(Object.entries(computed ?? config));
}

/**
 * A tower's table of positions for another image size or context length.
 *
 * table    [rows, W]
 * places   rows of the new table
 * returns  [places, W]; a view where the table is cut
 */
export function resizePositions(
  config: ImageTowerConfig | TextTowerConfig,
  table: Tensor,
  places: number,
): Tensor {
  if (isImage(config)) {
    const leading = find(imageKinds, config, "image").leadingPositions(config);
    return resizeImagePositionEmbedding(table, Math.sqrt(places - leading), { leading });
  }
  const cut = find(textKinds, config, "text").cutsPositions && places <= table.size(0);
  return cut ? table.narrow(0, 0, places) : resizeTextPositionEmbedding(table, places);
}

function isImage(config: ImageTowerConfig | TextTowerConfig): config is ImageTowerConfig {
  return "imageSize" in config;
}

function byKind<T extends { schema: ImageKinds["schema"] | TextKinds["schema"] }>(
  kinds: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(kinds.map((kind) => [kind.schema.shape.kind.value, kind]));
}

function allSizes<Config>(
  kinds: readonly { sizes: Readonly<Record<string, () => Config>> }[],
): Readonly<Record<string, () => Config>> {
  return Object.assign({}, ...kinds.map(({ sizes }) => sizes)) as Record<string, () => Config>;
}

function find<T>(kinds: ReadonlyMap<string, T>, { kind }: { kind: string }, side: string): T {
  const found = kinds.get(kind);
  if (found !== undefined) return found;
  throw new RangeError(`Expected a kind of ${side} tower but received ${JSON.stringify(kind)}`);
}

function named<T>(sizes: Readonly<Record<string, () => T>>, name: string, use: string): T {
  const make = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
  if (make) return make();
  const names = Object.keys(sizes);
  throw new RangeError(
    `Expected one of ${names.join(", ")} for ${use} but received "${name}";` +
      (didYouMean(name, names) || " give a configuration object for another size"),
  );
}
