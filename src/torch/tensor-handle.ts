/**
 * The handle of a tensor in the addon: who frees it, and what is remembered of its shape and type.
 * Knows no operator; tensor.ts adds those.
 */
import { DisposedError, NativeError } from "../errors.ts";
import { addon, type Handle } from "./binding.ts";
import { dtypeFromCode, shown, type DType } from "./dtype.ts";
import { currentOwner, setKeeper, type Owned, type Owner } from "./scope.ts";

export type Shape = readonly number[];
/** A device as libtorch writes it: `cpu`, `cuda:0`. */
export type Device = string;

/** What the collector's net holds of a tensor: its handle, -1 once that is released. */
interface Cell {
  handle: Handle;
}

interface Facts {
  shape: Shape;
  dtype: DType;
  device: Device;
}

// The net: a tensor that nobody disposed is released when the collector finds it unreachable.
const net = new FinalizationRegistry<Cell>((cell) => {
  if (cell.handle < 0) return;
  owners[cell.handle] = 0;
  addon().releaseTensor(cell.handle);
});

// 1 at each handle that a tensor of this thread owns: two owners would both free it.
let owners = new Uint8Array(1024);

function own(handle: Handle): void {
  if (owners[handle] === 1) {
    throw new NativeError(
      "fromHandle",
      `Expected a handle that no tensor owns but received ${handle}, which has an owner; ` +
        "use that tensor, or detach() it for a second handle",
    );
  }
  if (handle >= owners.length) {
    const grown = new Uint8Array(Math.max(handle + 1, 2 * owners.length));
    grown.set(owners);
    owners = grown;
  }
  owners[handle] = 1;
}

/** The handles of tensors that are released together. */
let dying = new Int32Array(1024);

/** The handle of a tensor; TypeError for anything else. */
export function handleOf(value: TensorHandle, name: string): Handle {
  if (value instanceof TensorHandle) return value.handle;
  throw new TypeError(`Expected a tensor for ${name} but received ${shown(value)}`);
}

export class TensorHandle implements Owned {
  /** The scope that will free this tensor, if any. */
  owner: Owner | undefined;
  /** -1 once released. */
  #handle: Handle;
  /** Once the collector looks after this tensor. */
  #cell: Cell | undefined;
  #facts: Facts | undefined;

  /** Owns `handle`, which is alive, from now on. */
  protected constructor(handle: Handle) {
    own(handle);
    this.#handle = handle;
    this.owner = currentOwner();
    if (this.owner) this.owner.owned.push(this);
    else this.watch();
  }

  /** The addon's handle. Throws DisposedError after `dispose()`. */
  get handle(): Handle {
    if (this.#handle >= 0) return this.#handle;
    throw new DisposedError(
      "Expected a live tensor but received a disposed one; " +
        "keep() it, return it from its scope(), or use it before it is disposed",
    );
  }

  get disposed(): boolean {
    return this.#handle < 0;
  }

  /** Frees the handle; may be called again. Memory goes when no view or graph holds it. */
  dispose(): void {
    if (this.#handle >= 0) addon().releaseTensor(this.#retire());
  }

  /** The handle of a live tensor, which has none from then on. */
  #retire(): Handle {
    const handle = this.#handle;
    owners[handle] = 0;
    this.#handle = -1;
    if (this.#cell) this.#cell.handle = -1;
    return handle;
  }

  static #disposeAll(items: readonly Owned[]): void {
    if (items.length > dying.length) dying = new Int32Array(2 * items.length);
    let count = 0;
    for (const item of items as TensorHandle[]) {
      if (item.#handle >= 0) dying[count++] = item.#retire();
    }
    if (count > 0) addon().releaseTensors(dying, count);
  }

  static {
    setKeeper({
      disposeAll: (items) => TensorHandle.#disposeAll(items),
      watch: (item) => (item as TensorHandle).watch(),
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes the tensor out of its scope: it lives until `dispose()` or the garbage collector. */
  keep(): this {
    if (this.owner) {
      this.owner = undefined;
      this.watch();
    }
    return this;
  }

  /** Puts the tensor under the garbage collector's care. */
  watch(): void {
    this.#cell ??= { handle: this.#handle };
    net.register(this, this.#cell);
    if (this.#handle >= 0) addon().watchTensor(this.#handle);
  }

  #know(): Facts {
    if (this.#facts === undefined || this.#handle < 0) {
      const [code, device, , , ...shape] = addon().tensorInfo(this.handle);
      this.#facts = { shape, dtype: dtypeFromCode(code), device };
    }
    return this.#facts;
  }

  /** Drops what is remembered of shape and dtype, after a change in place. */
  forgetFacts(): void {
    this.#facts = undefined;
  }

  get shape(): Shape {
    return this.#know().shape;
  }
  get dtype(): DType {
    return this.#know().dtype;
  }
  get device(): Device {
    return this.#know().device;
  }
  get rank(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  get count(): number {
    return this.shape.reduce((product, side) => product * side, 1);
  }
  get requiresGrad(): boolean {
    return addon().tensorInfo(this.handle)[2];
  }
  get isLeaf(): boolean {
    return addon().tensorInfo(this.handle)[3];
  }

  /** The length of one dimension; negative counts from the end. */
  size(dim: number): number {
    const { shape } = this;
    const size = shape[dim < 0 ? dim + shape.length : dim];
    if (size === undefined) {
      throw new RangeError(`Expected dim for [${shape.join(", ")}] but received ${dim}`);
    }
    return size;
  }

  toString(): string {
    return this.disposed ? "disposed tensor" : `[${this.shape.join(", ")}] ${this.dtype}`;
  }
}
