/** A pair as open_clip's own files: what `create_model_from_pretrained("local-dir:...")` reads back. */
import type { EvaluationTransform } from "../../../data/image/evaluation-transform.ts";
import { CheckpointError } from "../../../errors.ts";
import type { Activation } from "../../../nn/activation.ts";
import type { ImageTowerConfig } from "../../../towers/index.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { VisionTransformerConfig } from "../../../towers/image/vision-transformer.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { JsonObject } from "../../../files/json-fields.ts";
import { toOpenClipPreprocess } from "../../preprocessing/open-clip-preprocess.ts";
import { pythonFloat, pythonJson } from "../../../files/json-fields.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import { timmVit, timmVitNames } from "../timm/names.ts";
import { configFile } from "./folder.ts";
import { clipNames, openClipTable } from "./keys.ts";

interface OpenClipFiles {
  readonly weightsFile: string;
  readonly table: KeyTable;
  /** Texts of the files beside weights and tokenizer, by name. */
  readonly files: Readonly<Record<string, string>>;
}

export interface OpenClipFilesOptions {
  /**
   * The folder has the files of a tokenizer that is not CLIP's own, and open_clip is to read them.
   * Cleaning that comes before it, in open_clip's words.
   */
  huggingFaceTokenizer?: { clean: "whitespace" | "lower" | "canonicalize" };
}

/** Why open_clip has no towers that compute the same; undefined where it has. */
export function whyNotOpenClip(config: DualEncoderConfig): string | undefined {
  const { image, text } = config;
  if (config.logitScaleAs === "temperature") return "it has no learned temperature";
  if (text.kind !== "transformer") return `it has no ${text.kind} text tower`;
  if (image.kind === "modifiedResNet") return whyNotResNet(config, image);
  if (image.kind !== "vit") return `it has no ${image.kind} image tower`;
  if (timmName(image) !== undefined) return undefined;
  return whyNotVit(config, image, text);
}

function whyNotResNet(
  { imageProjection }: DualEncoderConfig,
  { width, heads }: { width: number; heads: number },
): string | undefined {
  if (imageProjection === false) return "its ResNets have a projection";
  return (32 * width) % heads === 0 ? undefined : `its heads are of whole columns, not ${heads}`;
}

function whyNotVit(
  { imageProjection }: DualEncoderConfig,
  image: VisionTransformerConfig,
  text: TextTransformerConfig,
): string | undefined {
  const { classToken = true, pooling = "class", patchBias, projectionBias } = image;
  if (!classToken || pooling === "map" || patchBias === true) {
    return "its own ViT has a class token and no bias of patches, and timm has no ViT of these sizes";
  }
  if (imageProjection === false || projectionBias === true) {
    return "its own ViT has a projection without bias";
  }
  if ((image.activation === "quickGelu") !== (text.activation === "quickGelu")) {
    return "both its towers have QuickGELU or neither";
  }
  return undefined;
}

/**
 * The files of a pair.
 *
 * folder  named in errors
 * throws  CheckpointError where open_clip has no towers that compute the same, with the reason
 */
export function openClipFiles(
  folder: string,
  config: DualEncoderConfig,
  transform: EvaluationTransform,
  options: OpenClipFilesOptions = {},
): OpenClipFiles {
  const reason = whyNotOpenClip(config);
  if (reason !== undefined) {
    throw new CheckpointError(
      folder,
      `Expected a model that open_clip has towers for, to write ${folder} in its layout, but ` +
        `${reason}; write limn's own layout`,
    );
  }
  const json = {
    model_cfg: toModelConfig(config, options),
    preprocess_cfg: toOpenClipPreprocess(folder, transform),
  };
  return {
    weightsFile: "open_clip_model.safetensors",
    table: writtenTable(config),
    files: { [configFile]: pythonJson(json) },
  };
}

/** The names under which `toModelConfig` makes open_clip look for the weights. */
function writtenTable(config: DualEncoderConfig): KeyTable {
  const { image, text } = config;
  const timm = image.kind === "vit" && timmName(image) !== undefined;
  const kind = timm ? "timm" : image.kind === "modifiedResNet" ? "modifiedResNet" : "vit";
  return openClipTable({
    ...clipNames,
    image: kind,
    timmHead: image.kind === "vit" && image.projectionBias ? "trunk" : "own",
    text: isCustomText(config) ? "text." : "",
    textProjection: text.projectionBias ? "linear" : "matrix",
  });
}

/** As open_clip's own configurations: a `CLIP` where it is one, everything else with `custom_text`. */
function isCustomText({ image, text, logitBiasInit }: DualEncoderConfig): boolean {
  const timm = image.kind === "vit" && timmName(image) !== undefined;
  return timm || text.projectionBias === true || logitBiasInit !== undefined;
}

function toModelConfig(config: DualEncoderConfig, options: OpenClipFilesOptions): JsonObject {
  const { embedDim, image, logitScaleLogInit, logitBiasInit } = config;
  const text = config.text as TextTransformerConfig;
  const quickGelu = text.activation === "quickGelu";
  return {
    embed_dim: embedDim,
    ...(quickGelu && { quick_gelu: true }),
    ...(isCustomText(config) && { custom_text: true }),
    init_logit_scale: pythonFloat(logitScaleLogInit),
    ...(logitBiasInit !== undefined && { init_logit_bias: pythonFloat(logitBiasInit) }),
    vision_cfg: toVision(config, image),
    text_cfg: toText(config, text, options),
  };
}

function toVision(config: DualEncoderConfig, image: ImageTowerConfig): JsonObject {
  if (image.kind === "modifiedResNet") {
    const { imageSize, depths, width, heads } = image;
    return { image_size: imageSize, layers: depths, width, head_width: (32 * width) / heads };
  }
  const vit = image as VisionTransformerConfig;
  const name = timmName(vit);
  return name === undefined ? toVit(vit) : toTimm(config, vit, name);
}

function toVit(image: VisionTransformerConfig): JsonObject {
  const { imageSize, patchSize, width, depth, heads, patchDropout = 0 } = image;
  return {
    image_size: imageSize,
    patch_size: patchSize,
    width,
    layers: depth,
    head_width: width / heads,
    ...(image.pooling === "mean" && { pool_type: "avg" }),
    ...(image.normBefore === false && { no_ln_pre: true }),
    ...(patchDropout > 0 && { patch_dropout: patchDropout }),
    ...toLayers(image),
  };
}

function toTimm(
  config: DualEncoderConfig,
  image: VisionTransformerConfig,
  name: string,
): JsonObject {
  const pools = { class: "token", map: "map", mean: "avg" } as const;
  const { imageProjection = true } = config;
  const own = { timm_proj: "linear" };
  const { patchDropout = 0, stochasticDepth = 0 } = image;
  return {
    image_size: image.imageSize,
    timm_model_name: name,
    timm_model_pretrained: false,
    timm_pool: pools[image.pooling ?? "class"],
    ...(imageProjection
      ? image.projectionBias
        ? { timm_proj: null }
        : own
      : { timm_proj: "none" }),
    ...(patchDropout > 0 && { patch_dropout: patchDropout }),
    ...(stochasticDepth > 0 && { timm_drop_path: stochasticDepth }),
  };
}

function toText(
  { textProjection = true }: DualEncoderConfig,
  text: TextTransformerConfig,
  { huggingFaceTokenizer: tokenizer }: OpenClipFilesOptions,
): JsonObject {
  const { contextLength, vocabSize, width, depth, heads, eotTokenId, padTokenId } = text;
  const greatest = text.pooling === "greatest" || eotTokenId === vocabSize - 1;
  const atEnd = greatest ? {} : { pool_type: "eos", eos_id: eotTokenId };
  return {
    context_length: contextLength,
    vocab_size: vocabSize,
    // A path of its own: open_clip reads a folder's tokenizer from the folder, whatever the name.
    ...(tokenizer && { hf_tokenizer_name: ".", tokenizer_kwargs: { clean: tokenizer.clean } }),
    width,
    layers: depth,
    heads,
    ...toLayers(text),
    ...(padTokenId !== 0 && { pad_id: padTokenId }),
    ...(text.attention === "bidirectional" && { no_causal_mask: true }),
    ...(text.pooling === "last" ? { pool_type: "last" } : atEnd),
    ...(textProjection ? text.projectionBias && { proj_bias: true } : { proj_type: "none" }),
  };
}

interface Layers {
  width: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

function toLayers({ width, mlpWidth, activation, normEpsilon }: Layers): JsonObject {
  return {
    mlp_ratio: pythonFloat(ratioOf(mlpWidth, width)),
    ...(normEpsilon !== 1e-5 && { norm_kwargs: { eps: normEpsilon } }),
    ...(activation === "geluTanh" && { act_kwargs: { approximate: "tanh" } }),
  };
}

/** open_clip cuts width x ratio to a whole number, which rounding must not make one less. */
function ratioOf(mlpWidth: number, width: number): number {
  const ratio = mlpWidth / width;
  return Math.trunc(width * ratio) === mlpWidth ? ratio : (mlpWidth + 0.5) / width;
}

/** What a tower computes, without what acts in training and on new weights alone. */
const shaping = [
  ...["imageSize", "patchSize", "width", "depth", "heads", "mlpWidth", "activation", "normEpsilon"],
] as const satisfies readonly (keyof VisionTransformerConfig)[];

/** The name of timm that makes this tower; undefined where there is none. */
function timmName(image: VisionTransformerConfig): string | undefined {
  const { classToken = true, pooling = "class", normBefore = true, patchBias = false } = image;
  // Every layout of tokens that open_clip's own ViT has is its own.
  if (classToken && pooling === "class" && normBefore && !patchBias && !image.projectionBias) {
    return undefined;
  }
  return timmVitNames.find((name) => {
    const known = timmVit(name) as VisionTransformerConfig;
    return (
      shaping.every((field) => known[field] === image[field]) &&
      known.classToken === classToken &&
      known.pooling === pooling &&
      known.normBefore === normBefore &&
      known.patchBias === patchBias
    );
  });
}
