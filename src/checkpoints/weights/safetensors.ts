/**
 * Reads and writes named tensors of safetensors files: a read is one positioned read, or a view of the
 * mapped file; a write is one file, or shards with an index.
 */
import { rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import {
  checkMapped,
  mapFile,
  scope,
  viewAs,
  dtypeBytes,
  type Tensor,
  type DType,
  type TensorData,
} from "../../torch/index.ts";
import { openSource, type ByteSource, refuseOther } from "./byte-source.ts";
import { namingFile, weightReader } from "./weight-reader.ts";
import {
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
  buildHeader,
} from "./safetensors-header.ts";
import type { WeightFile } from "./weight-file.ts";
import { CheckpointError } from "../../errors.ts";
import { allocate } from "../../torch/dtype.ts";
import { writeFileAtomically, writeTextAtomically } from "../../files/atomic-write.ts";

/** An open file, its names in the order of the data. Holds a descriptor until it is closed. */
export interface SafetensorsFile extends WeightFile {
  info(name: string): TensorInfo;
}

export interface SafetensorsOptions {
  /**
   * Give tensors that share the file's pages in place of copies: nothing is read until it is used.
   * Writes to such a tensor stay in memory. It lives on after `close()`. The file must keep its length
   * as long: a use of pages that it lost throws StorageError. A tensor that is not aligned to its element size is copied.
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
    checkMapped(bytes);
    return scope(() => viewAs(bytes.narrow(0, at, end - start), dtype).view(...shape));
  }

  close(): void {
    this.#bytes?.dispose();
    this.#bytes = undefined;
  }
}

export interface WriteOptions {
  /**
   * Above this many bytes of tensors, `model.safetensors` becomes `model-00001-of-00003.safetensors`
   * and so on, with `model.safetensors.index.json`. One file when absent.
   */
  maxShardBytes?: number;
}

interface Item {
  name: string;
  dtype: DType;
  shape: readonly number[];
  bytes: number;
  tensor: Tensor;
}

/**
 * Writes named tensors, each file atomically and in a fixed order (see `buildHeader`); one tensor at
 * a time is copied to the host. Shards are filled in the order of the entries, as Hugging Face does,
 * and the index is written last.
 *
 * entries   borrowed; views and tensors of any device are fine
 * metadata  of every file; `format: "pt"` unless given: transformers refuses a file without it
 * returns   the paths of what was written, the index first where there is one
 * throws    StorageError naming the file: full disk, missing folder; CheckpointError: a name twice
 */
export function writeSafetensors(
  file: string,
  entries: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
  { maxShardBytes = Infinity }: WriteOptions = {},
): string[] {
  if (!(maxShardBytes > 0)) {
    throw new RangeError(`Expected maxShardBytes above 0 but received ${maxShardBytes}`);
  }
  const shards = fillShards(collect(file, entries), maxShardBytes);
  if (shards.length === 1) {
    writeOne(file, shards[0] ?? [], metadata);
    return [file];
  }
  const files = shards.map((_, i) => shardFile(file, i + 1, shards.length));
  try {
    for (const [i, shard] of shards.entries()) writeOne(files[i] as string, shard, metadata);
    const index = `${file}.index.json`;
    writeTextAtomically(index, describeShards(shards, files));
    return [index, ...files];
  } catch (error) {
    for (const written of files) rmSync(written, { force: true });
    throw error;
  }
}

function collect(file: string, entries: Iterable<readonly [string, Tensor]>): Item[] {
  const items: Item[] = [];
  const seen = new Set(["__metadata__"]);
  for (const [name, tensor] of entries) {
    if (seen.has(name)) {
      throw new CheckpointError(
        file,
        `Expected every name once for ${file} but received "${name}" again; rename one of the two`,
      );
    }
    seen.add(name);
    const { dtype, shape, count } = tensor;
    items.push({ name, dtype, shape, bytes: count * dtypeBytes(dtype), tensor });
  }
  return items;
}

/** In order, a new shard where the next tensor would not fit; one too large for any is alone. */
function fillShards(items: readonly Item[], most: number): Item[][] {
  const shards: Item[][] = [];
  let current: Item[] = [];
  let size = 0;
  for (const item of items) {
    if (item.bytes > most) {
      shards.push([item]);
      continue;
    }
    if (size + item.bytes > most) {
      shards.push(current);
      [current, size] = [[], 0];
    }
    current.push(item);
    size += item.bytes;
  }
  if (current.length > 0 || shards.length === 0) shards.push(current);
  return shards;
}

function shardFile(file: string, number: number, count: number): string {
  const part = (value: number): string => String(value).padStart(5, "0");
  const stem = basename(file).replace(/\.safetensors$/, "");
  return join(dirname(file), `${stem}-${part(number)}-of-${part(count)}.safetensors`);
}

function describeShards(shards: readonly Item[][], files: readonly string[]): string {
  const places = shards.flatMap((shard, i) =>
    shard.map(({ name }): [string, string] => [name, basename(files[i] as string)]),
  );
  const total = shards.flat().reduce((sum, { bytes }) => sum + bytes, 0);
  places.sort(([a], [b]) => (a < b ? -1 : 1));
  const json = { metadata: { total_size: total }, weight_map: Object.fromEntries(places) };
  return `${JSON.stringify(json, null, 2)}\n`;
}

function writeOne(
  file: string,
  items: readonly Item[],
  metadata: Readonly<Record<string, string>>,
): void {
  const { bytes, order } = buildHeader(items, { format: "pt", ...metadata });
  writeFileAtomically(file, (write) => {
    write(bytes);
    const passage = new Passage();
    for (const { dtype, tensor } of order) {
      const data = passage.view(dtype, tensor.count);
      tensor.copyInto(data);
      write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  });
}

type ViewConstructor = new (buffer: ArrayBuffer, offset: number, length: number) => TensorData;

/** Memory that one tensor after another passes through, so that no more than the largest is held. */
class Passage {
  #buffer = new ArrayBuffer(0);

  /** `count` elements of undefined content, valid until the next call. */
  view(dtype: DType, count: number): TensorData {
    const bytes = count * dtypeBytes(dtype);
    if (bytes > this.#buffer.byteLength) this.#buffer = new ArrayBuffer(bytes);
    const View = allocate(dtype, 0).constructor as ViewConstructor;
    return new View(this.#buffer, 0, count);
  }
}
