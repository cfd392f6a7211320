/**
 * The metadata of a shard until it is whole. Which types its columns have is known at the last row
 * only, so rows wait on the disk, in blocks that become the table's row groups.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";

import { AtomicFile } from "../files/atomic-write.ts";
import { cellOf, ColumnSet, type Cell, type Column } from "./metadata-columns.ts";
import { TableWriter } from "./metadata-table.ts";

/** One row: where the picture is, its caption, and the values of its JSON record. */
export interface MetadataRow {
  readonly image_path: string;
  readonly caption?: string;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Of a block: rows, values, and characters of text. They bound what is held at a time. */
const MOST_ROWS = 16_384;
const MOST_VALUES = 1_000_000;
const MOST_TEXT = 16_000_000;

interface Block {
  readonly paths: string[];
  readonly captions: (string | null)[];
  /** Of each row, the places of columns and their values. */
  readonly rows: Map<number, unknown>[];
}

export class MetadataSpool {
  readonly #file: string;
  readonly #spool: AtomicFile;
  readonly #captions: boolean;
  readonly #columns: ColumnSet;
  readonly #blocks: number[] = [];
  #block: Block = emptyBlock();
  #values = 0;
  #text = 0;
  #table: TableWriter | undefined;
  #count = 0;

  /**
   * file      of the table
   * columns   of the records of earlier shards
   * throws    StorageError where it cannot be written
   */
  constructor(file: string, captions: boolean, columns: readonly Column[]) {
    this.#file = file;
    this.#captions = captions;
    this.#columns = new ColumnSet(columns);
    this.#spool = new AtomicFile(`${file}.rows`);
  }

  get rows(): number {
    return this.#count;
  }

  /** The columns of the records of earlier shards and of this one. */
  get columns(): readonly Column[] {
    return this.#columns.list;
  }

  append({ image_path: path, caption, record }: MetadataRow): void {
    const row = this.#columns.place(record);
    this.#block.paths.push(path);
    this.#block.captions.push(caption ?? null);
    this.#block.rows.push(row);
    this.#count += 1;
    this.#values += this.#columns.list.length;
    this.#text += path.length + (caption?.length ?? 0);
    for (const value of row.values()) this.#text += lengthOf(value);
    const full =
      this.#block.rows.length >= MOST_ROWS ||
      this.#values >= MOST_VALUES ||
      this.#text >= MOST_TEXT;
    if (full) this.#flush();
  }

  /**
   * Writes the table and brings it to the disk, still under its temporary name. clip-retrieval
   * (clip_inference/writer.py, `OutputSink`) has `image_path`, then `caption` where texts are
   * embedded, then the keys of the samples' JSON. Keys that a sample lacks are null. Other work of
   * the thread goes on between row groups.
   */
  async seal(): Promise<void> {
    this.#flush();
    const records = this.#columns.list;
    this.#table = new TableWriter(this.#file, tableColumns(records, this.#captions));
    for (const { paths, captions, rows } of this.#readBlocks()) {
      this.#table.append([
        paths,
        ...(this.#captions ? [captions] : []),
        ...records.map(({ kind }, place) => rows.map((row): Cell => cellOf(row.get(place), kind))),
      ]);
      await setImmediate();
    }
    this.#table.seal();
    this.#spool.discard();
  }

  /** The table takes its name. */
  finish(): void {
    this.#table?.finish();
  }

  /** Leaves nothing of an unfinished table. */
  discard(): void {
    this.#spool.discard();
    this.#table?.discard();
  }

  #flush(): void {
    if (this.#block.rows.length === 0) return;
    const bytes = serialize(this.#block);
    this.#spool.write(bytes);
    this.#blocks.push(bytes.length);
    this.#block = emptyBlock();
    this.#values = 0;
    this.#text = 0;
  }

  *#readBlocks(): Generator<Block> {
    const descriptor = openSync(this.#spool.partial, "r");
    try {
      let at = 0;
      for (const length of this.#blocks) {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length;) {
          const count = readSync(descriptor, bytes, done, length - done, at + done);
          if (count === 0) throw new Error(`internal: ${this.#spool.partial} became shorter`);
          done += count;
        }
        at += length;
        yield deserialize(bytes) as Block;
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

/** All columns of a table from those of its records. */
export function tableColumns(records: readonly Column[], captions: boolean): Column[] {
  return [
    { name: "image_path", kind: "text" },
    ...(captions ? [{ name: "caption", kind: "text" } as const] : []),
    ...records,
  ];
}

function emptyBlock(): Block {
  return { paths: [], captions: [], rows: [] };
}

/** Characters of a value, about: numbers count as one. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, one) => sum + lengthOf(one), 1);
}
