/**
 * One shard of embeddings in clip-retrieval's layout: `img_emb/img_emb_0.npy`,
 * `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet`, rows aligned, numbers as wide as the
 * number of shards (clip_inference/writer.py of clip-retrieval 2.45). Written under temporary names
 * until the shard is whole: readers look for `*.npy` and `*.parquet`.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";

import { AtomicFile } from "../files/atomic-write.ts";
import { NpyWriter, type NpyPrecision } from "../files/npy.ts";
import { storageError } from "../files/storage.ts";
import { writeMetadata, type MetadataRow } from "./metadata-table.ts";

export interface ShardLayout {
  readonly folder: string;
  readonly dim: number;
  readonly precision: NpyPrecision;
  readonly texts: boolean;
  /** Digits of a shard's number. */
  readonly width: number;
}

/** The three files of a shard, whether they exist or not. */
function shardFiles(
  { folder, width }: Pick<ShardLayout, "folder" | "width">,
  number: number,
): { images: string; texts: string; metadata: string } {
  const name = String(number).padStart(width, "0");
  return {
    images: path.join(folder, "img_emb", `img_emb_${name}.npy`),
    texts: path.join(folder, "text_emb", `text_emb_${name}.npy`),
    metadata: path.join(folder, "metadata", `metadata_${name}.parquet`),
  };
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
  readonly #files: ReturnType<typeof shardFiles>;
  readonly #images: NpyWriter;
  readonly #texts: NpyWriter | undefined;
  readonly #metadata: MetadataRow[] = [];
  #table: AtomicFile | undefined;

  /** Throws StorageError where files cannot be written. */
  constructor(layout: ShardLayout, number: number) {
    const files = shardFiles(layout, number);
    this.#files = files;
    const { dim, precision } = layout;
    const open = (file: string): NpyWriter => {
      makeFolderOf(file);
      return new NpyWriter(file, dim, precision);
    };
    makeFolderOf(files.metadata);
    this.#images = open(files.images);
    this.#texts = layout.texts ? open(files.texts) : undefined;
  }

  get rows(): number {
    return this.#metadata.length;
  }

  append({ images, texts, metadata }: ShardRows): void {
    this.#images.append(images);
    if (texts) this.#texts?.append(texts);
    for (const row of metadata) this.#metadata.push(row);
  }

  /** The files appear, the metadata last: all are on the disk before the first one does. */
  finish(): void {
    const { metadata } = this.#files;
    const table = (this.#table = new AtomicFile(metadata));
    try {
      writeMetadata(table.partial, this.#metadata);
    } catch (cause) {
      throw storageError(metadata, cause);
    }
    const files = [this.#images, ...(this.#texts ? [this.#texts] : []), table];
    for (const file of files) file.seal();
    for (const file of files) file.finish();
  }

  /** Leaves nothing of an unfinished shard. */
  discard(): void {
    this.#images.discard();
    this.#texts?.discard();
    this.#table?.discard();
  }
}

function makeFolderOf(file: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
  } catch (cause) {
    throw storageError(file, cause);
  }
}
