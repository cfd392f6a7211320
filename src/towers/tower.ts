/** What every image tower and every text tower offers, so that any two of them pair. */
import type { Linear } from "../nn/layers.ts";
import type { Module } from "../nn/module.ts";
import type { RunOptions } from "../nn/transformer.ts";
import type { Tensor } from "../torch/index.ts";

interface Tower extends Module {
  /** Width of the features, before the projection. */
  readonly featureDim: number;
  /** The head into the shared space; null where the features are the embeddings. */
  readonly projection: Linear | null;
  readonly run: RunOptions;
  /** The tower without its projection: [N, featureDim]. */
  features(input: Tensor): Tensor;
  /** projection(features(input)): [N, D], not yet unit rows. */
  forward(input: Tensor): Tensor;
}

/** pixels float [N, 3, S, S], normalised, in; S is `config.imageSize`. NaFlex takes other shapes too. */
export interface ImageTower extends Tower {
  readonly config: { readonly kind: string; readonly imageSize: number };
}

/** tokens int [N, T] in, T up to `config.contextLength`. */
export interface TextTower extends Tower {
  readonly config: {
    readonly kind: string;
    readonly contextLength: number;
    readonly vocabSize: number;
  };
  /** What follows a text's last token changes nothing, so that batches may be cut to their longest. */
  readonly trimmable: boolean;
}
