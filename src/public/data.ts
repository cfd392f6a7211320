/** `limn/data`: sources of pairs, pictures, the loader, packing, inspecting and near-duplicates. */
export * from "../data/index.ts";
export {
  applyEvaluationTransform,
  applyNaflexTransform,
  decodeImage,
  evaluationPreset,
  type EvaluationTransform,
  naflexPreset,
  type NaflexTransform,
  type TrainingAugmentation,
} from "../data/image/index.ts";
