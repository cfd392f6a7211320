/** What lies at a path, opened and closed again. For tests. */
import type { EvaluationTransform } from "../../src/data/image/evaluation-transform.ts";
import { loadWeights, pairConfigOf } from "../../src/checkpoints/checkpoint.ts";
import type { ModelSource } from "../../src/checkpoints/layout.ts";
import { openModelAt } from "../../src/checkpoints/open-model.ts";
import { DualEncoder, type DualEncoderConfig } from "../../src/pair/dual-encoder.ts";

/** Runs `use` with the model at `path`. */
export function withModel<T>(path: string, use: (source: ModelSource) => T): T {
  using source = openModelAt(path);
  return use(source);
}

export function configAt(path: string): DualEncoderConfig {
  return withModel(path, pairConfigOf);
}

export function transformAt(path: string): EvaluationTransform {
  return withModel(path, (source) => source.evaluationTransform());
}

export function loadWeightsAt(path: string, model: Pick<DualEncoder, "namedState">): void {
  withModel(path, (source) => loadWeights(source, model));
}

/** The pair at `path` with its weights. */
export function pairAt(path: string): DualEncoder {
  const model = new DualEncoder(configAt(path));
  loadWeightsAt(path, model);
  return model;
}
