/** Named tensors in a safetensors file, read one at a time and written in one stream. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CheckpointError, LimnError } from "../../errors.ts";
import { allocate } from "../../torch/dtype.ts";
import {
  dtypeBytes,
  fromData,
  type DType,
  type Tensor,
  type TensorData,
} from "../../torch/index.ts";
import { writeFileAtomically, writeFully } from "../atomic-write.ts";
import {
  buildHeader,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensors-header.ts";

/** An open file. Holds a descriptor until it is closed; `using` works. */
export interface SafetensorsFile {
  readonly file: string;
  /** In the order of the data. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** Throws CheckpointError for a name that the file does not have. */
  info(name: string): TensorInfo;
  /** Reads one tensor into memory, on the CPU, in its stored type. The caller owns it. */
  tensor(name: string): Tensor;
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * Opens a safetensors file and checks its whole header; reads no tensor.
 *
 * throws  CheckpointError naming the file and what is wrong with it
 */
export function readSafetensors(file: string): SafetensorsFile {
  const descriptor = guarded(file, () => openSync(file, "r"));
  try {
    const header = guarded(file, () => readHeader(descriptor));
    return openFile(file, descriptor, header);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function readHeader(descriptor: number): SafetensorsHeader {
  const { size } = fstatSync(descriptor);
  const first = new Uint8Array(Math.min(8, size));
  readFully(descriptor, first, 0);
  const json = new Uint8Array(parseHeaderLength(first, size));
  readFully(descriptor, json, 8);
  return parseHeader(json, size);
}

function openFile(file: string, descriptor: number, header: SafetensorsHeader): SafetensorsFile {
  const { tensors, metadata, length } = header;
  const names = [...tensors.keys()].sort(
    (a, b) => (tensors.get(a)?.start ?? 0) - (tensors.get(b)?.start ?? 0),
  );
  const place: Place = { descriptor, base: length, passage: new Passage() };
  let open = true;
  const info = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found) return found;
    throw new CheckpointError(file, `Expected a tensor "${name}" in ${file} but it has none`);
  };
  const close = (): void => {
    if (open) closeSync(descriptor);
    open = false;
  };
  const tensor = (name: string): Tensor => {
    const found = info(name);
    if (!open) {
      throw new CheckpointError(
        file,
        `Expected ${file} to be open but it was closed; open it again`,
      );
    }
    return guarded(file, () => readTensor(name, found, place));
  };
  const has = (name: string): boolean => tensors.has(name);
  return { file, names, metadata, has, info, tensor, close, [Symbol.dispose]: close };
}

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

type ViewConstructor = new (buffer: ArrayBuffer, offset: number, length: number) => TensorData;

function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

interface Place {
  descriptor: number;
  /** Where the data begins in the file. */
  base: number;
  passage: Passage;
}

function readTensor(name: string, info: TensorInfo, place: Place): Tensor {
  const { descriptor, base, passage } = place;
  const { dtype, storedAs, shape, start } = info;
  if (dtype === undefined) {
    throw new Error(`tensor "${name}" has the element type ${storedAs}, which limn does not read`);
  }
  const count = shape.reduce((product, side) => product * side, 1);
  const data = passage.view(dtype, count);
  readFully(descriptor, bytesOf(data), base + start);
  return fromData(data, shape, { dtype });
}

function readFully(descriptor: number, bytes: Uint8Array, position: number): void {
  // One read call takes at most 2 GiB.
  const most = 1 << 28;
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(most, bytes.length - at);
    const count = readSync(descriptor, bytes, at, length, position + at);
    if (count === 0) throw new Error(`the file ends at byte ${position + at}`);
    at += count;
  }
}

/** Runs `body`; turns an error of the format or the file system into one that names the file. */
function guarded<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    if (cause instanceof LimnError || !(cause instanceof Error)) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const what = code === "ENOENT" ? "there is no such file" : cause.message;
    const cure =
      code === undefined ? "fetch or save it again" : "check the path and its permissions";
    throw new CheckpointError(
      file,
      `Expected a safetensors file for ${file} but ${what}; ${cure}`,
      { cause },
    );
  }
}

/**
 * Writes named tensors, atomically and in a fixed order (see `buildHeader`); one tensor at a time is
 * copied to the host.
 *
 * entries   borrowed; views and tensors of any device are fine
 * metadata  `format: "pt"` unless given: transformers refuses a file without it
 * throws    CheckpointError naming the file: full disk, missing folder, a name twice
 */
export function writeSafetensors(
  file: string,
  entries: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const items: { name: string; dtype: DType; shape: readonly number[]; tensor: Tensor }[] = [];
  const seen = new Set(["__metadata__"]);
  for (const [name, tensor] of entries) {
    if (seen.has(name)) {
      throw new CheckpointError(
        file,
        `Expected every name once for ${file} but received "${name}" again; rename one of the two`,
      );
    }
    seen.add(name);
    items.push({ name, dtype: tensor.dtype, shape: tensor.shape, tensor });
  }
  const { bytes, order } = buildHeader(items, { format: "pt", ...metadata });
  writeFileAtomically(file, (descriptor) => {
    writeFully(descriptor, bytes);
    const passage = new Passage();
    for (const { dtype, tensor } of order) {
      const data = passage.view(dtype, tensor.count);
      tensor.copyInto(data);
      writeFully(descriptor, bytesOf(data));
    }
  });
}
