/**
 * Reads sizes from the shapes of a flax checkpoint, which has no configuration beside it: those of one
 * weight, and of a whole stack of transformer blocks.
 */
import { CheckpointError } from "../../../errors.ts";
import type { Weights } from "../../weights/weight-file.ts";
import { blockNames, type BlockNames } from "./flax-forms.ts";

/** The names and shapes of a file, its names without what training code puts in front. */
export class FlaxShapes {
  readonly file: string;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(weights: Weights) {
    this.file = weights.file;
    this.#shapes = new Map(
      weights.names.map((name) => [plainName(name), weights.info(name).shape] as const),
    );
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  /** Whether any name starts with `prefix`. */
  hasUnder(prefix: string): boolean {
    return [...this.#shapes.keys()].some((name) => name.startsWith(prefix));
  }

  /** How many sides a weight has; 0 for none. */
  rank(name: string): number {
    return this.#shapes.get(name)?.length ?? 0;
  }

  /** A weight's shape for messages. */
  text(name: string): string {
    const shape = this.#shapes.get(name);
    return shape === undefined ? "none" : `[${shape.join(", ")}]`;
  }

  /**
   * The sides of a weight of `rank` sides.
   *
   * throws  CheckpointError where it is missing or has another number of sides
   */
  sides(name: string, rank: number): readonly number[] {
    const shape = this.#shapes.get(name);
    if (shape?.length === rank) return shape;
    return this.refuse(`${name} with ${rank} sides`, this.text(name));
  }

  /** Throws CheckpointError of what was expected in the file and what was there. */
  refuse(expected: string, received: string): never {
    throw new CheckpointError(
      this.file,
      `Expected ${expected} in ${this.file} but received ${received}; give a checkpoint of ` +
        "big_vision's SigLIP, of LiT or of an AugReg ViT",
    );
  }

  /** How many of `pattern`, with its `#` from 0 on, are there. */
  count(pattern: string): number {
    let at = 0;
    while (this.has(pattern.replace("#", String(at)))) at++;
    return at;
  }
}

/** Weights lie under `params/` beside the optimizer's state, in older files under `opt/target/`. */
export function plainName(name: string): string {
  return name.replace(/^(params|opt\/target)\//, "");
}

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
