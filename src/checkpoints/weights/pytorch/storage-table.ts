/** Where the tensors of a PyTorch file lie: entries of the archive, checked against what is asked. */
import type { ByteSource } from "../byte-source.ts";
import { memorySource } from "../byte-source.ts";
import { extent, type StoredArray } from "../stored-array.ts";
import type { WeightInfo } from "../weight-file.ts";
import type { ZipArchive, ZipEntry } from "../zip.ts";
import type { StoredTensor } from "./pickle-values.ts";

export interface TorchInfo extends WeightInfo {
  readonly entry: ZipEntry | undefined;
  readonly stored: StoredTensor;
}

/** Elements that a tensor may have beyond its storage, by strides of 0: a mask, not a bomb. */
const mostExpanded = 1 << 24;

export class StorageTable {
  readonly #source: ByteSource;
  readonly #archive: ZipArchive;
  readonly #folder: string;

  constructor(source: ByteSource, archive: ZipArchive, folder: string) {
    this.#source = source;
    this.#archive = archive;
    this.#folder = folder;
  }

  /** Throws Error, with the cause alone, for a tensor that its storage cannot hold. */
  describe(name: string, stored: StoredTensor): TorchInfo {
    const { storage, elements, offset, shape, strides } = stored;
    const { dtype, storedAs, bytes } = elements;
    const entry = this.#archive.entries.get(this.#folder + storage.key);
    const held = storage.count * (storage.elements?.bytes ?? 1);
    const size = entry?.size ?? 0;
    if (entry === undefined && held > 0) {
      throw new Error(`tensor "${name}" lies in the storage ${storage.key}, which is missing`);
    }
    if (held > size) {
      throw new Error(
        `the storage ${storage.key} of tensor "${name}" has ${size} bytes in place of ${held}`,
      );
    }
    const end = (offset + extent(shape, strides)) * bytes;
    if (!(end <= size) && !shape.includes(0)) {
      throw new Error(
        `tensor "${name}" [${shape.join(", ")}] ends at byte ${end} of its storage of ${size}`,
      );
    }
    const count = shape.reduce((product, side) => product * side, 1);
    if (count * bytes > size && count > mostExpanded) {
      throw new Error(`tensor "${name}" repeats ${size} bytes to [${shape.join(", ")}]`);
    }
    return { dtype, storedAs, shape, bytes: count * bytes, entry, stored };
  }

  locate({ entry, stored }: TorchInfo): StoredArray {
    const { elements, offset, shape, strides } = stored;
    const dtype = elements.dtype ?? "uint8";
    const from = offset * elements.bytes;
    if (entry === undefined) return { source: this.#source, position: 0, dtype, shape };
    if (entry.method === 0) {
      const position = this.#archive.locate(entry) + from;
      return { source: this.#source, position, dtype, shape, strides };
    }
    const inflated = memorySource(this.#source.file, this.#archive.read(entry, entry.size));
    return { source: inflated, position: from, dtype, shape, strides };
  }
}
