/**
 * A typed, chainable tensor over libtorch. Methods follow libtorch's semantics under camel-case
 * names; a trailing `_` marks those that change the tensor in place.
 */
import { NativeError } from "../errors.ts";
import { addon, type Handle, type NativeResult } from "./binding.ts";
import { allocate, checkCarrier, dtypeCode, type DType, type TensorData } from "./dtype.ts";
import { invoke, named, type Operator, type OperatorArgument } from "./operators.ts";
import { scope } from "./scope.ts";
import { handleOf, TensorHandle, type Device } from "./tensor-handle.ts";
import { tensorOperators as ops } from "./tensor-operators.ts";

export type { Device, Shape } from "./tensor-handle.ts";
export type Operand = Tensor | number;

/** Calls an operator that gives one tensor; NativeError where it gives something else. */
export function call(op: Operator, ...operands: OperatorArgument[]): Tensor {
  const result = invoke(op, operands);
  return typeof result === "number" ? adopt(result) : refuse(op, result, "one tensor");
}

/** Calls an operator that gives several tensors; NativeError where it gives something else. */
export function callMany(op: Operator, ...operands: OperatorArgument[]): Tensor[] {
  const result = invoke(op, operands);
  if (Array.isArray(result) && result.every((item) => typeof item === "number")) {
    return result.map(adopt);
  }
  return refuse(op, result, "several tensors");
}

/** Calls an operator for its effect on `target`, its first operand, and returns that very tensor. */
export function callInPlace(op: Operator, target: Tensor, ...operands: OperatorArgument[]): Tensor {
  releaseAll(invoke(op, [target, ...operands]));
  target.forgetFacts();
  return target;
}

/** Calls an operator that returns nothing (the `_foreach_` and `_fused_` families). */
export function callForEffect(op: Operator, ...operands: OperatorArgument[]): void {
  releaseAll(invoke(op, operands));
}

function releaseAll(result: NativeResult): void {
  if (typeof result === "number") addon().releaseTensor(result);
  else if (Array.isArray(result)) for (const item of result) releaseAll(item);
}

function refuse(op: Operator, result: NativeResult, wanted: string): never {
  releaseAll(result);
  const name = op.overload === "" ? op.name : `${op.name}.${op.overload}`;
  const cure = "see operatorSchema() for what it gives, and call(), callMany() or callForEffect()";
  throw new NativeError(
    name,
    `Expected ${wanted} as the result of ${name} but received ${describe(result)}; ${cure}`,
  );
}

function describe(result: NativeResult): string {
  if (typeof result === "number") return "one tensor";
  if (Array.isArray(result)) return `[${result.map(describe).join(", ")}]`;
  return result === null ? "none" : String(result.value);
}

/** The tensor of a handle that the addon has just given; it owns the handle. */
export function adopt(handle: Handle): Tensor {
  return make(handle);
}

let make: (handle: Handle) => Tensor;

export class Tensor extends TensorHandle {
  static {
    make = (handle) => new Tensor(handle);
  }

  /**
   * Wraps a handle of the addon; the tensor owns it from then on.
   *
   * throws   NativeError for a handle that is not alive in this thread, or that a tensor owns already
   */
  static fromHandle(handle: Handle): Tensor {
    named("fromHandle", [handle], () => addon().tensorInfo(handle));
    return new Tensor(handle);
  }

  // --- to JavaScript -------------------------------------------------------------------------

  /** The value of a tensor of one element. Throws RangeError for an int64 that no number is exactly. */
  item(): number {
    const value = Number(named("item", [this], () => addon().tensorItem(this.handle)));
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER && this.dtype === "int64") {
      throw new RangeError(
        `Expected an integer up to 2^53 - 1 for item() but received about ${value}; data() is exact`,
      );
    }
    return value;
  }

  /** The elements, row-major, in a new typed array of the tensor's own type. */
  data(): TensorData {
    const data = allocate(this.dtype, this.count);
    this.copyInto(data);
    return data;
  }

  /** The elements as float32, whatever the tensor's type. */
  toFloat32Array(): Float32Array {
    const data = new Float32Array(this.count);
    this.#converted("float32", (tensor) => tensor.copyInto(data));
    return data;
  }

  /** The elements as float64, whatever the tensor's type. */
  toFloat64Array(): Float64Array {
    const data = new Float64Array(this.count);
    this.#converted("float64", (tensor) => tensor.copyInto(data));
    return data;
  }

  #converted(dtype: DType, use: (tensor: Tensor) => void): void {
    if (this.dtype === dtype) return use(this);
    const converted = this.to(dtype);
    use(converted);
    converted.dispose();
  }

  /**
   * Copies the elements into `data`, which may lie on a SharedArrayBuffer.
   *
   * throws  TypeError for another kind of array than the tensor's own; NativeError for another length
   */
  copyInto(data: TensorData): void {
    checkCarrier(data, this.dtype);
    named("copyInto", [this], () => addon().tensorToData(this.handle, data));
  }

  // --- gradients -------------------------------------------------------------------------------

  setRequiresGrad(on: boolean): this {
    named("setRequiresGrad", [this], () => addon().setRequiresGrad(this.handle, on));
    return this;
  }

  /** The accumulated gradient as a new handle, or null before the first backward. */
  get grad(): Tensor | null {
    const handle = named("gradient", [this], () => addon().gradient(this.handle));
    return handle === null ? null : new Tensor(handle);
  }
  set grad(gradient: Tensor | null) {
    const handle = gradient === null ? null : handleOf(gradient, "grad");
    named("setGradient", [this, gradient], () => addon().setGradient(this.handle, handle));
  }

  /** Takes over the memory of `source`; gradients and the place in a module stay. */
  setData(source: Tensor): this {
    const from = handleOf(source, "source");
    named("setData", [this, source], () => addon().setData(this.handle, from));
    this.forgetFacts();
    return this;
  }

  // --- arithmetic ------------------------------------------------------------------------------

  add(other: Operand, alpha?: number): Tensor {
    return call(other instanceof Tensor ? ops.add : ops.addScalar, this, other, alpha);
  }
  sub(other: Operand, alpha?: number): Tensor {
    return call(other instanceof Tensor ? ops.sub : ops.subScalar, this, other, alpha);
  }
  mul(other: Operand): Tensor {
    return call(other instanceof Tensor ? ops.mul : ops.mulScalar, this, other);
  }
  div(other: Operand): Tensor {
    return call(other instanceof Tensor ? ops.div : ops.divScalar, this, other);
  }
  pow(exponent: number): Tensor {
    return call(ops.pow, this, exponent);
  }
  maximum(other: Tensor): Tensor {
    return call(ops.maximum, this, other);
  }
  neg(): Tensor {
    return call(ops.neg, this);
  }
  exp(): Tensor {
    return call(ops.exp, this);
  }
  log(): Tensor {
    return call(ops.log, this);
  }
  log1p(): Tensor {
    return call(ops.log1p, this);
  }
  sqrt(): Tensor {
    return call(ops.sqrt, this);
  }
  rsqrt(): Tensor {
    return call(ops.rsqrt, this);
  }
  abs(): Tensor {
    return call(ops.abs, this);
  }
  sigmoid(): Tensor {
    return call(ops.sigmoid, this);
  }
  tanh(): Tensor {
    return call(ops.tanh, this);
  }
  relu(): Tensor {
    return call(ops.relu, this);
  }
  silu(): Tensor {
    return call(ops.silu, this);
  }
  /** The exact GELU, or its tanh approximation. */
  gelu(approximate: "none" | "tanh" = "none"): Tensor {
    return call(ops.gelu, this, approximate);
  }
  logSigmoid(): Tensor {
    return call(ops.logSigmoid, this);
  }
  softplus(): Tensor {
    return call(ops.softplus, this);
  }
  clamp(min: number | null, max: number | null = null): Tensor {
    return call(ops.clamp, this, min, max);
  }

  matmul(other: Tensor): Tensor {
    return call(ops.matmul, this, other);
  }
  mm(other: Tensor): Tensor {
    return call(ops.mm, this, other);
  }
  bmm(other: Tensor): Tensor {
    return call(ops.bmm, this, other);
  }

  // --- reductions ------------------------------------------------------------------------------

  sum(dims?: number | readonly number[], keepDim = false): Tensor {
    return dims === undefined
      ? call(ops.sum, this)
      : call(ops.sumDims, this, [dims].flat(), keepDim);
  }
  mean(dims?: number | readonly number[], keepDim = false): Tensor {
    return dims === undefined
      ? call(ops.mean, this)
      : call(ops.meanDims, this, [dims].flat(), keepDim);
  }
  amax(dims: number | readonly number[] = [], keepDim = false): Tensor {
    return call(ops.amax, this, [dims].flat(), keepDim);
  }
  amin(dims: number | readonly number[] = [], keepDim = false): Tensor {
    return call(ops.amin, this, [dims].flat(), keepDim);
  }
  argmax(dim: number | null = null, keepDim = false): Tensor {
    return call(ops.argmax, this, dim, keepDim);
  }
  /** The Euclidean norm over `dims` (all of them when absent). */
  norm(dims: readonly number[] | null = null, keepDim = false): Tensor {
    return call(ops.vectorNorm, this, 2, dims, keepDim);
  }
  logsumexp(dim: number, keepDim = false): Tensor {
    return call(ops.logsumexp, this, [dim], keepDim);
  }
  softmax(dim: number): Tensor {
    return call(ops.softmax, this, dim);
  }
  logSoftmax(dim: number): Tensor {
    return call(ops.logSoftmax, this, dim);
  }
  all(): Tensor {
    return call(ops.all, this);
  }
  any(): Tensor {
    return call(ops.any, this);
  }
  /** The k largest along the last dimension: [values, indices]. */
  topk(k: number, largest = true): [Tensor, Tensor] {
    return callMany(ops.topk, this, k, -1, largest, true) as [Tensor, Tensor];
  }

  // --- comparison ------------------------------------------------------------------------------

  eq(other: Operand): Tensor {
    return call(other instanceof Tensor ? ops.eq : ops.eqScalar, this, other);
  }
  gt(other: Operand): Tensor {
    return call(other instanceof Tensor ? ops.gt : ops.gtScalar, this, other);
  }
  lt(other: Operand): Tensor {
    return call(other instanceof Tensor ? ops.lt : ops.ltScalar, this, other);
  }
  isFinite(): Tensor {
    return call(ops.isFinite, this);
  }
  logicalNot(): Tensor {
    return call(ops.logicalNot, this);
  }
  /** True when shapes and all elements are equal. */
  equals(other: Tensor): boolean {
    handleOf(other, "other");
    if (this.shape.join() !== other.shape.join()) return false;
    return scope(() => this.eq(other).all().item() !== 0);
  }
  maskedFill(mask: Tensor, value: number): Tensor {
    return call(ops.maskedFill, this, mask, value);
  }

  // --- shape and selection -----------------------------------------------------------------------

  reshape(...shape: number[]): Tensor {
    return call(ops.reshape, this, shape);
  }
  view(...shape: number[]): Tensor {
    return call(ops.view, this, shape);
  }
  flatten(start = 0, end = -1): Tensor {
    return call(ops.flatten, this, start, end);
  }
  transpose(a: number, b: number): Tensor {
    return call(ops.transpose, this, a, b);
  }
  /** The transpose of a matrix. */
  t(): Tensor {
    return call(ops.t, this);
  }
  permute(...dims: number[]): Tensor {
    return call(ops.permute, this, dims);
  }
  unsqueeze(dim: number): Tensor {
    return call(ops.unsqueeze, this, dim);
  }
  squeeze(dim: number): Tensor {
    return call(ops.squeeze, this, dim);
  }
  expand(...shape: number[]): Tensor {
    return call(ops.expand, this, shape);
  }
  /** `expand` to the shape of another: the operator reads the shape, no number of it is written down. */
  expandAs(other: Tensor): Tensor {
    return call(ops.expandAs, this, other);
  }
  contiguous(): Tensor {
    return call(ops.contiguous, this);
  }
  select(dim: number, index: number): Tensor {
    return call(ops.select, this, dim, index);
  }
  narrow(dim: number, start: number, length: number): Tensor {
    return call(ops.narrow, this, dim, start, length);
  }
  slice(dim: number, start: number | null, end: number | null = null, step = 1): Tensor {
    return call(ops.slice, this, dim, start, end, step);
  }
  chunk(parts: number, dim = 0): Tensor[] {
    return callMany(ops.chunk, this, parts, dim);
  }
  split(size: number, dim = 0): Tensor[] {
    return callMany(ops.split, this, size, dim);
  }
  unbind(dim = 0): Tensor[] {
    return callMany(ops.unbind, this, dim);
  }
  indexSelect(dim: number, index: Tensor): Tensor {
    return call(ops.indexSelect, this, dim, index);
  }
  /** Advanced indexing: one index tensor per leading dimension, null for all of it. */
  index(...indices: (Tensor | null)[]): Tensor {
    return call(ops.index, this, indices);
  }
  gather(dim: number, index: Tensor): Tensor {
    return call(ops.gather, this, dim, index);
  }
  diagonal(): Tensor {
    return call(ops.diagonal, this);
  }
  triu(diagonal = 0): Tensor {
    return call(ops.triu, this, diagonal);
  }

  // --- copies and conversion ---------------------------------------------------------------------

  clone(): Tensor {
    return call(ops.clone, this);
  }
  /** The same memory, outside the graph. */
  detach(): Tensor {
    return call(ops.detach, this);
  }
  /** A tensor of another type or on another device; itself, under a new handle, when it fits. */
  to(dtype: DType): Tensor;
  to(device: Device): Tensor;
  to(target: string): Tensor {
    if (isDType(target)) return call(ops.toDType, this, dtypeCode(target));
    return call(ops.toOther, this, null, null, target);
  }

  // --- in place ------------------------------------------------------------------------------------

  add_(other: Operand, alpha?: number): this {
    callInPlace(other instanceof Tensor ? ops.add_ : ops.addScalar_, this, other, alpha);
    return this;
  }
  mul_(other: Operand): this {
    callInPlace(other instanceof Tensor ? ops.mul_ : ops.mulScalar_, this, other);
    return this;
  }
  copy_(source: Tensor): this {
    callInPlace(ops.copy_, this, source);
    return this;
  }
  lerp_(end: Tensor, weight: number): this {
    callInPlace(ops.lerp_, this, end, weight);
    return this;
  }
  zero_(): this {
    callInPlace(ops.zero_, this);
    return this;
  }
  fill_(value: number): this {
    callInPlace(ops.fill_, this, value);
    return this;
  }
  clamp_(min: number | null, max: number | null = null): this {
    callInPlace(ops.clamp_, this, min, max);
    return this;
  }
  /** Fills with normal random numbers of the device's default generator. */
  normal_(mean = 0, std = 1): this {
    callInPlace(ops.normal_, this, mean, std);
    return this;
  }
  uniform_(from = 0, to = 1): this {
    callInPlace(ops.uniform_, this, from, to);
    return this;
  }
  bernoulli_(probability: number): this {
    callInPlace(ops.bernoulli_, this, probability);
    return this;
  }
}

function isDType(target: string): target is DType {
  return /^(float|bfloat|int|uint|bool)/.test(target);
}
