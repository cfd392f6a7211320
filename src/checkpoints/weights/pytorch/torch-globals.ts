/**
 * The names of PyTorch and of Python's containers in a pickle, and what each makes of its operands.
 * Exact names only: what any other name would make is passed over, and names that only an attack has
 * are refused. Nothing is ever called.
 */
import type { DType } from "../../../torch/index.ts";
import { rowMajor } from "../weight-reader.ts";
import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleOpaque,
  PickleRecord,
  Storage,
  StorageType,
  StoredTensor,
  type ElementType,
  type PickleValue,
} from "./pickle-values.ts";

const element = (storedAs: string, bytes: number, dtype?: DType): ElementType => ({
  storedAs,
  bytes,
  dtype,
});

/** By PyTorch's name; the storage classes are named in the second column. */
const elementTypes = new Map<string, readonly [ElementType, string?]>([
  ["float32", [element("float32", 4, "float32"), "FloatStorage"]],
  ["float64", [element("float64", 8, "float64"), "DoubleStorage"]],
  ["float16", [element("float16", 2, "float16"), "HalfStorage"]],
  ["bfloat16", [element("bfloat16", 2, "bfloat16"), "BFloat16Storage"]],
  ["int64", [element("int64", 8, "int64"), "LongStorage"]],
  ["int32", [element("int32", 4, "int32"), "IntStorage"]],
  ["int16", [element("int16", 2, "int16"), "ShortStorage"]],
  ["int8", [element("int8", 1, "int8"), "CharStorage"]],
  ["uint8", [element("uint8", 1, "uint8"), "ByteStorage"]],
  ["bool", [element("bool", 1, "bool"), "BoolStorage"]],
  ["complex32", [element("complex32", 4)]],
  ["complex64", [element("complex64", 8), "ComplexFloatStorage"]],
  ["complex128", [element("complex128", 16), "ComplexDoubleStorage"]],
  ["uint16", [element("uint16", 2)]],
  ["uint32", [element("uint32", 4)]],
  ["uint64", [element("uint64", 8)]],
  ["float8_e4m3fn", [element("float8_e4m3fn", 1)]],
  ["float8_e5m2", [element("float8_e5m2", 1)]],
  ["float8_e4m3fnuz", [element("float8_e4m3fnuz", 1)]],
  ["float8_e5m2fnuz", [element("float8_e5m2fnuz", 1)]],
  ["float8_e8m0fnu", [element("float8_e8m0fnu", 1)]],
]);

const storageTypes = new Map<string, StorageType>([
  ["torch.storage.UntypedStorage", new StorageType(null)],
  ["torch.storage._UntypedStorage", new StorageType(null)],
  ["torch.UntypedStorage", new StorageType(null)],
]);
for (const [type, storage] of elementTypes.values()) {
  if (storage !== undefined) storageTypes.set(`torch.${storage}`, new StorageType(type));
}

type Operands = readonly PickleValue[];

/** What an admitted name makes of its operands; undefined where they do not fit. */
const constructors: Record<string, (operands: Operands) => PickleValue | undefined> = {
  "collections.OrderedDict": (operands) => (operands.length === 0 ? new PickleDict() : undefined),
  "collections.defaultdict": () => new PickleDict(),
  "collections.Counter": ([counts]) => (counts instanceof PickleDict ? counts : new PickleDict()),
  "collections.deque": ([items]) =>
    new PickleList(items instanceof PickleList ? [...items.items] : [], false),
  "builtins.set": ([items]) => (items instanceof PickleList ? items : new PickleList([], false)),
  "builtins.frozenset": ([items]) =>
    items instanceof PickleList ? items : new PickleList([], false),
  // A tensor with attributes of its own, or of a class of its own.
  "torch._tensor._rebuild_from_type_v2": ([make, , operands]) =>
    make instanceof PickleGlobal && make.name.startsWith("torch._utils._rebuild_")
      ? construct(make, operands ?? null)
      : undefined,
  "torch._utils._rebuild_tensor_v2": ([storage, offset, shape, strides]) =>
    storage instanceof Storage && storage.elements !== null
      ? makeTensor(storage, storage.elements, [offset, shape, strides])
      : undefined,
  "torch._utils._rebuild_tensor_v3": ([storage, offset, shape, strides, , , type]) => {
    const elements = elementType(type);
    return storage instanceof Storage && elements !== undefined
      ? makeTensor(storage, elements, [offset, shape, strides])
      : undefined;
  },
  "torch._utils._rebuild_parameter": ([data]) => (data instanceof StoredTensor ? data : undefined),
  "torch._utils._rebuild_parameter_with_state": ([data]) =>
    data instanceof StoredTensor ? data : undefined,
  "torch.Size": ([sides]) => (sides instanceof PickleList ? sides : undefined),
  "torch.device": ([kind, index]) =>
    typeof kind === "string" &&
    kind.length < 100 &&
    (index === undefined || typeof index === "number")
      ? kind + (index === undefined ? "" : `:${index}`)
      : undefined,
  // TorchScript writes lists with their type and other values with a mark of it.
  "torch.jit._pickle.build_intlist": ([items]) => (items instanceof PickleList ? items : undefined),
  "torch.jit._pickle.build_doublelist": ([items]) =>
    items instanceof PickleList ? items : undefined,
  "torch.jit._pickle.build_boollist": ([items]) =>
    items instanceof PickleList ? items : undefined,
  "torch.jit._pickle.build_tensorlist": ([items]) =>
    items instanceof PickleList ? items : undefined,
  "torch.jit._pickle.restore_type_tag": ([value]) => value,
};

const words = (text: string): readonly string[] => text.split(" ");

/** Modules that run, load or reach anything; none has data that is saved beside weights. */
const attacking = words(
  "os posix nt subprocess sys shutil socket pty ctypes importlib runpy pdb timeit webbrowser " +
    "multiprocessing pickle _pickle zipimport torch.hub",
);
/** Functions of other modules. */
const attackers = words(
  "open compile input raw_input execfile breakpoint globals locals vars setattr delattr reload load",
);

function isAttack(module: string, name: string): boolean {
  // A path through attributes, as to a module that a class holds.
  if (/(^|\.)(__\w+__|system|popen|exec|eval)(\.|$)/.test(name)) return true;
  const isOwn = ["builtins", "__builtin__", "torch", "torch.serialization", "torch.jit"];
  if (isOwn.includes(module)) return attackers.includes(name);
  return attacking.some((one) => module === one || module.startsWith(`${one}.`));
}

/** The value of a name; throws Error for one that only an attack has. */
export function findGlobal(module: string, name: string): PickleValue {
  if (module.length + name.length > 2000) throw new Error("its pickle asks for an endless name");
  const full = `${module}.${name}`;
  const storage = storageTypes.get(full);
  if (storage !== undefined) return storage;
  const python2 = full.replace(/^__builtin__\./, "builtins.");
  if (!isAttack(module, name)) return new PickleGlobal(python2);
  // A name may be long and odd; enough of it to be found again.
  const shown = JSON.stringify(full.slice(0, 200)).slice(1, -1);
  throw new Error(
    `its pickle asks for ${shown}, which is neither a tensor nor plain data: nothing was executed`,
  );
}

/**
 * What `callee(*operands)` stands for: a `PickleOpaque` where the callee is not known.
 *
 * throws  Error for operands that do not fit, and for a callee that is no name
 */
export function construct(callee: PickleValue, operands: PickleValue): PickleValue {
  if (callee instanceof PickleGlobal && operands instanceof PickleList) {
    const make = Object.hasOwn(constructors, callee.name) ? constructors[callee.name] : undefined;
    const made = make?.(operands.items);
    if (made !== undefined) return made;
    if (operands.items[0] instanceof PickleOpaque) return new PickleOpaque(callee.name);
    if (make !== undefined) throw new Error(`its pickle gives ${callee.name} odd operands`);
    return new PickleOpaque(callee.name);
  }
  // What an opaque object's attribute or method would give.
  if (callee instanceof PickleOpaque) return callee;
  throw new Error(`its pickle calls ${describe(callee)}: nothing was executed`);
}

/** A new object of a class: a record of TorchScript's, of others as `construct`. */
export function makeObject(type: PickleValue, operands: PickleValue): PickleValue {
  const scripted = type instanceof PickleGlobal && type.name.startsWith("__torch__.");
  if (scripted) return new PickleRecord(type.name);
  return construct(type, operands);
}

/** What a pickle says of a storage: `("storage", type, key, place, count)`; opaque of another type. */
export function makeStorage(id: PickleValue): Storage | PickleOpaque {
  const [tag, type, key, , count] = id instanceof PickleList ? id.items : [];
  if (tag === "storage" && type instanceof PickleGlobal) return new PickleOpaque(type.name);
  const fits = tag === "storage" && type instanceof StorageType && typeof key === "string";
  if (!fits || !isCount(count)) throw new Error("its pickle names a storage in an odd way");
  return new Storage(key, type.elements, count);
}

function makeTensor(
  storage: Storage,
  elements: ElementType,
  [offset, shape, strides]: readonly (PickleValue | undefined)[],
): StoredTensor | undefined {
  if (!isCount(offset) || !isCounts(shape) || !isCounts(strides)) return undefined;
  if (shape.items.length !== strides.items.length) return undefined;
  // Copies: a list could still grow.
  const sides = [...shape.items] as number[];
  const steps = [...strides.items] as number[];
  const product = sides.reduce((all, side) => all * side, elements.bytes);
  if (!Number.isSafeInteger(product)) return undefined;
  return new StoredTensor(storage, elements, {
    offset,
    shape: sides,
    strides: product === 0 ? rowMajor(sides) : steps,
  });
}

function elementType(type: PickleValue | undefined): ElementType | undefined {
  if (!(type instanceof PickleGlobal)) return undefined;
  return elementTypes.get(type.name.replace(/^torch\./, ""))?.[0];
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: PickleValue | undefined): value is PickleList {
  // libtorch has at most 64 sides.
  return value instanceof PickleList && value.items.length <= 64 && value.items.every(isCount);
}

function describe(value: PickleValue): string {
  if (value instanceof PickleGlobal) return value.name;
  return value === null ? "None" : `a ${typeof value}`;
}
