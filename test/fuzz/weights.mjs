/** What the readers of weight files share. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { scope } from "../../dist/src/torch/index.js";

/** @param {string} name */
export function golden(name) {
  return path.join(fileURLToPath(new URL("../goldens", import.meta.url)), name);
}

/**
 * Reads every weight of types that limn knows.
 * @param {import("../../dist/src/checkpoints/weights/weight-file.js").WeightFile} weights
 */
export function readAll(weights) {
  try {
    for (const name of weights.names) {
      const { dtype, bytes } = weights.info(name);
      if (dtype === undefined) continue;
      scope(() => {
        const tensor = weights.tensor(name);
        if (bytes > 0) tensor.view(-1).narrow(0, 0, 1).data();
      });
    }
  } finally {
    weights.close();
  }
}
