/** Bytes at positions: an open file, or memory that holds what one would. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fromData, noGrad, readFileInto, scope, viewAs, type Tensor } from "../../torch/index.ts";

export interface ByteSource {
  /** Named in errors. */
  readonly file: string;
  readonly size: number;
  /** A copy of `length` bytes; throws Error where the source ends before. */
  read(position: number, length: number): Uint8Array;
  /** Fills a contiguous CPU tensor; throws Error where the source ends before. */
  fill(target: Tensor, position: number): void;
  close(): void;
}

/** Opens a file for positioned reads. Throws the file system's own error. */
export function openSource(file: string): FileSource {
  return new FileSource(file, openSync(file, "r"));
}

export class FileSource implements ByteSource {
  readonly file: string;
  readonly size: number;
  readonly #descriptor: number;
  #open = true;

  constructor(file: string, descriptor: number) {
    this.file = file;
    this.#descriptor = descriptor;
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) {
      closeSync(descriptor);
      throw Object.assign(new Error("it is no regular file"), { code: "ENOTFILE" });
    }
    this.size = facts.size;
  }

  read(position: number, length: number): Uint8Array {
    checkRange(this.size, position, length);
    const bytes = new Uint8Array(length);
    // One read call takes at most 2 GiB.
    const most = 1 << 28;
    for (let at = 0; at < length;) {
      const wanted = Math.min(most, length - at);
      const count = readSync(this.#descriptor, bytes, at, wanted, position + at);
      if (count === 0) throw new Error(`the file ends at byte ${position + at}`);
      at += count;
    }
    return bytes;
  }

  fill(target: Tensor, position: number): void {
    noGrad(() => readFileInto(target, this.#descriptor, position));
  }

  close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }
}

/** Bytes in memory under the name of a file. */
export function memorySource(file: string, bytes: Uint8Array): ByteSource {
  const read = (position: number, length: number): Uint8Array => {
    checkRange(bytes.length, position, length);
    return bytes.slice(position, position + length);
  };
  const fill = (target: Tensor, position: number): void => {
    scope(() => {
      const flat = viewAs(target.detach().view(-1), "uint8");
      checkRange(bytes.length, position, flat.count);
      if (flat.count === 0) return;
      flat.copy_(fromData(bytes.subarray(position, position + flat.count)));
    });
  };
  return { file, size: bytes.length, read, fill, close: () => undefined };
}

function checkRange(size: number, position: number, length: number): void {
  if (position >= 0 && length >= 0 && position + length <= size) return;
  throw new Error(`bytes ${position} to ${position + length} are asked of a file of ${size}`);
}
