/** The weights that a configuration asks for: names and shapes, without memory for them. */
import { CheckpointError } from "../errors.ts";
import { initializeOn } from "../nn/initialize.ts";
import { createImageTower, createTextTower } from "../towers/index.ts";
import type { Module } from "../nn/module.ts";
import { scope } from "../torch/index.ts";
import { DualEncoder } from "../pair/dual-encoder.ts";
import type { DescribedModel } from "./layout.ts";

export interface WeightShape {
  readonly shape: readonly number[];
  /** False for state that is not learned, such as a running mean. */
  readonly learned: boolean;
}

/**
 * limn's name and shape of every weight of a model.
 *
 * throws  CheckpointError naming `path` for a configuration that no tower can have
 */
export function modelShapes(
  path: string,
  contents: DescribedModel["contents"],
): Map<string, WeightShape> {
  return shapesOf(path, () => {
    if (contents.kind === "pair") return { prefix: "", module: new DualEncoder(contents.config) };
    const { kind, config, embedDim } = contents;
    return kind === "image"
      ? { prefix: "imageTower", module: createImageTower(config, embedDim) }
      : { prefix: "textTower", module: createTextTower(config, embedDim) };
  });
}

function shapesOf(
  path: string,
  make: () => { prefix: string; module: Module },
): Map<string, WeightShape> {
  try {
    return scope(() => {
      const { prefix, module } = initializeOn("meta", make);
      const shapes = new Map<string, WeightShape>();
      for (const [name, { tensor }] of module.namedParameters(prefix)) {
        shapes.set(name, { shape: tensor.shape, learned: true });
      }
      for (const [name, { tensor }] of module.namedBuffers(prefix)) {
        shapes.set(name, { shape: tensor.shape, learned: false });
      }
      module.dispose();
      return shapes;
    });
  } catch (cause) {
    throw configurationError(path, cause);
  }
}

/** A size that no tower can have, as an error that names the checkpoint. */
export function configurationError(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof CheckpointError) return cause;
  if (!(cause instanceof RangeError) && cause.name !== "NativeError") return cause;
  return new CheckpointError(
    path,
    `Expected sizes that a model can have in the configuration of ${path} but received others ` +
      `(${cause.message}); correct it, or fetch the files again`,
    { cause },
  );
}
