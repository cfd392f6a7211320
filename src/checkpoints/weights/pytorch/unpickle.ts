/**
 * Reads a pickle (Python's pickletools, protocols 2 to 5) without executing anything: a stack machine
 * whose values are plain data, tensors, and opaque marks for objects of others (`torch-globals.ts`). Work and memory
 * are bounded by the pickle's length, as every instruction adds at most one value.
 */
import {
  PickleDict,
  PickleList,
  PickleOpaque,
  PickleRecord,
  type PickleKey,
  type PickleValue,
} from "./pickle-values.ts";
import { PickleReader } from "./pickle-reader.ts";
import { construct, findGlobal, makeObject, makeStorage } from "./torch-globals.ts";

/**
 * The value of a pickle.
 *
 * throws  Error with the cause alone: a name that is not admitted, an instruction that is damaged
 */
export function unpickle(bytes: Uint8Array): PickleValue {
  return new Machine(bytes).run();
}

class Machine {
  readonly #reader: PickleReader;
  #stack: PickleValue[] = [];
  /** The stacks below each mark. */
  readonly #marks: PickleValue[][] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array) {
    this.#reader = new PickleReader(bytes);
  }

  run(): PickleValue {
    if (this.#reader.byte() !== 0x80) throw new Error("it is no pickle of protocol 2 to 5");
    const protocol = this.#reader.byte();
    if (protocol < 2 || protocol > 5) throw new Error(`it is a pickle of protocol ${protocol}`);
    for (;;) {
      const code = this.#reader.byte();
      if (code === stop) break;
      const step = steps.get(code);
      if (step === undefined) {
        const at = this.#reader.position - 1;
        throw new Error(`its pickle has the instruction 0x${code.toString(16)} at byte ${at}`);
      }
      step(this, this.#reader);
    }
    const result = this.pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) {
      throw new Error("its pickle leaves values behind");
    }
    return result;
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined) throw new Error("its pickle takes a value that is not there");
    return value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw new Error("its pickle takes a value that is not there");
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack);
    this.#stack = [];
  }

  /** All values since the last mark. */
  popMark(): PickleValue[] {
    const below = this.#marks.pop();
    if (below === undefined) throw new Error("its pickle takes a mark that is not there");
    const items = this.#stack;
    this.#stack = below;
    return items;
  }

  discard(): void {
    if (this.#stack.length > 0) this.#stack.pop();
    else this.popMark();
  }

  memoize(index = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined)
      throw new Error(`its pickle recalls the value ${index}, which is none`);
    this.push(value);
  }

  tuple(count: number): void {
    const items = Array.from({ length: count }, () => this.pop()).toReversed();
    this.push(new PickleList(items, true));
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (list instanceof PickleOpaque) return;
    if (!(list instanceof PickleList) || list.tuple) throw new Error("its pickle fills no list");
    for (const item of items) list.items.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (dict instanceof PickleOpaque) return;
    if (!(dict instanceof PickleDict)) throw new Error("its pickle fills no dict");
    fill(dict, items);
  }

  stackGlobal(): void {
    const name = this.pop();
    const module = this.pop();
    if (typeof name !== "string" || typeof module !== "string") {
      throw new Error("its pickle names a global in an odd way");
    }
    this.push(findGlobal(module, name));
  }

  /** `callee(*operands)`. */
  reduce(): void {
    const operands = this.pop();
    this.push(construct(this.pop(), operands));
  }

  newObject(): void {
    const operands = this.pop();
    this.push(makeObject(this.pop(), operands));
  }

  newObjectWithNames(): void {
    const named = this.pop();
    this.newObject();
    const hasNames = !(named instanceof PickleDict) || named.entries.size > 0;
    if (hasNames && !(this.top() instanceof PickleOpaque)) {
      throw new Error("its pickle makes an object with named operands");
    }
  }

  /**
   * Attributes of a record. Those of a dict, such as a state dict's `_metadata`, say nothing here, and
   * neither do those of an opaque object.
   */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof PickleOpaque) return;
    if (target instanceof PickleRecord && state instanceof PickleDict) target.attributes = state;
    else if (!(target instanceof PickleDict && state instanceof PickleDict)) {
      throw new Error("its pickle sets the state of a value that has none: nothing was executed");
    }
  }

  /** `type(*operands)`, the type being the first value since the mark. */
  object(): void {
    const [type, ...operands] = this.popMark();
    if (type === undefined) throw new Error("its pickle makes an object of nothing");
    this.push(makeObject(type, new PickleList(operands, true)));
  }

  instance(module: string, name: string): void {
    const operands = this.popMark();
    this.push(makeObject(findGlobal(module, name), new PickleList(operands, true)));
  }
}

function fill(dict: PickleDict, items: readonly PickleValue[]): void {
  if (items.length % 2 !== 0) throw new Error("its pickle has a key without a value");
  for (let i = 0; i < items.length; i += 2) {
    const key = keyOf(items[i] as PickleValue);
    if (key !== undefined) dict.entries.set(key, items[i + 1] as PickleValue);
  }
}

/** undefined for a key that is no string or number, under which nothing is looked for: a tuple, a set, a path. */
function keyOf(value: PickleValue): PickleKey | undefined {
  return value === null || typeof value !== "object" ? value : undefined;
}

function dictOf(items: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict();
  fill(dict, items);
  return dict;
}

const stop = 0x2e;

type Step = (machine: Machine, reader: PickleReader) => void;

/** The instructions, by their byte, under the names of Python's pickletools. */
const steps = new Map<number, Step>([
  // FRAME only says how much may be read ahead.
  [0x95, (_, r) => void r.length8()],
  // MARK, POP, POP_MARK, DUP
  [0x28, (m) => m.mark()],
  [0x30, (m) => m.discard()],
  [0x31, (m) => void m.popMark()],
  [0x32, (m) => m.push(m.top())],
  // NONE, NEWTRUE, NEWFALSE
  [0x4e, (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
  [0x4a, (m, r) => m.push(r.int32())],
  [0x4b, (m, r) => m.push(r.byte())],
  [0x4d, (m, r) => m.push(r.uint16())],
  [0x8a, (m, r) => m.push(r.long(r.byte()))],
  [0x8b, (m, r) => m.push(r.long(r.length4()))],
  [0x47, (m, r) => m.push(r.float64())],
  // SHORT_BINSTRING, BINSTRING: what Python 2 wrote
  [0x55, (m, r) => m.push(r.text(r.byte()))],
  [0x54, (m, r) => m.push(r.text(r.length4()))],
  // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
  [0x8c, (m, r) => m.push(r.text(r.byte()))],
  [0x58, (m, r) => m.push(r.text(r.length4()))],
  [0x8d, (m, r) => m.push(r.text(r.length8()))],
  // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
  [0x43, (m, r) => m.push(r.bytes(r.byte()))],
  [0x42, (m, r) => m.push(r.bytes(r.length4()))],
  [0x8e, (m, r) => m.push(r.bytes(r.length8()))],
  [0x96, (m, r) => m.push(r.bytes(r.length8()))],
  // EMPTY_LIST, LIST, APPEND, APPENDS
  [0x5d, (m) => m.push(new PickleList([], false))],
  [0x6c, (m) => m.push(new PickleList(m.popMark(), false))],
  [0x61, (m) => m.append([m.pop()])],
  [0x65, (m) => m.append(m.popMark())],
  // EMPTY_TUPLE, TUPLE, TUPLE1 to TUPLE3
  [0x29, (m) => m.push(new PickleList([], true))],
  [0x74, (m) => m.push(new PickleList(m.popMark(), true))],
  [0x85, (m) => m.tuple(1)],
  [0x86, (m) => m.tuple(2)],
  [0x87, (m) => m.tuple(3)],
  // EMPTY_DICT, DICT, SETITEM, SETITEMS
  [0x7d, (m) => m.push(new PickleDict())],
  [0x64, (m) => m.push(dictOf(m.popMark()))],
  [0x73, (m) => m.setItems([m.pop(), m.pop()].toReversed())],
  [0x75, (m) => m.setItems(m.popMark())],
  // EMPTY_SET, FROZENSET, ADDITEMS
  [0x8f, (m) => m.push(new PickleList([], false))],
  [0x91, (m) => m.push(new PickleList(m.popMark(), true))],
  [0x90, (m) => m.append(m.popMark())],
  // BINGET, LONG_BINGET, BINPUT, LONG_BINPUT, MEMOIZE
  [0x68, (m, r) => m.recall(r.byte())],
  [0x6a, (m, r) => m.recall(r.uint32())],
  [0x71, (m, r) => m.memoize(r.byte())],
  [0x72, (m, r) => m.memoize(r.uint32())],
  [0x94, (m) => m.memoize()],
  // GLOBAL, STACK_GLOBAL, BINPERSID
  [0x63, (m, r) => m.push(findGlobal(r.line(), r.line()))],
  [0x93, (m) => m.stackGlobal()],
  [0x51, (m) => m.push(makeStorage(m.pop()))],
  // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, OBJ, INST
  [0x52, (m) => m.reduce()],
  [0x81, (m) => m.newObject()],
  [0x92, (m) => m.newObjectWithNames()],
  [0x62, (m) => m.build()],
  [0x6f, (m) => m.object()],
  [0x69, (m, r) => m.instance(r.line(), r.line())],
]);
