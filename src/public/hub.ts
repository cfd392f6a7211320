/** `limn/hub`: models and data sets of the Hugging Face Hub in the cache that Python shares. */
export { localModel } from "../checkpoints/local-model.ts";
export { fetchDataset } from "../hub/fetch-dataset.ts";
export { fetchModel } from "../hub/fetch-model.ts";
export type {
  FetchOptions,
  FetchOptions as FetchModelOptions,
  HubFile,
} from "../hub/fetch-repository.ts";
export type { FetchProgress } from "../hub/progress.ts";
export {
  formatReference,
  parseDatasetReference,
  parseModelReference,
  type HubReference,
  type ModelReference,
} from "../hub/reference.ts";
export type { HubOptions } from "../hub/settings.ts";
