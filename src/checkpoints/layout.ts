/**
 * What a checkpoint's layout is to the rest of limn: it recognises a folder or file, says which model
 * lies there and how its weights are called. One file per layout; `open-model.ts` lists them. Also
 * the error of a question that a checkpoint's files leave open.
 */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import type { Tokenizer } from "../text/index.ts";
import type { Activation } from "../nn/activation.ts";
import type { ImageTowerConfig, TextTowerConfig } from "../towers/index.ts";
import type { DualEncoderConfig } from "../pair/dual-encoder.ts";
import type { KeyTable } from "./weights/key-table.ts";
import type { Place } from "./place.ts";
import type { Weights } from "./weights/weight-file.ts";
import { UnsettledError } from "../errors.ts";

/**
 * A family's name for people, which the file of its layout says: `CLIP`, `SigLIP`, `SigLIP 2`, `ALIGN`,
 * `LiT`, `ViT`, `BERT`; `dual encoder` for what only limn's own layouts hold.
 */
export type Family = string;

/** What a caller says of a model whose files do not say it. Each settles one question. */
export interface GivenFacts {
  /** A published name, `ViT-B-32` or `ViT-B/32`. */
  readonly architecture?: string;
  readonly activation?: Activation;
  /** How pictures are prepared. */
  readonly evaluationTransform?: EvaluationTransform;
  /** The tokenizer's folder, or its file: `tokenizer.json`, `merges.txt`, `vocab.txt`, `spiece.model`. */
  readonly tokenizer?: string;
  /** Tokens per text, where neither weights nor files say it. */
  readonly contextLength?: number;
}

export interface PairContents {
  readonly kind: "pair";
  readonly config: DualEncoderConfig;
}

export interface ImageTowerContents {
  readonly kind: "image";
  readonly config: ImageTowerConfig;
  /** Width of a head of its own that comes with it; null for none. */
  readonly embedDim: number | null;
}

export interface TextTowerContents {
  readonly kind: "text";
  readonly config: TextTowerConfig;
  readonly embedDim: number | null;
}

/** A model or tower as a layout describes it: no weight is read yet. */
export interface DescribedModel {
  readonly place: Place;
  /** As people call it, `Hugging Face CLIPModel`. */
  readonly layout: string;
  readonly family: Family;
  readonly contents: PairContents | ImageTowerContents | TextTowerContents;
  /** From limn's names (`imageTower.`, `textTower.`, `logitScaleLog`) to the file's. */
  readonly table: KeyTable;
  /** The weights under the file's names, opened on first use; the place closes them. */
  readonly weights: () => Weights;
  /** Throws CheckpointError that says which option settles it where the files do not. */
  readonly evaluationTransform: () => EvaluationTransform;
  /**
   * How pictures become patches of their own aspect ratio, where the model takes such (SigLIP 2's
   * NaFlex); its `evaluationTransform` makes squares of them, as large as the tower's table of
   * positions, for training, which works on batches of pixels.
   */
  readonly naflexTransform?: () => NaflexTransform | undefined;
  /** As `evaluationTransform`; its rows fit the text tower. */
  readonly tokenizer: () => Promise<Tokenizer>;
}

/**
 * An opened model. Each of its files is read at most once, and its weights stay open until whoever
 * opened the model closes it. `using` works.
 */
export interface ModelSource extends DescribedModel {
  /**
   * The templates that the model carries, `{}` as the place of a class's name; undefined where it has none.
   * Throws CheckpointError for a damaged file.
   */
  readonly templates: () => readonly string[] | undefined;
  /** Closes the weights; to ask for them again opens them again. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface Layout {
  /** As people call it. */
  readonly name: string;
  /** Cheap and without reading weights; the first layout that says yes reads the place. */
  matches(place: Place): boolean;
  /** Throws CheckpointError naming the file, the field and what to do. */
  read(place: Place, given: GivenFacts): DescribedModel;
}

/**
 * The error of a file that does not say something that only its owner can know.
 *
 * option  the name of `GivenFacts` that settles it
 * what    as in `Expected <what> for <option> of <file>`
 */
export function unsettled(file: string, option: keyof GivenFacts, what: string): UnsettledError {
  return new UnsettledError(
    file,
    option,
    `Expected ${what} for ${option} of ${file} but nothing in the file says it; say it with ` +
      settledBy(option),
  );
}

/** How a command, a call and a recipe say one of the facts. */
export function settledBy(option: keyof GivenFacts): string {
  return `the option ${option}, in a recipe with { path, ${option} } in place of the path`;
}
