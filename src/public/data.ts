/**
 * `limn/data`: sources of pairs, pictures, the loader, packing, inspecting, near-duplicates, and
 * embeddings that were written to files.
 */
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
export {
  type ChunkOptions as EmbeddingChunkOptions,
  type EmbeddingChunk,
  type EmbeddingFolder,
  openEmbeddings,
  type ReadOptions as EmbeddingReadOptions,
} from "../embed/embedding-folder.ts";
export type { MetadataRecord } from "../embed/metadata-rows.ts";
