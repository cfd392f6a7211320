/** The names of the weights of timm's `VisionTransformer`. */
import { leadingOne, reshaped, type KeyTable, type WeightKeys } from "../../weights/key-table.ts";

type Keys = KeyTable["keys"];

const block: Readonly<Record<string, string>> = {
  "norm1.*": "norm1.*",
  "attention.input.*": "attn.qkv.*",
  "attention.output.*": "attn.proj.*",
  "norm2.*": "norm2.*",
  "mlp.up.*": "mlp.fc1.*",
  "mlp.down.*": "mlp.fc2.*",
};

const classToken = reshaped((shape) => [1, 1, ...shape]);

/** `ours` and `theirs` stand before every name: `imageTower.` and `visual.trunk.`. */
export function timmVitKeys(ours: string, theirs: string): Keys {
  const pooling = `${theirs}attn_pool`;
  const stacked = (leaf: string): WeightKeys => ({
    names: [`${pooling}.q.${leaf}`, `${pooling}.kv.${leaf}`],
    shares: [1, 2],
  });
  return {
    [`${ours}patchEmbedding.*`]: `${theirs}patch_embed.proj.*`,
    [`${ours}classEmbedding`]: { names: [`${theirs}cls_token`], form: classToken },
    [`${ours}positionEmbedding`]: { names: [`${theirs}pos_embed`], form: leadingOne },
    [`${ours}normBefore.*`]: `${theirs}norm_pre.*`,
    ...Object.fromEntries(
      Object.entries(block).map(([a, b]) => [`${ours}blocks.#.${a}`, `${theirs}blocks.#.${b}`]),
    ),
    [`${ours}normAfter.*`]: `${theirs}norm.*`,
    [`${ours}pooling.probe`]: `${pooling}.latent`,
    [`${ours}pooling.attention.input.weight`]: stacked("weight"),
    [`${ours}pooling.attention.input.bias`]: stacked("bias"),
    [`${ours}pooling.attention.output.*`]: `${pooling}.proj.*`,
    [`${ours}pooling.norm.*`]: `${pooling}.norm.*`,
    [`${ours}pooling.mlp.up.*`]: `${pooling}.mlp.fc1.*`,
    [`${ours}pooling.mlp.down.*`]: `${pooling}.mlp.fc2.*`,
  };
}
