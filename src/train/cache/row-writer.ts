/** Writes a file of rows under a temporary name; it takes its own name when it is complete. */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { ShapeError } from "../../errors.ts";
import { writeError, writeFully } from "../../files/atomic-write.ts";
import { allocate } from "../../torch/dtype.ts";
import { fromData, scope, type Tensor } from "../../torch/index.ts";
import { KeyIndex } from "./key-index.ts";
import { BLOCK_BYTES, blockCheck, rowBytes, trailer, type RowHeader } from "./row-file.ts";

export type NewRows = Omit<RowHeader, "count" | "skipped">;

let counter = 0;

/**
 * Rows in the order in which they are appended. Several processes may write the same file: each has
 * its own temporary one, and the last to finish wins with a whole file.
 */
export class RowWriter {
  readonly #file: string;
  readonly #partial: string;
  readonly #about: NewRows;
  readonly #index = new KeyIndex();
  readonly #checks: Buffer[] = [];
  #descriptor: number | undefined;
  #hash: Hash = createHash("sha256");
  #inBlock = 0;

  /** throws   CheckpointError naming `file` where its folder cannot be written */
  constructor(file: string, about: NewRows) {
    this.#file = file;
    this.#about = about;
    this.#partial = join(dirname(file), partialName(basename(file)));
    this.#guarded(() => {
      mkdirSync(dirname(file), { recursive: true });
      removeAbandoned(file);
      this.#descriptor = openSync(this.#partial, "wx");
    });
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
   * throws   ShapeError; CheckpointError naming the file when the disk is full
   */
  append(keys: readonly string[], rows: Tensor): void {
    const { dtype, shape } = this.#about;
    const expected = [keys.length, ...shape];
    if (rows.shape.join() !== expected.join()) {
      throw new ShapeError(
        `Expected rows [${expected.join(", ")}] for ${this.#file} but received ` +
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
      chosen.to(dtype).to("cpu").copyInto(data);
    });
    this.#write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + BLOCK_BYTES - this.#inBlock);
      this.#hash.update(piece);
      this.#inBlock += piece.length;
      at += piece.length;
      if (this.#inBlock === BLOCK_BYTES) this.#endBlock();
    }
    this.#guarded(() => writeFully(this.#open(), bytes));
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
    this.#guarded(() => {
      writeFully(this.#open(), trailer(header, Buffer.concat(this.#checks), this.#index.toBytes()));
      fsyncSync(this.#open());
      closeSync(this.#open());
      this.#descriptor = undefined;
      renameSync(this.#partial, this.#file);
    });
  }

  /** Gives up; nothing stays, but after `finish` this does nothing. */
  discard(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
    rmSync(this.#partial, { force: true });
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error("internal: the file of rows is closed");
    return this.#descriptor;
  }

  #guarded(body: () => void): void {
    try {
      body();
    } catch (cause) {
      throw writeError(this.#file, cause);
    }
  }

  /** Bytes that one row takes. */
  get rowBytes(): number {
    return rowBytes(this.#about);
  }
}

function partialName(name: string): string {
  return `.${name}.partial-${hostname()}-${process.pid}-${counter++}`;
}

/** Removes what processes of this machine that no longer run left half-written. */
function removeAbandoned(file: string): void {
  const prefix = `.${basename(file)}.partial-${hostname()}-`;
  for (const name of readdirSync(dirname(file))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (pid > 0 && !isRunning(pid)) rmSync(join(dirname(file), name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
