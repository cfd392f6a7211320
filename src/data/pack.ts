/** Packs samples into WebDataset shards. */
export { writeShards } from "./write-shards.ts";
export type { WriteShardsOptions } from "./write-shards.ts";
