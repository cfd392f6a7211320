/**
 * The one way from prepared pictures and tokens to rows, for whatever wants them: searching,
 * classifying, evaluating, teaching, filling a cache. It sets the mode and the precision, takes
 * halves of a batch that does not fit the memory, and stops when told to. Knows no file, no
 * tokenizer and no decoder.
 */
import type { Embeddings } from "../arrays/embeddings.ts";
import type { SimilarityKernel } from "../arrays/similarities.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import {
  cellBytes,
  GRID_BYTES,
  gridsOf,
  isNaflex,
  type PictureTransform,
} from "../data/image/picture-cell.ts";
import { evaluating, type Module } from "../nn/module.ts";
import type { Precision } from "../nn/precision.ts";
import { pixelsToTensor, standardize, type DualEncoder } from "../pair/dual-encoder.ts";
import { cat, fromData, scope, type Device, type Tensor } from "../torch/index.ts";
import type { ImagePatches } from "../towers/tower.ts";
import { withFittingBatches } from "./batch-size.ts";
import { deviceSimilarities } from "./device-similarities.ts";

export type { Precision } from "../nn/precision.ts";

/** Of matrix products; everything else is float32. */
type CastPrecision = "float32" | "bfloat16";

export interface EncodeOptions {
  /** Of a model that is not prepared for inference, whose weights are cast anew. Default `float32`. */
  readonly precision?: CastPrecision | undefined;
  /** Asked before each forward pass; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** Token ids of texts. */
export interface TokenRows {
  /** int32 [N, contextLength] */
  readonly tokens: Int32Array;
  readonly contextLength: number;
  /**
   * [N] tokens in use. Where they are given and the tower allows it, rows are cut to the longest,
   * which changes nothing but rounding.
   */
  readonly lengths?: Int32Array;
}

/** What the rows are made with. */
interface EncoderParts {
  /** In evaluation mode while rows are made; its mode is then restored. */
  readonly module: Module;
  /** D, the width of a row. */
  readonly dim: number;
  readonly image?: {
    /** How pictures became cells, and how their levels are standardised. */
    readonly transform: PictureTransform;
    /** float32 [N, 3, S, S] -> [N, D] */
    readonly squares: (pixels: Tensor) => Tensor;
    /** Of towers that keep the aspect ratio (NaFlex). */
    readonly patches?: (images: ImagePatches) => Tensor;
  };
  readonly text?: {
    /** Padding behind a text changes nothing, see `TextTower.trimmable`. */
    readonly trimmable: boolean;
    /** int32 [N, T] -> [N, D] */
    readonly forward: (tokens: Tensor) => Tensor;
  };
}

export class Encoder {
  readonly dim: number;
  /** queries [Q, D] x candidates [M, D] -> [Q, M] inner products, on the device. */
  readonly similarities: SimilarityKernel = deviceSimilarities(() => this.device);
  readonly #parts: EncoderParts;

  /** Borrows the module; it must outlive the encoder. */
  constructor(parts: EncoderParts) {
    this.dim = parts.dim;
    this.#parts = parts;
  }

  get device(): Device {
    return this.#parts.module.device;
  }

  /** What pictures are computed in where the module is prepared for inference. */
  get precision(): Precision {
    return this.#parts.module.preparedAs ?? "float32";
  }

  /** How pictures become the cells that `encodeImages` takes. */
  get transform(): PictureTransform {
    return this.#image.transform;
  }

  /** Whether texts of like length are worth putting together, since rows are cut to the longest. */
  get trimmable(): boolean {
    return this.#text.trimmable;
  }

  /**
   * Pictures to rows, in order. What does not fit the device's memory goes through in halves.
   *
   * cells    uint8 [N, cellBytes(transform)], may lie on a SharedArrayBuffer; read during the call
   * returns  [N, D]; unit rows where the encoder is a pair's
   * throws   the signal's reason; NativeError where not even one picture fits;
   *          TypeError for patches where the tower takes squares only
   */
  encodeImages(cells: Uint8Array, options?: EncodeOptions): Embeddings {
    return this.#plain(cells.length / cellBytes(this.transform), () =>
      this.imageRows(cells, options),
    );
  }

  /** Texts to rows, in order; otherwise as `encodeImages`. */
  encodeTexts(rows: TokenRows, options?: EncodeOptions): Embeddings {
    return this.#plain(rows.tokens.length / rows.contextLength, () => this.textRows(rows, options));
  }

  /** `encodeImages` of one picture or more as a tensor [N, D] on the device, which the caller owns. */
  imageRows(cells: Uint8Array, { precision, signal }: EncodeOptions = {}): Tensor {
    const size = cellBytes(this.transform);
    return joined(cells.length / size, signal, (from, to) =>
      this.imagePass(cells.subarray(from * size, to * size), precision),
    );
  }

  /** `encodeTexts` of one text or more as a tensor [N, D] on the device, which the caller owns. */
  textRows(rows: TokenRows, { precision, signal }: EncodeOptions = {}): Tensor {
    const { device } = this;
    const { trimmable, forward } = this.#text;
    const { tokens, width } = trimmable ? cutToLongest(rows) : uncut(rows);
    return joined(tokens.length / width, signal, (from, to) =>
      this.#evaluating(precision, () => {
        const part = tokens.subarray(from * width, to * width);
        return forward(fromData(part, [to - from, width]).to(device));
      }),
    );
  }

  /** One forward pass of all the cells at once; what it makes on the way stays in the caller's scope. */
  imagePass(cells: Uint8Array, precision?: CastPrecision): Tensor {
    const { device } = this;
    const { transform, squares, patches } = this.#image;
    return this.#evaluating(precision, () => {
      if (!isNaflex(transform)) {
        return squares(pixelsToTensor(cells, transform.imageSize, transform, device));
      }
      if (patches) return patches(cellPatches(cells, transform, device));
      throw new TypeError(
        "Expected a transform into squares for this tower but received a NaFlex one; " +
          "give it its own preprocessing",
      );
    });
  }

  #evaluating(precision: CastPrecision = "float32", body: () => Tensor): Tensor {
    const { module } = this.#parts;
    return evaluating(module, module.preparedAs === null ? precision : "float32", body);
  }

  #plain(count: number, make: () => Tensor): Embeddings {
    const { dim } = this;
    if (count === 0) return { data: new Float32Array(0), count, dim };
    return { data: scope(() => make().toFloat32Array()), count, dim };
  }

  get #image(): NonNullable<EncoderParts["image"]> {
    if (this.#parts.image) return this.#parts.image;
    throw new TypeError("Expected an image tower for pictures but received an encoder of texts");
  }

  get #text(): NonNullable<EncoderParts["text"]> {
    if (this.#parts.text) return this.#parts.text;
    throw new TypeError("Expected a text tower for texts but received an encoder of pictures");
  }
}

/** The encoder of a pair: unit rows of the shared space. Pictures come as `transform` makes them. */
export function pairEncoder(pair: DualEncoder, transform: PictureTransform): Encoder {
  return new Encoder({
    module: pair,
    dim: pair.config.embedDim,
    image: {
      transform,
      squares: (pixels) => pair.encodeImages(pixels),
      patches: (images) => pair.encodePatches(images),
    },
    text: {
      trimmable: pair.textTower.trimmable,
      forward: (tokens) => pair.encodeTexts(tokens),
    },
  });
}

/** Rows 0 to `count` as one tensor, from as few passes as fit the memory. */
function joined(
  count: number,
  signal: AbortSignal | undefined,
  pass: (from: number, to: number) => Tensor,
): Tensor {
  return scope(() => {
    const parts = withFittingBatches(count, (from, to) => {
      signal?.throwIfAborted();
      return scope(() => pass(from, to));
    });
    return parts.length === 1 ? (parts[0] as Tensor) : cat(parts);
  });
}

/** NaFlex cells as the tower takes them, as many places as the largest grid has. */
function cellPatches(cells: Uint8Array, transform: NaflexTransform, device: Device): ImagePatches {
  const grids = gridsOf(cells, transform);
  const places = Math.max(...grids.map(([rows, columns]) => rows * columns));
  const size = cellBytes(transform);
  const width = 3 * transform.patchSize ** 2;
  const patches = scope(() => {
    const whole = fromData(cells, [grids.length, size], { device });
    const levels = whole.narrow(1, GRID_BYTES, places * width).reshape(grids.length, -1, 3);
    return standardize(levels, transform, [1, 1, 3]).reshape(grids.length, places, width);
  });
  return { patches, grids };
}

interface Tokens {
  /** [N, width] */
  tokens: Int32Array;
  width: number;
}

function uncut({ tokens, contextLength }: TokenRows): Tokens {
  return { tokens, width: contextLength };
}

function cutToLongest({ tokens, contextLength, lengths }: TokenRows): Tokens {
  const width = lengths?.reduce((most, one) => Math.max(most, one), 1) ?? contextLength;
  if (width === contextLength) return { tokens, width };
  const count = tokens.length / contextLength;
  const cut = new Int32Array(count * width);
  for (let row = 0; row < count; row++) {
    const from = row * contextLength;
    cut.set(tokens.subarray(from, from + width), row * width);
  }
  return { tokens: cut, width };
}
