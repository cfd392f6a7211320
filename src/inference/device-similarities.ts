/** Similarities by the device's own matrix product. Knows no model. */
import type { Embeddings } from "../arrays/embeddings.ts";
import type { SimilarityKernel } from "../arrays/similarities.ts";
import { fromData, scope, type Device, type Tensor } from "../torch/index.ts";

/**
 * queries [Q, D] x candidates [M, D] -> [Q, M] inner products on the device that is asked for at each
 * call. What is held is put there once and freed at the end of `holding`.
 */
export function deviceSimilarities(device: () => Device): SimilarityKernel {
  const held = new Map<Embeddings, Tensor>();
  const put = ({ data, count, dim }: Embeddings): Tensor =>
    fromData(data, [count, dim], { device: device() });
  const product = (queries: Embeddings, candidates: Embeddings): Float32Array =>
    scope(() => {
      const columns = held.get(candidates) ?? put(candidates);
      return put(queries).mm(columns.t()).toFloat32Array();
    });
  const holding = <R>(candidates: Embeddings, body: () => R): R => {
    if (held.has(candidates)) return body();
    return scope(() => {
      held.set(candidates, put(candidates));
      try {
        return body();
      } finally {
        held.delete(candidates);
      }
    });
  };
  return Object.assign(product, { holding });
}
