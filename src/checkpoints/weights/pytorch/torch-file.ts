/**
 * Files of `torch.save` and `torch.jit.save` (since PyTorch 1.6): a zip of a pickle and of storages.
 *
 *     <root>/data.pkl     what was saved; tensors name their storages
 *     <root>/data/<key>   the elements of one storage, not compressed
 *     <root>/byteorder    "little"; absent before PyTorch 2.0, which wrote nothing else
 *     <root>/code/        of TorchScript: the source of the classes in data.pkl
 */
import { CheckpointError, didYouMean } from "../../../errors.ts";
import { type ByteSource, refuseOther, memorySource } from "../byte-source.ts";
import { namingFile, weightReader, extent, type StoredArray } from "../weight-reader.ts";
import type { WeightFile, WeightInfo } from "../weight-file.ts";
import { ZipArchive, type ZipEntry } from "../zip.ts";
import {
  PickleDict,
  PickleOpaque,
  PickleRecord,
  StoredTensor,
  type PickleValue,
  plainValue,
  type PlainValue,
} from "./pickle-values.ts";
import { flattenModules, ModuleClasses } from "./script-modules.ts";
import { unpickle } from "./unpickle.ts";

/** An open file of PyTorch: what was saved in it is known, no tensor is read yet. `using` works. */
export interface TorchFile {
  readonly file: string;
  /** `script` for an archive of `torch.jit.save`. */
  readonly kind: "saved" | "script";
  /** The keys of the dict at a path, none where there is no dict; the outermost by default. */
  keys(path?: readonly string[]): string[];
  /**
   * The number, string, list or dict at a path; undefined where there is none. Throws
   * CheckpointError where it holds a tensor.
   */
  value(path: readonly string[]): PlainValue | undefined;
  /**
   * True where there is a dict of tensors, and at least one, at a path. Numbers, texts and objects of
   * other libraries beside them are no weights and are passed over; another dict of tensors is not.
   */
  hasWeights(path?: readonly string[]): boolean;
  /** The paths of all dicts of tensors below the top, of one that has several the first. */
  places(): string[][];
  /**
   * The dict of tensors at a path, such as `["state_dict"]`, or all parameters and buffers of a
   * script. To close it is to close the file. Throws CheckpointError where something else is there.
   */
  weights(path?: readonly string[]): WeightFile;
  close(): void;
  [Symbol.dispose](): void;
}

const what = "a file of torch.save";
/** Dicts in dicts, as in `checkpoint.model.state_dict`. */
const deepest = 8;
/** A pickle holds a hundred bytes for each tensor. */
const mostPickle = 1 << 28;

/**
 * A file of PyTorch in an open source, which the result owns. Reads its pickle, of which nothing is
 * executed: see `unpickle`.
 *
 * throws  CheckpointError naming the file and what is wrong with it, or the name that it asks for
 */
export function torchFileIn(source: ByteSource): TorchFile {
  try {
    return namingFile(source.file, what, () => {
      refuseOther(source, "zip");
      return new Opened(source);
    });
  } catch (error) {
    source.close();
    throw error;
  }
}

class Opened implements TorchFile {
  readonly file: string;
  readonly kind: "saved" | "script";
  readonly #source: ByteSource;
  readonly #saved: PickleValue;
  readonly #storages: StorageTable;
  readonly #classes: ModuleClasses;
  readonly #pickleLength: number;

  constructor(source: ByteSource) {
    this.file = source.file;
    this.#source = source;
    const archive = new ZipArchive(source);
    const root = findRoot(archive);
    checkByteOrder(archive, root);
    const pickle = archive.read(archive.entries.get(`${root}/data.pkl`)!, mostPickle);
    this.#pickleLength = pickle.length;
    this.#saved = unpickle(pickle);
    this.#storages = new StorageTable(source, archive, `${root}/data/`);
    this.#classes = new ModuleClasses(archive, `${root}/code/`);
    this.kind = this.#saved instanceof PickleRecord ? "script" : "saved";
  }

  keys(path: readonly string[] = []): string[] {
    const value = this.#find(path);
    return value instanceof PickleDict ? [...value.entries.keys()].map(String) : [];
  }

  value(path: readonly string[]): PlainValue | undefined {
    const value = this.#find(path);
    if (value === undefined) return undefined;
    return namingFile(this.file, `plain values at ${show(path)}`, () =>
      plainValue(value, this.#budget()),
    );
  }

  hasWeights(path: readonly string[] = []): boolean {
    const value = this.#find(path);
    if (value instanceof PickleRecord) return true;
    return isStateDict(value) && ![...value.entries.values()].some(isStateDict);
  }

  places(): string[][] {
    const seen = new Set<PickleValue>();
    const under = (value: PickleValue, path: readonly string[]): string[][] => {
      if (!(value instanceof PickleDict) || seen.has(value) || path.length > deepest) return [];
      seen.add(value);
      const { entries }: PickleDict = value;
      const here = path.length > 0 && this.hasWeights(path) ? [[...path]] : [];
      return [
        ...here,
        ...[...entries].flatMap(([key, inner]) => under(inner, [...path, String(key)])),
      ];
    };
    return under(this.#saved, []);
  }

  weights(path: readonly string[] = []): WeightFile {
    const { file } = this;
    const tensors = this.#tensors(path);
    return namingFile(file, what, () => {
      const weights = new Map<string, TorchInfo>();
      for (const [name, tensor] of tensors) {
        weights.set(name, this.#storages.describe(name, tensor));
      }
      const locate = (info: TorchInfo) => this.#storages.locate(info);
      return weightReader({ file, what, weights, locate, close: () => this.close() });
    });
  }

  close(): void {
    this.#source.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #tensors(path: readonly string[]): Map<string, StoredTensor> {
    const value = this.#find(path);
    if (value instanceof PickleRecord) {
      return namingFile(this.file, what, () =>
        flattenModules(value, this.#classes, this.#budget()),
      );
    }
    if (value instanceof PickleOpaque) {
      throw this.#noWeights(
        path,
        `it is an object of ${value.name}, of which nothing was executed`,
      );
    }
    if (!(value instanceof PickleDict)) throw this.#noWeights(path, "there is no dict");
    const tensors = new Map<string, StoredTensor>();
    for (const [key, item] of value.entries) {
      if (!(item instanceof StoredTensor)) {
        const other = tensorOfOther(item);
        if (other === undefined && !isStateDict(item)) continue;
        const reason =
          other === undefined
            ? "a dict of tensors itself"
            : `made by ${other}, which limn does not read`;
        throw this.#noWeights(path, `${JSON.stringify(String(key))} of it is ${reason}`);
      }
      if (tensors.has(String(key))) throw this.#noWeights(path, `it has ${key} twice`);
      tensors.set(String(key), item);
    }
    if (tensors.size === 0) {
      const [first] = value.entries.keys();
      throw this.#noWeights(
        path,
        opaqueWords(value) ??
          (first === undefined ? "it is empty" : `"${String(first)}" of it is no tensor`),
      );
    }
    return tensors;
  }

  #noWeights(path: readonly string[], reason: string): CheckpointError {
    const others = this.places().map((place) => place.join("."));
    const cure = others.length > 0 ? `name one of ${others.join(", ")}` : "save a state dict";
    return new CheckpointError(
      this.file,
      `Expected a dict of tensors at ${show(path)} of ${this.file} but ${reason}; ${cure}` +
        didYouMean(path.at(-1) ?? "", others),
    );
  }

  #find(path: readonly string[]): PickleValue | undefined {
    let value: PickleValue | undefined = this.#saved;
    for (const key of path) {
      if (!(value instanceof PickleDict)) return undefined;
      const { entries }: PickleDict = value;
      // Optimizers number their parameters.
      value = entries.get(key) ?? (/^\d{1,9}$/.test(key) ? entries.get(Number(key)) : undefined);
    }
    return value;
  }

  /** How many values may be looked at: a small pickle can name the same ones without end. */
  #budget(): number {
    return Math.max(10_000, this.#pickleLength);
  }
}

/** The first object of another library, where a dict holds no tensor: a whole module, arrays of numpy. */
function opaqueWords({ entries }: PickleDict): string | undefined {
  for (const [key, item] of entries) {
    if (item instanceof PickleOpaque) {
      return `"${String(key)}" of it is an object of ${item.name}, of which nothing was executed`;
    }
  }
  return undefined;
}

/** A dict with at least one tensor in it. */
function isStateDict(value: PickleValue | undefined): value is PickleDict {
  if (!(value instanceof PickleDict)) return false;
  for (const item of value.entries.values()) {
    if (item instanceof StoredTensor || tensorOfOther(item) !== undefined) return true;
  }
  return false;
}

/** The function that makes a tensor of a kind that limn has not: quantized, sparse. */
function tensorOfOther(value: PickleValue): string | undefined {
  const makes = value instanceof PickleOpaque && /^torch\..*_rebuild_/.test(value.name);
  return makes ? value.name : undefined;
}

function show(path: readonly string[]): string {
  return path.length === 0 ? "the top" : path.join(".");
}

function findRoot(archive: ZipArchive): string {
  const roots = [...archive.entries.keys()].flatMap((name) => {
    const found = /^([^/]+)\/data\.pkl$/.exec(name)?.[1];
    return found === undefined ? [] : [found];
  });
  if (roots.length === 1) return roots[0] as string;
  throw new Error(
    roots.length === 0 ? "it is a zip archive without a data.pkl" : "it has more than one data.pkl",
  );
}

function checkByteOrder(archive: ZipArchive, root: string): void {
  const entry = archive.entries.get(`${root}/byteorder`);
  if (entry === undefined) return;
  const order = Buffer.from(archive.read(entry, 16)).toString("latin1");
  if (order !== "little") throw new Error(`its numbers are in the order ${JSON.stringify(order)}`);
}

interface TorchInfo extends WeightInfo {
  readonly entry: ZipEntry | undefined;
  readonly stored: StoredTensor;
}

/** Elements that a tensor may have beyond its storage, by strides of 0: a mask, not a bomb. */
const mostExpanded = 1 << 24;

class StorageTable {
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
