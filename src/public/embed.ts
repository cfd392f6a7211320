/** `limn/embed`: embeddings of whole sets, written to files and read back. */
export {
  embedSource,
  type EmbedOptions,
  type EmbedProgress,
  type EmbedResult,
} from "../embed/embed-source.ts";
export {
  type ChunkOptions as EmbeddingChunkOptions,
  type EmbeddingChunk,
  type EmbeddingFolder,
  openEmbeddings,
  type ReadOptions as EmbeddingReadOptions,
} from "../embed/embedding-folder.ts";
export type { MetadataRecord } from "../embed/metadata-rows.ts";
