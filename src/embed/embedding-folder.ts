/**
 * Embeddings read back, as `limn embed` and clip-retrieval write them: `img_emb/*.npy`,
 * `text_emb/*.npy` and `metadata/*.parquet`, rows aligned.
 */
import { readdirSync } from "node:fs";
import path from "node:path";

import type { Embeddings } from "../arrays/embeddings.ts";
import { DataError, ShapeError } from "../errors.ts";
import { isPartial } from "../files/owner.ts";
import { checkCount } from "../inference/inference-model.ts";
import { MetadataFile, type MetadataRecord } from "./metadata-rows.ts";
import { NpyRows } from "./npy-rows.ts";
import { EMBEDDING_FOLDERS } from "./shard-files.ts";

/** Rows of one shard, one behind the other. */
export interface EmbeddingChunk {
  /** The first row's place in the folder, from 0. */
  readonly start: number;
  readonly count: number;
  /** [count, D]; absent where the folder has none */
  readonly images?: Embeddings;
  /** [count, D]; absent where the folder has none */
  readonly texts?: Embeddings;
  /**
   * [count] `image_path`, `caption` and what else there is; absent where the folder has none. Integers
   * beyond 2^53 are bigint, missing values null.
   */
  readonly metadata?: MetadataRecord[];
}

export interface ChunkOptions {
  /** Rows of a chunk at most. Default 4,096. */
  readonly rows?: number;
  /** The first row. Default 0. */
  readonly from?: number;
  /** False reads no metadata. Default true. */
  readonly metadata?: boolean;
}

export interface ReadOptions {
  /** Bytes of the matrices at most. Default 4 GiB. */
  readonly mostBytes?: number;
}

interface Shard {
  readonly start: number;
  readonly rows: number;
  readonly images?: NpyRows;
  readonly texts?: NpyRows;
  readonly metadata?: MetadataFile;
}

const MOST_BYTES = 2 ** 32;

/** A folder of embeddings, of which only headers were read. */
export class EmbeddingFolder {
  readonly folder: string;
  /** Over all shards. */
  readonly rows: number;
  /** D, the width of images and texts. */
  readonly dim: number;
  readonly hasImages: boolean;
  readonly hasTexts: boolean;
  /** Names of the columns of metadata, each shard's; empty where there is none. */
  readonly columns: readonly string[];
  /** Columns of structs, which are not read. */
  readonly unreadColumns: readonly string[];
  readonly #shards: readonly Shard[];

  /** Use `openEmbeddings`. */
  constructor(folder: string, shards: readonly Shard[]) {
    const last = shards.at(-1)!;
    this.folder = folder;
    this.#shards = shards;
    this.rows = last.start + last.rows;
    this.dim = (last.images ?? last.texts)!.dim;
    this.hasImages = last.images !== undefined;
    this.hasTexts = last.texts !== undefined;
    this.columns = [...new Set(shards.flatMap(({ metadata }) => metadata?.columns ?? []))];
    this.unreadColumns = [...new Set(shards.flatMap(({ metadata }) => metadata?.unread ?? []))];
  }

  /** Rows of each shard, in order. */
  get shards(): number[] {
    return this.#shards.map(({ rows }) => rows);
  }

  /**
   * All rows in order, a chunk in memory at a time. A chunk ends with its shard.
   *
   * throws  RangeError for options out of range; DataError naming a file that is damaged
   */
  async *chunks({
    rows = 4096,
    from = 0,
    metadata = true,
  }: ChunkOptions = {}): AsyncGenerator<EmbeddingChunk> {
    checkCount("rows", rows);
    if (!Number.isInteger(from) || from < 0 || from > this.rows) {
      throw new RangeError(`Expected a row from 0 to ${this.rows} for from but received ${from}`);
    }
    for (const shard of this.#shards) {
      const first = Math.max(0, from - shard.start);
      if (first < shard.rows) yield* shardChunks(shard, { rows, first, metadata });
    }
  }

  /**
   * The matrices as a whole, without metadata.
   *
   * throws  RangeError for more than `mostBytes`; DataError naming a file that is damaged
   */
  read({ mostBytes = MOST_BYTES }: ReadOptions = {}): { images?: Embeddings; texts?: Embeddings } {
    const kinds = (["images", "texts"] as const).filter((kind) =>
      kind === "images" ? this.hasImages : this.hasTexts,
    );
    const bytes = kinds.length * this.rows * this.dim * 4;
    if (!(bytes <= mostBytes)) {
      throw new RangeError(
        `Expected at most ${mostBytes} bytes of embeddings in ${this.folder} but received ${bytes}; ` +
          "raise mostBytes, or read chunks()",
      );
    }
    return Object.fromEntries(kinds.map((kind) => [kind, this.#matrix(kind)]));
  }

  #matrix(kind: "images" | "texts"): Embeddings {
    const { rows: count, dim } = this;
    const data = new Float32Array(count * dim);
    for (const { start, rows, [kind]: file } of this.#shards) {
      for (let from = 0; from < rows; from += PIECE) {
        data.set(file!.read(from, Math.min(rows, from + PIECE)), (start + from) * dim);
      }
    }
    return { data, count, dim };
  }
}

/** Rows that are read at once into a whole matrix. */
const PIECE = 16_384;

async function* shardChunks(
  shard: Shard,
  { rows, first, metadata }: { rows: number; first: number; metadata: boolean },
): AsyncGenerator<EmbeddingChunk> {
  const records = metadata ? shard.metadata?.from(first) : undefined;
  for (let from = first; from < shard.rows; from += rows) {
    const to = Math.min(shard.rows, from + rows);
    const count = to - from;
    const part = (file: NpyRows): Embeddings => ({
      data: file.read(from, to),
      count,
      dim: file.dim,
    });
    const found = await records?.take(count);
    yield {
      start: shard.start + from,
      count,
      ...(shard.images && { images: part(shard.images) }),
      ...(shard.texts && { texts: part(shard.texts) }),
      ...(found && { metadata: found }),
    };
  }
}

/**
 * Opens a folder that `limn embed` or clip-retrieval wrote. The headers of all files are read and
 * compared; shards are in the order of their numbers, however many digits these have.
 *
 * throws  DataError naming what is missing, has another number of rows or another width, is damaged, or
 *         is no such file
 */
export function openEmbeddings(folder: string): EmbeddingFolder {
  const [images, texts, metadata] = EMBEDDING_FOLDERS.map((name) => numberedFiles(folder, name));
  const numbers = [...(images ?? texts ?? new Map<number, string>()).keys()].sort((a, b) => a - b);
  if (images === undefined && texts === undefined) {
    throw new DataError(
      `Expected img_emb or text_emb with .npy files in ${folder} but found neither; give a folder ` +
        "that limn embed or clip-retrieval wrote",
      { source: folder },
    );
  }
  const given = [images, texts, metadata].filter((files) => files !== undefined);
  for (const files of given) checkNumbers(folder, numbers, [...files.keys()]);
  const shards: Shard[] = [];
  let start = 0;
  for (const number of numbers) {
    const shard = {
      start,
      ...(images && { images: new NpyRows(images.get(number)!) }),
      ...(texts && { texts: new NpyRows(texts.get(number)!) }),
      ...(metadata && { metadata: new MetadataFile(metadata.get(number)!) }),
    };
    const { rows } = alike(shard);
    if (rows === 0) continue;
    shards.push({ ...shard, rows });
    start += rows;
  }
  if (shards.length === 0) {
    throw new DataError(`Expected rows of embeddings in ${folder} but found none`, {
      source: folder,
    });
  }
  for (const shard of shards) checkWidth(shards[0]!, shard);
  return new EmbeddingFolder(folder, shards);
}

/** Files by their numbers; undefined where there are none. */
function numberedFiles(folder: string, name: string): Map<number, string> | undefined {
  const ending = name === "metadata" ? ".parquet" : ".npy";
  const inside = path.join(folder, name);
  let names: string[];
  try {
    names = readdirSync(inside);
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    const { code } = cause as NodeJS.ErrnoException;
    throw new DataError(
      `Expected a readable folder ${inside} but received ${code}; check its permissions`,
      { source: inside },
      { cause },
    );
  }
  const found = new Map<number, string>();
  for (const file of names.filter((one) => one.endsWith(ending) && !isPartial(one)).sort()) {
    const digits = /(\d{1,15})\.\w+$/.exec(file)?.[1];
    const number = Number(digits);
    const twin = found.get(number);
    if (digits === undefined || twin !== undefined) {
      throw new DataError(
        `Expected names with a number of their own in ${inside} but received ` +
          `${twin === undefined ? file : `${path.basename(twin)} and ${file}`}; remove what does not belong there`,
        { source: path.join(inside, file) },
      );
    }
    found.set(number, path.join(inside, file));
  }
  return found.size === 0 ? undefined : found;
}

function checkNumbers(folder: string, wanted: readonly number[], found: readonly number[]): void {
  const [here, there] = [new Set(wanted), new Set(found)];
  const odd = wanted.find((one) => !there.has(one)) ?? found.find((one) => !here.has(one));
  if (odd === undefined) return;
  throw new DataError(
    `Expected the same shards in ${EMBEDDING_FOLDERS.join(", ")} of ${folder} but number ${odd} is ` +
      "not in all of them; finish writing, or fetch what is missing",
    { source: folder },
  );
}

/** throws  DataError where the files of a shard differ in rows */
function alike(shard: Omit<Shard, "rows">): { rows: number } {
  const [first, ...others] = [shard.images, shard.texts, shard.metadata].filter(
    (file) => file !== undefined,
  );
  const other = others.find(({ rows }) => rows !== first!.rows);
  if (other === undefined) return first!;
  throw new DataError(
    `Expected ${first!.rows} rows in ${other.file}, as in ${first!.file}, but received ` +
      `${other.rows}; write them again`,
    { source: other.file },
  );
}

function checkWidth(first: Shard, shard: Shard): void {
  const files = [first.images ?? first.texts, shard.images, shard.texts];
  const [wanted, ...others] = files.filter((file) => file !== undefined);
  const other = others.find(({ dim }) => dim !== wanted!.dim);
  if (other === undefined) return;
  throw new ShapeError(
    `Expected rows of ${wanted!.dim} numbers in ${other.file}, as in ${wanted!.file}, but received ` +
      `${other.dim}; use embeddings of one model`,
  );
}
