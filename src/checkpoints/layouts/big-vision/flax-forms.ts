/** How flax keeps the weights of its modules, beside limn's: kernels are [inputs, outputs]. */
import { cat, zeros } from "../../../torch/index.ts";
import { reshaped, transposed, type KeyTable, type WeightForm } from "../../weights/key-table.ts";

/** A convolution: [H, W, inputs, outputs] in the file, [outputs, inputs, H, W] here. */
export const convolution: WeightForm = {
  shape: ([outputs = 0, inputs = 0, height = 0, width = 0]) => [height, width, inputs, outputs],
  toOurs: (kernel) => kernel.permute(3, 2, 0, 1),
  toTheirs: (weight) => weight.permute(2, 3, 1, 0),
};

/** A query, key or value: [inputs, heads, h] in the file, [heads h, inputs] here. */
function intoHeads(heads: number): WeightForm {
  return {
    shape: ([outputs = 0, inputs = 0]) => [inputs, heads, outputs / heads],
    toOurs: (kernel) => kernel.flatten(1).t(),
    toTheirs: (weight) => weight.t(),
  };
}

/** The bias of a query, key or value: [heads, h] in the file. */
function biasOfHeads(heads: number): WeightForm {
  return {
    shape: ([outputs = 0]) => [heads, outputs / heads],
    toOurs: (bias) => bias,
    toTheirs: (bias) => bias,
  };
}

/** The output of attention: [heads, h, outputs] in the file, [outputs, heads h] here. */
function outOfHeads(heads: number): WeightForm {
  return {
    shape: ([outputs = 0, inputs = 0]) => [heads, inputs / heads, outputs],
    toOurs: (kernel) => kernel.reshape(-1, kernel.size(2)).t(),
    toTheirs: (weight) => weight.t(),
  };
}

/**
 * A table of positions without a row for the class token, which big_vision adds before it joins the
 * patches: [1, P, W] in the file, [1 + P, W] here with a first row of zeros.
 */
export const withoutClassRow: WeightForm = {
  shape: ([places = 0, width = 0]) => [1, places - 1, width],
  toOurs: (table) => cat([zeros([1, table.size(2)], { dtype: table.dtype }), table.select(0, 0)]),
  toTheirs: (table) => table.narrow(0, 1, table.size(0) - 1),
};

/** A table of positions by row and column: [S, S, W] in the file, [S^2, W] here. */
export const squareOfPlaces: WeightForm = reshaped(([places = 0, width = 0]) => {
  const side = Math.sqrt(places);
  return [side, side, width];
});

/** A dense layer under both names. */
export function dense(ours: string, theirs: string, stacked = false): KeyTable["keys"] {
  const layersStacked = stacked ? { layersStacked: true } : {};
  return {
    [`${ours}.weight`]: { names: [`${theirs}/kernel`], form: transposed, ...layersStacked },
    [`${ours}.bias`]: { names: [`${theirs}/bias`], ...layersStacked },
  };
}

/** A layer norm under both names. */
export function norm(ours: string, theirs: string, stacked = false): KeyTable["keys"] {
  const layersStacked = stacked ? { layersStacked: true } : {};
  return {
    [`${ours}.weight`]: { names: [`${theirs}/scale`], ...layersStacked },
    [`${ours}.bias`]: { names: [`${theirs}/bias`], ...layersStacked },
  };
}

/** Multi-head attention with query, key and value in one matrix here. */
export function attention(
  ours: string,
  theirs: string,
  heads: number,
  stacked = false,
): KeyTable["keys"] {
  const layersStacked = stacked ? { layersStacked: true } : {};
  const parts = ["query", "key", "value"];
  return {
    [`${ours}.input.weight`]: {
      names: parts.map((part) => `${theirs}/${part}/kernel`),
      form: intoHeads(heads),
      ...layersStacked,
    },
    [`${ours}.input.bias`]: {
      names: parts.map((part) => `${theirs}/${part}/bias`),
      form: biasOfHeads(heads),
      ...layersStacked,
    },
    [`${ours}.output.weight`]: {
      names: [`${theirs}/out/kernel`],
      form: outOfHeads(heads),
      ...layersStacked,
    },
    [`${ours}.output.bias`]: { names: [`${theirs}/out/bias`], ...layersStacked },
  };
}

/** How the parts of a transformer block are numbered. */
export interface BlockNames {
  norm1: string;
  attention: string;
  norm2: string;
  mlp: string;
  /** All blocks in one weight each, stacked (`nn.scan`). */
  stacked: boolean;
}

const linen = {
  norm1: "LayerNorm_0",
  attention: "MultiHeadDotProductAttention_0",
  norm2: "LayerNorm_1",
  mlp: "MlpBlock_0",
};
/** Before linen, flax numbered all modules of a block in one row. */
const preLinen = {
  norm1: "LayerNorm_0",
  attention: "MultiHeadDotProductAttention_1",
  norm2: "LayerNorm_2",
  mlp: "MlpBlock_3",
};

/** Which of the three ways of naming a stack of blocks a file has; undefined for none. */
export function blockNames(has: (name: string) => boolean, stack: string): BlockNames | undefined {
  if (has(`${stack}/encoderblock/${linen.norm1}/scale`)) return { ...linen, stacked: true };
  if (has(`${stack}/encoderblock_0/${preLinen.norm2}/scale`))
    return { ...preLinen, stacked: false };
  return has(`${stack}/encoderblock_0/${linen.norm2}/scale`)
    ? { ...linen, stacked: false }
    : undefined;
}

/** The blocks of a stack. */
export function blocks(
  ours: string,
  stack: string,
  { stacked, ...names }: BlockNames,
  heads: number,
): KeyTable["keys"] {
  const block = stacked ? `${stack}/encoderblock` : `${stack}/encoderblock_#`;
  return {
    ...norm(`${ours}.norm1`, `${block}/${names.norm1}`, stacked),
    ...attention(`${ours}.attention`, `${block}/${names.attention}`, heads, stacked),
    ...norm(`${ours}.norm2`, `${block}/${names.norm2}`, stacked),
    ...dense(`${ours}.mlp.up`, `${block}/${names.mlp}/Dense_0`, stacked),
    ...dense(`${ours}.mlp.down`, `${block}/${names.mlp}/Dense_1`, stacked),
  };
}
