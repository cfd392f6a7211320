/**
 * What an adapter's folder calls the weights of a model: the names of the layout that the model itself
 * is saved in, where q, k and v have each its own.
 */
import { lowRankNames, stackedParts } from "../../nn/low-rank.ts";
import type { Tensor } from "../../torch/index.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { huggingFaceFamilies } from "../layouts/hugging-face/families.ts";
import { weightRows } from "../weights/key-table.ts";

export const adapterConfigFile = "adapter_config.json";
export const adapterWeightsFile = "adapter_model.safetensors";
/** What peft puts before the names of the model that it wraps. */
export const adapterPrefix = "base_model.model.";

/** One weight of the layout: the whole of one of limn's, or a part of a stack. */
export interface WeightPart {
  weight: string;
  part: number | undefined;
  /** Of the stack. */
  count: number;
}

/** The weights of a model by the names of the layout that it is saved in. */
export function weightParts(model: DualEncoder): Map<string, WeightPart> {
  const { config } = model;
  const apart = lowRankNames(model);
  const own = [...model.namedState()].filter(([name]) => !apart.has(name));
  const family = huggingFaceFamilies.find((one) => one.toConfig && one.holds(config));
  const rows = family
    ? weightRows(family.table({ kind: "pair", config }), own).map(({ ours, parts }) => ({
        ours,
        theirs: parts.map(({ name }) => name),
      }))
    : own.map(([ours]) => ({ ours, theirs: ownNames(ours) }));
  return new Map(
    rows.flatMap(({ ours, theirs }) =>
      theirs.map((name, i) => {
        const count = theirs.length;
        return [name, { weight: ours, part: count === 1 ? undefined : i, count }] as const;
      }),
    ),
  );
}

/** In limn's own layout the parts of a stack have the names of their changes. */
function ownNames(name: string): string[] {
  const stack = /^(.*\battention\.input)\.(weight|bias)$/.exec(name);
  return stack ? stackedParts.map((part) => `${stack[1]}.${part}.${stack[2]}`) : [name];
}

/** The rows of a whole weight that are this part, as a view. */
export function partOf(tensor: Tensor, { part, count }: WeightPart): Tensor {
  if (part === undefined) return tensor;
  const rows = tensor.size(0) / count;
  return tensor.detach().narrow(0, part * rows, rows);
}
