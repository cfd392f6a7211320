/**
 * The names of weights in checkpoints of open_clip and OpenAI (open_clip 3.3, model.py,
 * transformer.py, modified_resnet.py, timm_model.py). Knows no file.
 */
import {
  oneNumber,
  torchLeaves,
  transposed,
  type KeyTable,
  type WeightKeys,
} from "../../weights/key-table.ts";
import { timmVitKeys } from "../timm/keys.ts";

/** Everything about names that sizes do not say. */
export interface OpenClipNames {
  /** open_clip's own ViT, CLIP's ResNet, or a tower of timm (`visual.trunk`). */
  readonly image: "vit" | "modifiedResNet" | "timm";
  /** The head of a timm tower: open_clip's own layer behind it, or timm's classifier. */
  readonly timmHead: "own" | "trunk";
  /** Before the text tower's names: `text.` in a `CustomTextCLIP`, empty in a `CLIP`. */
  readonly text: "" | "text.";
  /** The text projection is a layer with a bias, or a bare matrix. */
  readonly textProjection: "linear" | "matrix";
  /** The shape of `logit_scale` and `logit_bias`: [] or [1]. */
  readonly scalars: "[]" | "[1]";
}

/** The usual names of a `CLIP`. */
export const clipNames: OpenClipNames = {
  image: "vit",
  timmHead: "own",
  text: "",
  textProjection: "matrix",
  scalars: "[]",
};

type Keys = KeyTable["keys"];

const block: Readonly<Record<string, string>> = {
  "norm1.*": "ln_1.*",
  "attention.input.weight": "attn.in_proj_weight",
  "attention.input.bias": "attn.in_proj_bias",
  "attention.output.*": "attn.out_proj.*",
  "norm2.*": "ln_2.*",
  "mlp.up.*": "mlp.c_fc.*",
  "mlp.down.*": "mlp.c_proj.*",
};

function blocks(ours: string, theirs: string): Keys {
  return Object.fromEntries(
    Object.entries(block).map(([a, b]) => [`${ours}.blocks.#.${a}`, `${theirs}.resblocks.#.${b}`]),
  );
}

const matrix = (name: string): WeightKeys => ({ names: [name], form: transposed });

const vitKeys: Keys = {
  "imageTower.patchEmbedding.weight": "visual.conv1.weight",
  "imageTower.classEmbedding": "visual.class_embedding",
  "imageTower.positionEmbedding": "visual.positional_embedding",
  "imageTower.normBefore.*": "visual.ln_pre.*",
  ...blocks("imageTower", "visual.transformer"),
  "imageTower.normAfter.*": "visual.ln_post.*",
  "imageTower.projection.weight": matrix("visual.proj"),
};

/** One stage of a ResNet; stages count from 0 here and from 1 in the file. */
function stage(index: number): Keys {
  const [ours, theirs] = [`imageTower.stages.${index}.blocks.#`, `visual.layer${index + 1}.#`];
  return {
    ...layers(ours, theirs),
    [`${ours}.shortcut.conv.*`]: `${theirs}.downsample.0.*`,
    [`${ours}.shortcut.norm.*`]: `${theirs}.downsample.1.*`,
  };
}

/** The three convolutions of a stem or a bottleneck and their norms. */
function layers(ours: string, theirs: string): Keys {
  return Object.fromEntries(
    [1, 2, 3].flatMap((n) => [
      [`${ours}.conv${n}.*`, `${theirs}.conv${n}.*`],
      [`${ours}.norm${n}.*`, `${theirs}.bn${n}.*`],
    ]),
  );
}

const modifiedResNetKeys: Keys = {
  ...layers("imageTower.stem", "visual"),
  ...Object.assign({}, ...[0, 1, 2, 3].map(stage)),
  "imageTower.attentionPool.positionEmbedding": "visual.attnpool.positional_embedding",
  "imageTower.attentionPool.query.*": "visual.attnpool.q_proj.*",
  "imageTower.attentionPool.key.*": "visual.attnpool.k_proj.*",
  "imageTower.attentionPool.value.*": "visual.attnpool.v_proj.*",
  "imageTower.projection.*": "visual.attnpool.c_proj.*",
};

function imageKeys({ image, timmHead }: OpenClipNames): Keys {
  if (image === "vit") return vitKeys;
  if (image === "modifiedResNet") return modifiedResNetKeys;
  const head = timmHead === "own" ? "visual.head.proj.*" : "visual.trunk.head.*";
  return { ...timmVitKeys("imageTower.", "visual.trunk."), "imageTower.projection.*": head };
}

function textKeys({ text, textProjection }: OpenClipNames): Keys {
  return {
    "textTower.tokenEmbedding.weight": `${text}token_embedding.weight`,
    "textTower.positionEmbedding": `${text}positional_embedding`,
    ...blocks("textTower", `${text}transformer`),
    "textTower.normAfter.*": `${text}ln_final.*`,
    ...(textProjection === "linear"
      ? { "textTower.projection.*": `${text}text_projection.*` }
      : { "textTower.projection.weight": matrix(`${text}text_projection`) }),
  };
}

/** The causal mask, which old versions saved; of OpenAI's archives the three numbers beside the weights. */
const meaningless: readonly string[] = [
  "attn_mask",
  "text.attn_mask",
  "input_resolution",
  "context_length",
  "vocab_size",
];

/** The table of a pair. */
export function openClipTable(names: OpenClipNames): KeyTable {
  const { scalars } = names;
  const scalar = (name: string): WeightKeys =>
    scalars === "[1]" ? { names: [name], form: oneNumber } : { names: [name] };
  const keys: Keys = {
    ...imageKeys(names),
    ...textKeys(names),
    logitScaleLog: scalar("logit_scale"),
    logitBias: scalar("logit_bias"),
  };
  return {
    keys,
    leaves: torchLeaves,
    carried: (name) => name.endsWith(".num_batches_tracked"),
    ignored: (name) => meaningless.includes(name),
  };
}
