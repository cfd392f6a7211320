/** What every image tower and every text tower offers, so that any two of them pair. */
import type { Embedding, Linear } from "../nn/layers.ts";
import type { Module } from "../nn/module.ts";
import type { RunOptions } from "../nn/transformer.ts";
import type { Tensor } from "../torch/index.ts";

interface Tower extends Module {
  /** Width of the features, before the projection. */
  readonly featureDim: number;
  /** The head into the shared space; null where the features are the embeddings. */
  readonly projection: Linear | null;
  readonly run: RunOptions;
  /** The properties that lie above the blocks: the projection and a pooling with weights. */
  readonly aboveBlocks: readonly string[];
  /** The tower without its projection: [N, featureDim]. */
  features(input: Tensor): Tensor;
  /** projection(features(input)): [N, D], not yet unit rows. */
  forward(input: Tensor): Tensor;
}

/** pixels float [N, 3, S, S], normalised, in; S is `config.imageSize`. */
export interface ImageTower extends Tower {
  readonly config: { readonly kind: string; readonly imageSize: number };
  /**
   * The rows that are pooled into features, with their gradient where gradients are on: of
   * transformers and Mixer the last norm's output [N, P, W], one row a patch, row by row (behind a
   * class token's row where there is one); of convolutional towers the last feature map as rows
   * [N, H W, C].
   */
  hidden(pixels: Tensor): Tensor;
  /** features = pool(hidden): [N, P, W] -> [N, featureDim]. */
  pool(hidden: Tensor): Tensor;
  /** `forward` of pictures of any aspect ratio; only of towers that take them (NaFlex). */
  forwardPatches?(images: ImagePatches): Tensor;
}

/** Rows and columns of a picture's patches. */
export type PatchGrid = readonly [rows: number, columns: number];

/** Pictures cut into patches, each with a grid of its own. */
export interface ImagePatches {
  /**
   * float [N, P, 3 p p], normalised: patches row by row, in each the pixels row by row with their
   * channels last. What follows a picture's last patch changes nothing, as long as it is finite.
   */
  patches: Tensor;
  /** Of each picture; rows times columns are at most P. */
  grids: readonly PatchGrid[];
}

/** tokens int [N, T] in, T up to `config.contextLength`. */
export interface TextTower extends Tower {
  readonly config: {
    readonly kind: string;
    readonly contextLength: number;
    readonly vocabSize: number;
  };
  readonly tokenEmbedding: Embedding;
  /** What follows a text's last token changes nothing, so that batches may be cut to their longest. */
  readonly trimmable: boolean;
  /** Position t attends to positions up to t only. */
  readonly causal: boolean;
  /** The output at every position, tokens int [N, T] -> [N, T, W]. */
  hidden(tokens: Tensor): Tensor;
}

/** x [N, C, H, W] -> [N, H W, C], row by row; a view. */
export function mapRows(x: Tensor): Tensor {
  return x.flatten(2).transpose(1, 2);
}
