/**
 * One shard of embeddings, rows aligned over its files. Written under temporary names until the shard
 * is whole: readers look for `*.npy` and `*.parquet`.
 */
import path from "node:path";

import { checkHalf } from "../files/half.ts";
import { NpyWriter, type NpyPrecision } from "../files/npy.ts";
import { makeFolder } from "../files/storage.ts";
import type { Column } from "./metadata-columns.ts";
import { MetadataSpool, type MetadataRow } from "./metadata-spool.ts";
import { shardFiles } from "./shard-files.ts";

export interface ShardLayout {
  readonly folder: string;
  readonly dim: number;
  readonly precision: NpyPrecision;
  readonly texts: boolean;
}

/** Which shard it is, and what the ones before it left. */
export interface ShardPlace {
  readonly number: number;
  /** Digits of a shard's number. */
  readonly width: number;
  /** Of the records of earlier shards. */
  readonly columns: readonly Column[];
}

export interface ShardRows {
  /** [N, D] */
  readonly images: Float32Array;
  /** [N, D]; absent without texts */
  readonly texts?: Float32Array;
  /** [N] */
  readonly metadata: readonly MetadataRow[];
}

export class EmbeddingShard {
  readonly #images: NpyWriter;
  readonly #texts: NpyWriter | undefined;
  readonly #metadata: MetadataSpool;
  readonly #half: boolean;

  /** Throws StorageError where files cannot be written. */
  constructor(
    { folder, dim, precision, texts }: ShardLayout,
    { number, width, columns }: ShardPlace,
  ) {
    this.#half = precision === "float16";
    const files = shardFiles(folder, number, width);
    const opened: { discard(): void }[] = [];
    const open = <F extends { discard(): void }>(file: string, make: () => F): F => {
      makeFolder(path.dirname(file), file);
      const made = make();
      opened.push(made);
      return made;
    };
    const matrix = (file: string): NpyWriter =>
      open(file, () => new NpyWriter(file, dim, precision));
    try {
      this.#images = matrix(files.images);
      this.#texts = texts ? matrix(files.texts) : undefined;
      this.#metadata = open(
        files.metadata,
        () => new MetadataSpool(files.metadata, texts, columns),
      );
    } catch (error) {
      for (const file of opened) file.discard();
      throw error;
    }
  }

  get rows(): number {
    return this.#metadata.rows;
  }

  /** Of the records of earlier shards and of this one. */
  get columns(): readonly Column[] {
    return this.#metadata.columns;
  }

  append({ images, texts, metadata }: ShardRows): void {
    if (this.#half) {
      checkHalf(images, this.#images.file);
      if (texts) checkHalf(texts, this.#texts?.file ?? "");
    }
    this.#images.append(images);
    if (texts) this.#texts?.append(texts);
    for (const row of metadata) this.#metadata.append(row);
  }

  /** The files appear, the metadata last: all are on the disk before the first one does. */
  async finish(): Promise<void> {
    const files = [this.#images, ...(this.#texts ? [this.#texts] : []), this.#metadata];
    for (const file of files) await file.seal();
    for (const file of files) file.finish();
  }

  /** Leaves nothing of an unfinished shard. */
  discard(): void {
    this.#images.discard();
    this.#texts?.discard();
    this.#metadata.discard();
  }
}
