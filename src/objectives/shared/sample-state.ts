/**
 * A few float32 numbers for every example of the data, in a memory-mapped file: objectives that track
 * each example would otherwise hold the data's length in memory. Knows not what the numbers mean.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { CheckpointError, LimnError } from "../../errors.ts";
import { makeFolders, orStorageError, storageError, writeFully } from "../../files/storage.ts";
import {
  callInPlace,
  fromData,
  mapFile,
  noGrad,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";
import { IdTable } from "./id-table.ts";

interface SampleStateOptions {
  /** Made with its folder when the first example appears; removed by `dispose()`. */
  file: string;
  /** What each number of a new example is. */
  initial: readonly number[];
  /** Rows of the file at first; it doubles when they are used up. */
  capacity?: number;
}

/** Where the examples of a batch lie, for `gather` and `scatter`. */
interface SampleRows {
  /** int64 [N], borrowed until the scope in which it was made ends. */
  index: Tensor;
  /** The last place in the batch of each row, where an example occurs twice; null where none does. */
  last: Tensor | null;
}

/** The tensors of a checkpoint. */
export interface SavedSamples {
  /** float32 [rows, numbers]; shares the file's memory. */
  values: Tensor;
  /** int32 [rows, 2]: the 64-bit hash of each row's name. */
  hashes: Tensor;
}

interface Opened {
  descriptor: number;
  mapped: Tensor;
  /** float32 [capacity, numbers]: a view of it. */
  values: Tensor;
}

const magic = "limn sample state 1\n";
const headerBytes = 64;
const headerFloats = headerBytes / 4;

/**
 * Rows by the examples' names. Names are kept as 64-bit hashes (id-table.ts).
 *
 * The file is scratch: a checkpoint has all of it, and a run begins with a new one. Rows are written
 * out when the file grows, so that a full disk is an error and no fault of the memory map.
 *
 * throws  LimnError `LIMN_SCRATCH` for a file in its place that is not limn's, and for one that changed
 *         under a running process; StorageError where it cannot be written, such as on a full disk
 */
export class SampleState {
  readonly file: string;
  readonly #initial: readonly number[];
  readonly #table: IdTable = new IdTable();
  #capacity: number;
  #open: Opened | null = null;

  constructor({ file, initial, capacity = 1024 }: SampleStateOptions) {
    if (initial.length === 0 || !Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(
        `Expected numbers for initial and a positive integer for capacity but received ` +
          `[${initial.join(", ")}] and ${capacity}`,
      );
    }
    this.file = file;
    this.#initial = initial;
    this.#capacity = capacity;
  }

  /** Examples known. */
  get count(): number {
    return this.#table.count;
  }

  /** The rows of a batch's examples; new examples get new rows. */
  rows(ids: readonly string[]): SampleRows {
    const rows = new BigInt64Array(ids.length);
    const places = new Map<bigint, number>();
    for (const [i, id] of ids.entries()) {
      const row = BigInt(this.#table.row(id));
      rows[i] = row;
      places.set(row, i);
    }
    this.#reserve(this.#table.count);
    const twice = places.size < ids.length;
    return {
      index: fromData(rows),
      last: twice ? fromData(BigInt64Array.from(places.values(), BigInt)) : null,
    };
  }

  /** float32 [N, numbers]: a copy. */
  gather({ index }: SampleRows): Tensor {
    return this.#values().indexSelect(0, index);
  }

  /** Writes back float32 [N, numbers]; of an example that occurs twice, its last. */
  scatter({ index, last }: SampleRows, values: Tensor): void {
    const target = this.#values();
    noGrad(() =>
      scope(() => {
        if (last === null) callInPlace(indexCopy_, target, 0, index, values);
        else {
          const [rows, kept] = [index.indexSelect(0, last), values.indexSelect(0, last)];
          callInPlace(indexCopy_, target, 0, rows, kept);
        }
      }),
    );
  }

  /** All rows, in the order in which the examples appeared. */
  save(): SavedSamples {
    const { count } = this.#table;
    return {
      values: count > 0 ? this.#values().narrow(0, 0, count) : this.#none(),
      hashes: fromData(this.#table.save(), [count, 2]),
    };
  }

  #none(): Tensor {
    return fromData(new Float32Array(0), [0, this.#initial.length]);
  }

  /** Replaces all rows. throws CheckpointError naming `source` when the two are no saved state */
  load({ values, hashes }: SavedSamples, source: string): void {
    const [rows = 0, ...rest] = values.shape;
    const shapes = `[${values.shape.join(", ")}] and [${hashes.shape.join(", ")}]`;
    const types = values.dtype === "float32" && hashes.dtype === "int32";
    const { length } = this.#initial;
    if (!types || rest.join() !== String(length) || hashes.shape.join() !== `${rows},2`) {
      throw refused(
        source,
        `float32 values [rows, ${length}] and int32 hashes [rows, 2]`,
        `${values.dtype} and ${hashes.dtype} of ${shapes}`,
      );
    }
    if (!noGrad(() => scope(() => values.eq(values).all().item()))) {
      throw refused(source, "numbers for every example", "some that are NaN");
    }
    if (!this.#table.load(hashes.data() as Int32Array)) {
      throw refused(source, "one row for every example", "two rows with one hash");
    }
    this.#reserve(rows);
    if (rows === 0) return;
    noGrad(() => scope(() => void this.#values().narrow(0, 0, rows).copy_(values)));
  }

  #values(): Tensor {
    const { descriptor, values } = this.#reserve(1);
    // What a cut file has lost would read as zeros, or be a StorageError in the middle of a step.
    if (fstatSync(descriptor).size < this.#bytes(this.#capacity)) throw changed(this.file);
    return values;
  }

  #bytes(rows: number): number {
    return headerBytes + 4 * rows * this.#initial.length;
  }

  /** Maps a file of at least so many rows. */
  #reserve(rows: number): Opened {
    if (this.#open && rows <= this.#capacity) return this.#open;
    const before = this.#open ? this.#capacity : 0;
    let capacity = this.#capacity;
    while (capacity < rows) capacity *= 2;
    const descriptor = this.#open?.descriptor ?? create(this.file);
    try {
      if (fstatSync(descriptor).size < this.#bytes(before)) throw changed(this.file);
      if (statSync(this.file).ino !== fstatSync(descriptor).ino) throw changed(this.file);
      this.#extend(descriptor, before, capacity);
    } catch (cause) {
      if (!this.#open) closeSync(descriptor);
      throw cause instanceof LimnError ? cause : unwritable(this.file, cause);
    }
    this.#unmap();
    this.#capacity = capacity;
    this.#open = { descriptor, ...this.#map(capacity) };
    return this.#open;
  }

  #extend(descriptor: number, from: number, to: number): void {
    const { length } = this.#initial;
    const block = Math.min(to - from, 16_384);
    const rows = new Float32Array(block * length);
    for (let i = 0; i < rows.length; i++) rows[i] = this.#initial[i % length] as number;
    for (let row = from; row < to; row += block) {
      const count = Math.min(block, to - row) * length;
      writeFully(descriptor, new Uint8Array(rows.buffer, 0, 4 * count), this.#bytes(row));
    }
  }

  #map(capacity: number): Omit<Opened, "descriptor"> {
    const { length } = this.#initial;
    const size = headerFloats + capacity * length;
    const mapped = mapFile(this.file, size, { dtype: "float32", shared: true }).keep();
    const values = scope(() => mapped.narrow(0, headerFloats, capacity * length));
    return { mapped, values: values.view(capacity, length).keep() };
  }

  #unmap(): void {
    this.#open?.values.dispose();
    this.#open?.mapped.dispose();
  }

  /** Unmaps and removes the file. */
  dispose(): void {
    if (!this.#open) return;
    this.#unmap();
    closeSync(this.#open.descriptor);
    this.#open = null;
    orStorageError(this.file, () => rmSync(this.file, { force: true }));
  }
}

/** A new file with a header; one of limn's in its place goes, another is left alone. */
function create(file: string): number {
  if (existsSync(file) && !isOurs(file)) {
    throw new LimnError(
      "LIMN_SCRATCH",
      `Expected a file of per-example numbers, or none, at ${file} but found another file; ` +
        "move it out of the run's folder",
    );
  }
  try {
    makeFolders(dirname(file));
    // A new file, not a shorter one: another process may still have the old one mapped.
    rmSync(file, { force: true });
    const descriptor = openSync(file, "wx+");
    writeFully(descriptor, Buffer.from(magic.padEnd(headerBytes, "\0")), 0);
    return descriptor;
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

function isOurs(file: string): boolean {
  if (!statSync(file).isFile()) return false;
  const descriptor = openSync(file, "r");
  try {
    const start = Buffer.alloc(magic.length);
    readSync(descriptor, start, 0, magic.length, 0);
    return start.toString("latin1") === magic;
  } finally {
    closeSync(descriptor);
  }
}

function changed(file: string): LimnError {
  return new LimnError(
    "LIMN_SCRATCH",
    `Expected ${file} to stay as this run made it but it was cut or replaced; ` +
      "resume the run from its last checkpoint, and leave its scratch folder alone",
  );
}

function unwritable(file: string, cause: unknown): unknown {
  const refused = storageError(file, cause, { kept: "resume the run from its last checkpoint" });
  if (refused !== cause) return refused;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LimnError(
    "LIMN_SCRATCH",
    `Expected to write the per-example numbers to ${file} but could not: ${reason}; ` +
      "free space there, or run in another folder",
    { cause },
  );
}

function refused(source: string, wanted: string, received: string): CheckpointError {
  return new CheckpointError(
    source,
    `Expected ${wanted} in ${source} but received ${received}; ` +
      "resume with the recipe that the run began with, from an undamaged checkpoint",
  );
}

const indexCopy_ = operator("index_copy_");
