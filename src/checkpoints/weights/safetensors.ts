/** Named tensors in a safetensors file: each is one positioned read, or a view of the mapped file. */
import { mapFile, scope, viewAs, dtypeBytes, type Tensor } from "../../torch/index.ts";
import { openSource, type ByteSource } from "./byte-source.ts";
import { refuseOther } from "./content-kind.ts";
import { namingFile } from "./reading-errors.ts";
import {
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensors-header.ts";
import type { WeightFile } from "./weight-file.ts";
import { weightReader } from "./weight-reader.ts";

export { writeSafetensors, type WriteOptions } from "./write-safetensors.ts";

/** An open file, its names in the order of the data. Holds a descriptor until it is closed. */
export interface SafetensorsFile extends WeightFile {
  info(name: string): TensorInfo;
}

export interface SafetensorsOptions {
  /**
   * Give tensors that share the file's pages in place of copies: nothing is read until it is used.
   * Writes to such a tensor stay in memory. It lives on after `close()`, and the file must keep its
   * length as long. A tensor that is not aligned to its element size is copied.
   */
  map?: boolean;
}

/**
 * Opens a safetensors file and checks its whole header; reads no tensor.
 *
 * throws  CheckpointError naming the file and what is wrong with it
 */
export function readSafetensors(file: string, options: SafetensorsOptions = {}): SafetensorsFile {
  return safetensorsIn(
    namingFile(file, what, () => openSource(file)),
    options,
  );
}

const what = "a safetensors file";

/** `readSafetensors` for an open source, which the result owns. */
export function safetensorsIn(
  source: ByteSource,
  { map = false }: SafetensorsOptions = {},
): SafetensorsFile {
  const { file } = source;
  try {
    const { tensors, metadata, length } = namingFile(file, what, () => readHeader(source));
    const weights = new Map([...tensors].sort(([, a], [, b]) => a.start - b.start));
    const mapping = map ? new Mapping(file, source.size, length) : undefined;
    return weightReader<TensorInfo>({
      file,
      what,
      weights,
      metadata,
      locate: ({ dtype, shape, start }) => ({
        source,
        position: length + start,
        dtype: dtype ?? "uint8",
        shape,
      }),
      ...(mapping ? { view: (info) => mapping.view(info) } : {}),
      close: () => {
        mapping?.close();
        source.close();
      },
    });
  } catch (error) {
    source.close();
    throw error;
  }
}

function readHeader(source: ByteSource): SafetensorsHeader {
  try {
    const first = source.read(0, Math.min(8, source.size));
    const json = source.read(8, parseHeaderLength(first, source.size));
    return parseHeader(json, source.size);
  } catch (error) {
    // A pointer of Git LFS or a web page says more than the length that its first bytes make.
    refuseOther(source, "safetensors");
    throw error;
  }
}

/** The whole file in memory, mapped on first use. */
class Mapping {
  readonly #file: string;
  readonly #size: number;
  readonly #base: number;
  #bytes: Tensor | undefined;

  constructor(file: string, size: number, base: number) {
    this.#file = file;
    this.#size = size;
    this.#base = base;
  }

  /** Undefined where the elements do not begin at a multiple of their size. */
  view({ dtype = "uint8", shape, start, end }: TensorInfo): Tensor | undefined {
    const at = this.#base + start;
    if (at % dtypeBytes(dtype) !== 0 || end === start) return undefined;
    this.#bytes ??= mapFile(this.#file, this.#size).keep();
    const bytes = this.#bytes;
    return scope(() => viewAs(bytes.narrow(0, at, end - start), dtype).view(...shape));
  }

  close(): void {
    this.#bytes?.dispose();
    this.#bytes = undefined;
  }
}
