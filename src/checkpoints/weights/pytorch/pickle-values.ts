/** What a pickle of PyTorch may hold, as plain data. Nothing here is a function of the file's. */
import type { DType } from "../../../torch/index.ts";

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleDict
  | PickleRecord
  | PickleGlobal
  | PickleOpaque
  | StorageType
  | StoredTensor
  | Storage;

/** A list, deque, tuple or set; `torch.Size` too. */
export class PickleList {
  readonly items: PickleValue[];
  readonly tuple: boolean;
  constructor(items: PickleValue[], tuple: boolean) {
    this.items = items;
    this.tuple = tuple;
  }
}

export type PickleKey = string | number | bigint | boolean | null;

/** A dict, OrderedDict, defaultdict or Counter. */
export class PickleDict {
  readonly entries = new Map<PickleKey, PickleValue>();
}

/** An object of a TorchScript class, by the class's name: its attributes and nothing else. */
export class PickleRecord {
  readonly className: string;
  attributes = new PickleDict();
  constructor(className: string) {
    this.className = className;
  }
}

/** A class or function, which is never called: where it is known it says how its operands are read. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * An object of another library that was saved beside the weights: a number of numpy, a Namespace, a
 * date. Nothing is made of it and what it was made from is dropped.
 */
export class PickleOpaque {
  /** The class or function that Python would have called. */
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A class of storages; its elements' type is null where tensors name their own. */
export class StorageType {
  readonly elements: ElementType | null;
  constructor(elements: ElementType | null) {
    this.elements = elements;
  }
}

/** A type of elements: limn's name where limn reads it, and PyTorch's. */
export interface ElementType {
  readonly dtype: DType | undefined;
  readonly storedAs: string;
  readonly bytes: number;
}

/** Elements in an entry of the archive, `data/<key>`. */
export class Storage {
  readonly key: string;
  readonly elements: ElementType | null;
  /** Elements, or bytes where they have no type. */
  readonly count: number;
  constructor(key: string, elements: ElementType | null, count: number) {
    this.key = key;
    this.elements = elements;
    this.count = count;
  }
}

/** A tensor: a part of a storage. Offset and strides are in elements. */
export class StoredTensor {
  readonly storage: Storage;
  readonly elements: ElementType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(
    storage: Storage,
    elements: ElementType,
    { offset, shape, strides }: Pick<StoredTensor, "offset" | "shape" | "strides">,
  ) {
    this.storage = storage;
    this.elements = elements;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Dicts become objects without a prototype; tuples and sets lists; objects of others their class's name. */
export type PlainValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PlainValue[]
  | { [key: string]: PlainValue };

/**
 * throws  Error, with the cause alone, for a tensor and for values beyond `budget` or 100 levels:
 *         a pickle can hold itself
 */
export function plainValue(value: PickleValue, budget: number): PlainValue {
  let left = budget;
  const convert = (item: PickleValue, level: number): PlainValue => {
    if (left-- <= 0 || level > 100) throw new Error("it is nested without end");
    if (item instanceof PickleList) return item.items.map((inner) => convert(inner, level + 1));
    if (item instanceof PickleDict) {
      const made = Object.create(null) as { [key: string]: PlainValue };
      for (const [key, inner] of item.entries) made[String(key)] = convert(inner, level + 1);
      return made;
    }
    if (item instanceof PickleGlobal || item instanceof PickleOpaque) return item.name;
    if (item === null || typeof item !== "object" || item instanceof Uint8Array) return item;
    throw new Error("it holds tensors");
  };
  return convert(value, 0);
}
