/** `limn/adapt`: classifiers from a few labelled embeddings, on plain arrays. */
export {
  defineAdapter,
  type Adapter,
  type AdapterDescription,
  type FewShotClassifier,
  type Support,
} from "../adapt/adapter.ts";
export { sampleEpisode, sampleSupport, type Episode } from "../adapt/episode.ts";
export {
  fewShotCurve,
  type FewShotCurve,
  type FewShotCurveOptions,
  type FewShotTask,
} from "../adapt/few-shot-curve.ts";
export { nearestNeighbors, type NeighborSetting } from "../adapt/nearest-neighbors.ts";
export { prototypes, type PrototypeSetting } from "../adapt/prototypes.ts";
export { sampleEfficiency, type SampleEfficiency } from "../adapt/sample-efficiency.ts";
export { selectSetting, type SelectOptions } from "../adapt/select-setting.ts";
export { tipAdapter, type TipAdapterOptions, type TipSetting } from "../adapt/tip-adapter.ts";
