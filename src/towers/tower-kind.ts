/**
 * What each kind of tower declares of itself. The rest of the code asks these declarations, which
 * `index.ts` lists, and knows no kind by name.
 */
import type { z } from "zod";

import type { TransformerDefaults } from "./recipe-fields.ts";
import type { ImageTower, TextTower } from "./tower.ts";

/** What acts in training only, and may be changed without changing what a tower computes. */
export type TrainingChange = "patchDropout" | "stochasticDepth";

/** The schema of an object that its `kind` tells from others. */
type KindSchema = z.ZodObject<{ kind: z.ZodLiteral<string> }>;

interface TowerKind<Schema extends KindSchema, Config extends { kind: string }> {
  /** What a recipe may write; the documentation's table is made from it. */
  readonly schema: Schema;
  /** The published sizes by name; each call makes a fresh copy. */
  readonly sizes: Readonly<Record<string, () => Config>>;
  /** The configuration of what a recipe writes. */
  configure(written: z.output<Schema>, defaults: TransformerDefaults): Config;
  /**
   * The keys that decide what is computed from given weights, absent ones filled in. All keys when
   * the kind says nothing.
   */
  computed?(config: Config): object;
}

export interface ImageTowerKind<
  Schema extends KindSchema,
  Config extends { kind: z.output<Schema>["kind"]; imageSize: number },
> extends TowerKind<Schema, Config> {
  /** What a recipe may change of a published or pretrained tower, beside its image size. */
  readonly changes: readonly TrainingChange[];
  /** Rows of the table of positions before those of the grid: a class token's, or a mean's. */
  leadingPositions(config: Config): number;
  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  create(config: Config, embedDim: number | null): ImageTower;
}

/** What of a tokenizer becomes part of a text tower. */
export interface Vocabulary {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly padId: number;
  /** The token that ends a text; undefined where the tokenizer has none. */
  readonly endId: number | undefined;
}

export interface TextTowerKind<
  Schema extends KindSchema,
  Config extends { kind: z.output<Schema>["kind"]; contextLength: number },
> extends TowerKind<Schema, Config> {
  /** Texts of any length are read at the first rows of the table of positions. */
  readonly cutsPositions: boolean;
  /**
   * The configuration for a tokenizer. Throws RangeError, in which the tokenizer is called `name`,
   * where the tower needs a token that is not there.
   */
  withVocabulary(config: Config, vocabulary: Vocabulary, name: string): Config;
  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  create(config: Config, embedDim: number | null): TextTower;
}

/** Types a declaration. */
export function imageTowerKind<
  Schema extends KindSchema,
  Config extends { kind: z.output<Schema>["kind"]; imageSize: number },
>(kind: ImageTowerKind<Schema, Config>): ImageTowerKind<Schema, Config> {
  return kind;
}

/** Types a declaration. */
export function textTowerKind<
  Schema extends KindSchema,
  Config extends { kind: z.output<Schema>["kind"]; contextLength: number },
>(kind: TextTowerKind<Schema, Config>): TextTowerKind<Schema, Config> {
  return kind;
}

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];

/** A configuration: the keys of a recipe's schema, of which `Filled` are always there. */
export type ConfigOf<
  Schema extends z.ZodType<object>,
  Filled extends keyof z.output<Schema> = never,
> = {
  [K in Exclude<keyof z.output<Schema>, Optional<z.output<Schema>>> | Filled]: Exclude<
    z.output<Schema>[K],
    undefined
  >;
} & {
  [K in Exclude<Optional<z.output<Schema>>, Filled>]?: Exclude<z.output<Schema>[K], undefined>;
};
