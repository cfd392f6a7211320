/** Writes a file of rows under a temporary name; it takes its own name when it is complete. */
import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { ShapeError } from "../../errors.ts";
import { AtomicFile } from "../../files/atomic-write.ts";
import { makeFolder } from "../../files/storage.ts";
import { allocate } from "../../torch/dtype.ts";
import { fromData, scope, type Tensor } from "../../torch/index.ts";
import { KeyIndex } from "./key-index.ts";
import { BLOCK_BYTES, blockCheck, rowBytes, trailer, type RowHeader } from "./row-file.ts";

type NewRows = Omit<RowHeader, "count" | "skipped">;

/**
 * Rows in the order in which they are appended. Several processes may write the same file: each has
 * its own temporary one, and the last to finish wins with a whole file.
 */
export class RowWriter {
  readonly #file: AtomicFile;
  readonly #about: NewRows;
  readonly #index = new KeyIndex();
  readonly #checks: Buffer[] = [];
  #hash: Hash = createHash("sha256");
  #inBlock = 0;

  /** throws   StorageError naming `file` where its folder cannot be written */
  constructor(file: string, about: NewRows) {
    this.#about = about;
    makeFolder(dirname(file), file);
    this.#file = new AtomicFile(file);
  }

  get count(): number {
    return this.#index.count;
  }

  has(key: string): boolean {
    return this.#index.get(key) >= 0;
  }

  /**
   * Appends the rows whose key is new.
   *
   * rows     [N, ...shape], borrowed; any type and device
   * throws   ShapeError; RangeError for a number beyond float16, where rows are stored as such;
   *          StorageError naming the file when the disk is full
   */
  append(keys: readonly string[], rows: Tensor): void {
    const { dtype, shape } = this.#about;
    const expected = [keys.length, ...shape];
    if (rows.shape.join() !== expected.join()) {
      throw new ShapeError(
        `Expected rows [${expected.join(", ")}] for ${this.#file.file} but received ` +
          `[${rows.shape.join(", ")}]; encode each batch into one row per key`,
      );
    }
    const fresh = keys.flatMap((key, i) => (this.#index.add(key) ? [i] : []));
    if (fresh.length === 0) return;
    const data = allocate(dtype, (rows.count / keys.length) * fresh.length);
    scope(() => {
      const all = fresh.length === keys.length;
      const index = fromData(Int32Array.from(fresh), [fresh.length], { device: rows.device });
      const chosen = all ? rows : rows.indexSelect(0, index);
      const stored = chosen.to(dtype);
      if (dtype === "float16") this.#checkRange(chosen, stored);
      stored.to("cpu").copyInto(data);
    });
    this.#write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  #checkRange(rows: Tensor, stored: Tensor): void {
    const finite = (tensor: Tensor): boolean => tensor.isFinite().all().item() !== 0;
    if (finite(stored) || !finite(rows)) return;
    throw new RangeError(
      `Expected numbers up to 65504, the largest of float16, for ${this.#file.file} but received ` +
        "larger features; set the cache's precision to float32",
    );
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + BLOCK_BYTES - this.#inBlock);
      this.#hash.update(piece);
      this.#inBlock += piece.length;
      at += piece.length;
      if (this.#inBlock === BLOCK_BYTES) this.#endBlock();
    }
    this.#file.write(bytes);
  }

  #endBlock(): void {
    if (this.#inBlock === 0) return;
    this.#checks.push(blockCheck(this.#hash.digest()));
    this.#hash = createHash("sha256");
    this.#inBlock = 0;
  }

  /** Completes the file: it is on the disk under its own name when this returns. */
  finish({ skipped }: Pick<RowHeader, "skipped">): void {
    this.#endBlock();
    const { dtype, shape, key } = this.#about;
    const header: RowHeader = { dtype, shape, count: this.count, key, skipped };
    this.#file.write(trailer(header, Buffer.concat(this.#checks), this.#index.toBytes()));
    this.#file.finish();
  }

  /** Gives up; nothing stays. After `finish` this does nothing. */
  discard(): void {
    this.#file.discard();
  }

  /** Bytes that one row takes. */
  get rowBytes(): number {
    return rowBytes(this.#about);
  }
}
