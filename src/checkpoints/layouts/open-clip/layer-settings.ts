/** What open_clip's image and text transformers have in common. */
import type { Activation } from "../../../nn/activation.ts";
import type { StrictFields } from "../strict-fields.ts";

/** Far beyond any model; keeps a damaged file from making a key table that fills the memory. */
export const maxDepth = 10_000;

/** Blocks that limn does not have, each with the values that leave it out. */
export const blockSettings: Readonly<Record<string, readonly unknown[]>> = {
  ls_init_value: [],
  block_type: ["default"],
  qk_norm: [false],
  scaled_cosine_attn: [false],
  scale_heads: [false],
  scale_attn_inner: [false],
  scale_attn: [false],
  scale_fc: [false],
};

export interface LayerSettings {
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

export function layerSettings(
  fields: StrictFields,
  width: number,
  quickGelu: boolean,
): LayerSettings {
  const mlpWidth = Math.trunc(width * fields.number("mlp_ratio", 4));
  if (!(mlpWidth >= 1)) fields.fail("mlp_ratio", "a number that leaves the perceptron a width");
  return { mlpWidth, activation: readActivation(fields, quickGelu), normEpsilon: epsilon(fields) };
}

function epsilon(fields: StrictFields): number {
  const norm = fields.section("norm_kwargs");
  norm.only(["eps"]);
  return norm.number("eps", 1e-5);
}

function readActivation(fields: StrictFields, quickGelu: boolean): Activation {
  const settings = fields.section("act_kwargs");
  settings.only(["approximate"]);
  const approximate = settings.raw("approximate");
  if (quickGelu) {
    // QuickGELU takes no settings: open_clip itself fails on them.
    if (approximate !== undefined) fields.refuse("act_kwargs", "nothing beside quick_gelu");
    return "quickGelu";
  }
  settings.fixed({ approximate: ["none", "tanh"] });
  return approximate === "tanh" ? "geluTanh" : "gelu";
}
