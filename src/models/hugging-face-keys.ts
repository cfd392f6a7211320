/**
 * The two-way table between limn's parameter names and the weights of Hugging Face's `CLIPModel`
 * (transformers, models/clip/modeling_clip.py). Knows nothing about files.
 */
import type { ClipConfig } from "./configs.ts";

/** One parameter of limn and the weights that make it up. */
export interface WeightRow {
  /** limn's name, a path of `namedParameters`. */
  readonly ours: string;
  /** Hugging Face's names: one, or three that are stacked along the first dimension. */
  readonly theirs: readonly string[];
  /** Shape of limn's parameter. */
  readonly shape: readonly number[];
}

/** Buffers of position numbers, 0 to T - 1, in files of transformers before 4.31. */
export const ignoredKeys: readonly string[] = [
  "vision_model.embeddings.position_ids",
  "text_model.embeddings.position_ids",
];

const qkv = (ending: string): string[] =>
  ["q", "k", "v"].map((p) => `self_attn.${p}_proj.${ending}`);

/** A layer norm or a linear layer: its two parameters under both names. */
const pair = (
  ours: string,
  theirs: string,
  [out, ...inputs]: readonly [number, ...number[]],
): [string, string[], number[]][] => [
  [`${ours}.weight`, [`${theirs}.weight`], [out, ...inputs]],
  [`${ours}.bias`, [`${theirs}.bias`], [out]],
];

function blockRows(
  tower: "imageTower" | "textTower",
  model: "vision_model" | "text_model",
  { width: w, depth, mlpWidth }: { width: number; depth: number; mlpWidth: number },
): WeightRow[] {
  const rows: [string, string[], number[]][] = [
    ...pair("norm1", "layer_norm1", [w]),
    ["attention.input.weight", qkv("weight"), [3 * w, w]],
    ["attention.input.bias", qkv("bias"), [3 * w]],
    ...pair("attention.output", "self_attn.out_proj", [w, w]),
    ...pair("norm2", "layer_norm2", [w]),
    ...pair("mlp.up", "mlp.fc1", [mlpWidth, w]),
    ...pair("mlp.down", "mlp.fc2", [w, mlpWidth]),
  ];
  return Array.from({ length: depth }, (_, block) =>
    rows.map(([ours, theirs, shape]) => ({
      ours: `${tower}.blocks.${block}.${ours}`,
      theirs: theirs.map((name) => `${model}.encoder.layers.${block}.${name}`),
      shape,
    })),
  ).flat();
}

/** The image tower's rows. `pre_layrnorm` is how the files spell it. */
function imageRows({ embedDim, image }: ClipConfig): WeightRow[] {
  const { width: w, patchSize: p, imageSize } = image;
  const rows: [string, string[], number[]][] = [
    ["patchEmbedding.weight", ["embeddings.patch_embedding.weight"], [w, 3, p, p]],
    ["classEmbedding", ["embeddings.class_embedding"], [w]],
    [
      "positionEmbedding",
      ["embeddings.position_embedding.weight"],
      [1 + Math.floor(imageSize / p) ** 2, w],
    ],
    ...pair("normBefore", "pre_layrnorm", [w]),
    ...pair("normAfter", "post_layernorm", [w]),
  ];
  return [
    ...rows.map(([ours, theirs, shape]) => ({
      ours: `imageTower.${ours}`,
      theirs: theirs.map((name) => `vision_model.${name}`),
      shape,
    })),
    ...blockRows("imageTower", "vision_model", image),
    {
      ours: "imageTower.projection.weight",
      theirs: ["visual_projection.weight"],
      shape: [embedDim, w],
    },
  ];
}

function textRows({ embedDim, text }: ClipConfig): WeightRow[] {
  const { width: w, vocabSize, contextLength } = text;
  const rows: [string, string[], number[]][] = [
    ["tokenEmbedding.weight", ["embeddings.token_embedding.weight"], [vocabSize, w]],
    ["positionEmbedding", ["embeddings.position_embedding.weight"], [contextLength, w]],
    ...pair("normAfter", "final_layer_norm", [w]),
  ];
  return [
    ...rows.map(([ours, theirs, shape]) => ({
      ours: `textTower.${ours}`,
      theirs: theirs.map((name) => `text_model.${name}`),
      shape,
    })),
    ...blockRows("textTower", "text_model", text),
    {
      ours: "textTower.projection.weight",
      theirs: ["text_projection.weight"],
      shape: [embedDim, w],
    },
  ];
}

/** Every weight of a model of this configuration. */
export function huggingFaceRows(config: ClipConfig): WeightRow[] {
  return [
    { ours: "logitScaleLog", theirs: ["logit_scale"], shape: [] },
    ...imageRows(config),
    ...textRows(config),
  ];
}

/** The shape of one of a row's parts: the parts share the first dimension. */
export function partShape({ theirs, shape }: WeightRow): number[] {
  const [first, ...rest] = shape;
  return first === undefined ? [] : [first / theirs.length, ...rest];
}
