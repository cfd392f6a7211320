/** The stack of transformer blocks that both towers of a flax checkpoint have. */
import { blockNames, type BlockNames } from "./flax-forms.ts";
import type { FlaxShapes } from "./shapes.ts";

export interface Layers {
  depth: number;
  heads: number;
  mlpWidth: number;
}

/** Throws CheckpointError for a stack of blocks under names that no version of flax gave. */
export function namesOf(shapes: FlaxShapes, stack: string): BlockNames {
  const names = blockNames((name) => shapes.has(name), stack);
  return names ?? shapes.refuse(`blocks ${stack}/encoderblock_0 or ${stack}/encoderblock`, "none");
}

/** Number of blocks, heads and inner width of a stack. */
export function layersOf(
  shapes: FlaxShapes,
  stack: string,
  { stacked, norm1, attention: inner, mlp }: BlockNames,
): Layers {
  const block = `${stack}/encoderblock${stacked ? "" : "_0"}`;
  const leading = stacked ? 1 : 0;
  const query = shapes.sides(`${block}/${inner}/query/kernel`, 3 + leading);
  const hidden = shapes.sides(`${block}/${mlp}/Dense_0/kernel`, 2 + leading);
  return {
    depth: stacked ? (query[0] ?? 0) : shapes.count(`${stack}/encoderblock_#/${norm1}/scale`),
    heads: query[1 + leading] ?? 0,
    mlpWidth: hidden[1 + leading] ?? 0,
  };
}
