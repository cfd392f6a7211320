/**
 * One shard of embeddings in clip-retrieval's layout: `img_emb/img_emb_0.npy`,
 * `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet`, rows aligned, numbers as wide as the
 * number of shards (clip_inference/writer.py of clip-retrieval 2.45). Written under other names
 * until the shard is whole.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import path from "node:path";

import { NpyWriter, type NpyPrecision } from "../files/npy.ts";
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
export function shardFiles(
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

  /** Throws DataError where files cannot be written. */
  constructor(layout: ShardLayout, number: number) {
    const files = shardFiles(layout, number);
    this.#files = files;
    const { dim, precision } = layout;
    const open = (file: string): NpyWriter => {
      mkdirSync(path.dirname(file), { recursive: true });
      return new NpyWriter(partial(file), dim, precision);
    };
    mkdirSync(path.dirname(files.metadata), { recursive: true });
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

  /** The files appear, the metadata last. */
  finish(): void {
    const { images, texts, metadata } = this.#files;
    writeMetadata(partial(metadata), this.#metadata);
    sync(partial(metadata));
    this.#images.finish();
    this.#texts?.finish();
    renameSync(partial(images), images);
    if (this.#texts) renameSync(partial(texts), texts);
    renameSync(partial(metadata), metadata);
    for (const file of [images, metadata]) sync(path.dirname(file));
    if (this.#texts) sync(path.dirname(texts));
  }

  /** Leaves nothing of the shard. */
  discard(): void {
    this.#images.discard();
    this.#texts?.discard();
    rmSync(partial(this.#files.metadata), { force: true });
  }
}

/** Readers look for `*.npy` and `*.parquet`: a file that is not whole has another ending. */
function partial(file: string): string {
  return `${file}.partial`;
}

function sync(file: string): void {
  // Windows has no descriptor for a folder; its renames are journalled.
  if (process.platform === "win32") return;
  const descriptor = openSync(file, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
