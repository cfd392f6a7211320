/** Named arrays in numpy's archive, a zip of arrays: checkpoints of JAX code keep their weights so. */
import { dtypeBytes } from "../../torch/index.ts";
import { memorySource, type ByteSource, refuseOther } from "./byte-source.ts";
import { isNpy, mostNpyHeader, parseNpyHeader, type NpyHeader } from "../../files/npy.ts";
import { namingFile, type StoredArray, weightReader } from "./weight-reader.ts";
import type { WeightFile, WeightInfo } from "./weight-file.ts";
import { ZipArchive, type ZipEntry } from "./zip.ts";

interface NpzInfo extends WeightInfo {
  readonly entry: ZipEntry;
  readonly header: NpyHeader;
}

const what = "an archive of numpy";

/**
 * An archive of numpy in an open source, which the result owns. Checks every header; reads no element.
 * Names are those of the entries without `.npy`. Arrays that numpy did not compress are read where they
 * lie.
 *
 * throws  CheckpointError naming the file and what is wrong with it
 */
export function npzIn(source: ByteSource): WeightFile {
  const { file } = source;
  try {
    return namingFile(file, what, () => {
      refuseOther(source, "zip");
      const archive = new ZipArchive(source);
      const weights = new Map<string, NpzInfo>();
      for (const entry of archive.entries.values()) {
        if (!entry.name.endsWith(".npy")) {
          throw new Error(`its entry ${entry.name} is no array of numpy`);
        }
        const name = entry.name.slice(0, -4);
        weights.set(name, readInfo(archive, entry));
      }
      const locate = (info: NpzInfo): StoredArray => locateArray(archive, source, info);
      return weightReader({ file, what, weights, locate, close: () => source.close() });
    });
  } catch (error) {
    source.close();
    throw error;
  }
}

function readInfo(archive: ZipArchive, entry: ZipEntry): NpzInfo {
  try {
    let start = archive.peek(entry, 1024);
    // Headers beyond that belong to arrays of very many sides, and to damage.
    const longer = isNpy(start) && start.length < entry.size && entry.size > 1024;
    if (longer && headerLength(start) > start.length)
      start = archive.peek(entry, mostNpyHeader + 12);
    const header = parseNpyHeader(start);
    const { dtype, storedAs, shape, length } = header;
    const bytes = shape.reduce((all, side) => all * side, 1) * (dtype ? dtypeBytes(dtype) : 0);
    if (dtype !== undefined && entry.size !== length + bytes) {
      throw new Error(
        `its header states ${storedAs} (${shape.join(", ")}), ${bytes} bytes, but ` +
          `${entry.size - length} follow`,
      );
    }
    return { dtype, storedAs, shape, bytes: dtype ? bytes : entry.size - length, entry, header };
  } catch (cause) {
    if (!(cause instanceof Error) || cause.constructor !== Error) throw cause;
    throw new Error(`its entry ${entry.name} cannot be read: ${cause.message}`, { cause });
  }
}

function headerLength(start: Uint8Array): number {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  return start[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
}

function locateArray(archive: ZipArchive, source: ByteSource, info: NpzInfo): StoredArray {
  const { entry, header, shape } = info;
  const dtype = info.dtype ?? "uint8";
  const strides = header.fortranOrder ? columnMajor(shape) : undefined;
  if (entry.method === 0) {
    const position = archive.locate(entry) + header.length;
    return { source, position, dtype, shape, strides };
  }
  const inflated = memorySource(source.file, archive.read(entry, entry.size));
  return { source: inflated, position: header.length, dtype, shape, strides };
}

function columnMajor(shape: readonly number[]): number[] {
  let step = 1;
  return shape.map((side) => {
    const stride = step;
    step *= side;
    return stride;
  });
}
