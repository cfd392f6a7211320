/** Rows of a file by key, mapped into memory: only what is asked for is read from the disk. */
import { DataError } from "../../errors.ts";
import {
  checkMapped,
  empty,
  fromData,
  mapFile,
  scope,
  type Device,
  type Tensor,
} from "../../torch/index.ts";
import type { KeyIndex } from "./key-index.ts";
import { openRowFile, type RowHeader, type Unusable } from "./row-file.ts";

export class RowStore {
  readonly file: string;
  readonly header: RowHeader;
  readonly #index: KeyIndex;
  /** [count, ...shape] on the CPU. */
  readonly #rows: Tensor;

  private constructor(file: string, header: RowHeader, index: KeyIndex) {
    this.file = file;
    this.header = header;
    this.#index = index;
    this.#rows = scope(() => mapRows(file, header)).keep();
  }

  /**
   * Opens a complete file that was made under `key`; otherwise says why it must be made again: it
   * is missing, truncated, foreign, damaged, or of another key.
   */
  static open(file: string, key: string): RowStore | Unusable {
    const found = openRowFile(file);
    if ("reason" in found) return found;
    const { header, index } = found;
    if (header.key !== key) return { reason: `it is of another key (${header.key})` };
    return new RowStore(file, header, index);
  }

  get count(): number {
    return this.header.count;
  }

  has(key: string): boolean {
    return this.#index.get(key) >= 0;
  }

  /**
   * The rows of `keys` in their order, [N, ...shape]: float32 for float rows, else uint8.
   *
   * throws   DataError naming the first key without a row; StorageError where the file was cut since
   *          it was opened
   */
  rows(keys: readonly string[], device: Device = "cpu"): Tensor {
    const places = Int32Array.from(keys, (key) => this.#place(key));
    const { dtype } = this.header;
    return scope(() => {
      const chosen = this.#rows.indexSelect(0, fromData(places)).to(device);
      if (this.count > 0) checkMapped(this.#rows);
      return dtype === "float16" ? chosen.to("float32") : chosen;
    });
  }

  #place(key: string): number {
    const place = this.#index.get(key);
    if (place >= 0) return place;
    throw new DataError(
      `Expected a cached row for "${key}" but ${this.file} has none; ask has() first, since ` +
        "samples that could not be read when the cache was made are not in it",
      { source: this.file, key },
    );
  }

  /** Unmaps the file. */
  close(): void {
    this.#rows.dispose();
  }
}

function mapRows(file: string, { dtype, shape, count }: RowHeader): Tensor {
  if (count === 0) return empty([0, ...shape], { dtype });
  const size = shape.reduce((product, side) => product * side, count);
  // Not shared: mapped read-only from the file, so that nothing here can change it.
  return mapFile(file, size, { dtype }).view(count, ...shape);
}
