/** Reads sizes off the shapes of a flax checkpoint, which has no configuration beside it. */
import { CheckpointError } from "../../../errors.ts";
import type { WeightFile } from "../../weights/weight-file.ts";

/** The names and shapes of a file, its names without what training code puts in front. */
export class FlaxShapes {
  readonly file: string;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(weights: WeightFile) {
    this.file = weights.file;
    this.#shapes = new Map(
      weights.names.map((name) => [plainName(name), weights.info(name).shape] as const),
    );
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  hasUnder(prefix: string): boolean {
    return [...this.#shapes.keys()].some((name) => name.startsWith(prefix));
  }

  /**
   * The sides of a weight of `rank` sides.
   *
   * throws  CheckpointError where it is missing or has another number of sides
   */
  sides(name: string, rank: number): number[] {
    const shape = this.#shapes.get(name);
    if (shape !== undefined && shape.length === rank) return [...shape];
    throw new CheckpointError(
      this.file,
      `Expected ${name} with ${rank} sides in ${this.file} but received ` +
        `${shape === undefined ? "none" : `[${shape.join(", ")}]`}; give a checkpoint of big_vision's ` +
        "SigLIP, of LiT or of an AugReg ViT",
    );
  }

  /** How many of `pattern`, with its `#` from 0 on, are there. */
  count(pattern: string): number {
    let at = 0;
    while (this.has(pattern.replace("#", String(at)))) at++;
    return at;
  }
}

/** big_vision keeps a model's weights under `params/`, beside the optimizer's state. */
export function plainName(name: string): string {
  return name.startsWith("params/") ? name.slice("params/".length) : name;
}
