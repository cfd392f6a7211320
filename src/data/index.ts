/** Data for training and evaluation: sources, loading, packing, inspecting. */
export { contactSheet, type ContactSheetOptions } from "./contact-sheet.ts";
export type { PictureEmbedder } from "./dedupe/describe-pictures.ts";
export { duplicateSheet, type DuplicateSheetOptions } from "./dedupe/duplicate-sheet.ts";
export {
  type DuplicatePair,
  type DuplicateReport,
  findDuplicates,
  type FindDuplicatesOptions,
} from "./dedupe/find-duplicates.ts";
export {
  type InspectOptions,
  type InspectReport,
  inspectSource,
  type PartReport,
} from "./inspect.ts";
export {
  createLoader,
  type Loader,
  type LoaderOptions,
  type LoaderPosition,
} from "./loader/loader.ts";
export { packDataset, type PackOptions, type PackResult } from "./pack.ts";
export { createRandom, type Random, type RandomSeed, type RandomState } from "../arrays/random.ts";
export type { Batch, PackSample, Sample } from "./sample.ts";
export { openSource } from "./sources/open-source.ts";
export type { Problem, Source } from "./sources/source.ts";
export {
  checkSourceSpec,
  type FolderSpec,
  type ParquetSpec,
  type SourceSpec,
  type TableSpec,
  type WebDatasetSpec,
} from "./sources/source-spec.ts";
export { writeShards, type WriteShardsOptions } from "./write-shards.ts";
