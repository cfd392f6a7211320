/** `limn/hub`: models of the Hugging Face Hub in the cache that Python shares. */
export { localModel } from "../checkpoints/local-model.ts";
export { fetchModel, type FetchModelOptions, type HubFile } from "../hub/fetch-model.ts";
export type { FetchProgress } from "../hub/progress.ts";
export {
  formatReference,
  parseModelReference,
  type HubReference,
  type ModelReference,
} from "../hub/reference.ts";
export type { HubOptions } from "../hub/settings.ts";
