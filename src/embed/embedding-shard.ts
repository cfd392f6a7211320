/**
 * One shard of embeddings in clip-retrieval's layout: `img_emb/img_emb_0.npy`,
 * `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet`, rows aligned, numbers as wide as the
 * number of shards (clip_inference/writer.py of clip-retrieval 2.45). Written under temporary names
 * until the shard is whole: readers look for `*.npy` and `*.parquet`.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { parquetWriteFile } from "hyparquet-writer";

import { AtomicFile } from "../files/atomic-write.ts";
import { NpyWriter, type NpyPrecision } from "../files/npy.ts";
import { storageError } from "../files/storage.ts";

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

/** One row: where the picture is, its caption, and the values of its JSON record. */
export interface MetadataRow {
  readonly image_path: string;
  readonly caption?: string;
  readonly record: Readonly<Record<string, unknown>>;
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

interface Column {
  name: string;
  type: "STRING" | "BOOLEAN" | "INT64" | "DOUBLE";
  data: (string | boolean | bigint | number | null)[];
}

/**
 * Writes the rows of a shard. clip-retrieval (clip_inference/writer.py, `OutputSink`) has
 * `image_path`, then `caption` where texts are embedded, then the keys of the samples' JSON as
 * `pandas.json_normalize` names them: `a.b` for a key in an object. Keys that a sample lacks are
 * null. Unlike pandas, lists are kept as JSON text.
 */
function writeMetadata(file: string, rows: readonly MetadataRow[]): void {
  parquetWriteFile({ filename: file, columnData: metadataColumns(rows) });
}

function metadataColumns(rows: readonly MetadataRow[]): Column[] {
  const given: Column[] = [
    { name: "image_path", type: "STRING", data: rows.map((row) => row.image_path) },
  ];
  if (rows.some(({ caption }) => caption !== undefined)) {
    given.push({ name: "caption", type: "STRING", data: rows.map((row) => row.caption ?? null) });
  }
  const values = new Map<string, unknown[]>();
  for (const [i, { record }] of rows.entries()) {
    for (const [name, value] of flatten(record)) {
      // The writer drops these of the record: the table has its own.
      if (name === "image_path" || name === "caption" || name === "metadata") continue;
      let column = values.get(name);
      if (!column) values.set(name, (column = Array.from<unknown>({ length: rows.length })));
      column[i] = value;
    }
  }
  return [...given, ...[...values].map(([name, column]) => typed(name, column))];
}

function flatten(record: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(record).flatMap(([key, value]): [string, unknown][] => {
    const name = prefix + key;
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!nested || Object.keys(value).length === 0) return [[name, value]];
    return flatten(value as Record<string, unknown>, `${name}.`);
  });
}

/** One type for a whole column: where the values have several, their JSON text. */
function typed(name: string, values: readonly unknown[]): Column {
  const present = values.filter((value) => value !== undefined && value !== null);
  const all = (is: (value: unknown) => boolean): boolean => present.every(is);
  const cells = <T>(convert: (value: unknown) => T): (T | null)[] =>
    values.map((value) => (value === undefined || value === null ? null : convert(value)));
  if (present.length > 0) {
    if (all((value) => typeof value === "boolean")) {
      return { name, type: "BOOLEAN", data: cells((value) => value as boolean) };
    }
    if (all((value) => Number.isSafeInteger(value))) {
      return { name, type: "INT64", data: cells((value) => BigInt(value as number)) };
    }
    if (all((value) => typeof value === "number")) {
      return { name, type: "DOUBLE", data: cells((value) => value as number) };
    }
  }
  const text = (value: unknown): string =>
    typeof value === "string" ? value : JSON.stringify(value);
  return { name, type: "STRING", data: cells(text) };
}
