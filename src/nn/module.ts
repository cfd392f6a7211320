/**
 * A named tree of parameters and buffers with owned memory. A module's properties are its tree: every
 * property that is a Parameter, a Buffer, a Module or an array of Modules belongs to it, under the
 * property's name.
 */
import { autocast, dtypeBytes, noGrad, scope, type Device, type Tensor } from "../torch/index.ts";
import type { Preparation } from "./prepare.ts";
import type { Precision } from "./precision.ts";

/** What a learned or a held tensor have in common. */
abstract class Leaf {
  #tensor: Tensor | null;
  /** Of the tensor, also once it was taken. */
  readonly count: number;

  /** Takes over `tensor`: it lives until the module is disposed. */
  constructor(tensor: Tensor) {
    this.#tensor = tensor.keep();
    this.count = tensor.count;
  }

  /** Throws TypeError once the tensor was taken. */
  get tensor(): Tensor {
    if (this.#tensor !== null) return this.#tensor;
    throw new TypeError(prepared("weights that can be read, changed or saved"));
  }

  get taken(): boolean {
    return this.#tensor === null;
  }

  /** Copies `source` of the same shape into the leaf. */
  assign(source: Tensor): void {
    scope(() => void noGrad(() => this.tensor.copy_(source)));
  }

  /** The tensor, without a gradient, which the caller disposes of; the leaf holds it no more. */
  take(): Tensor {
    const { tensor } = this;
    this.#tensor = null;
    tensor.grad = null;
    return tensor.setRequiresGrad(false);
  }
}

/** One learned tensor: a leaf that requires gradients unless it is locked. */
export class Parameter extends Leaf {
  constructor(tensor: Tensor) {
    super(tensor);
    tensor.setRequiresGrad(true);
  }
}

/** One tensor of state that is not learned, such as a running mean: no gradient, but saved and moved. */
export class Buffer extends Leaf {}

/** An error's words where a model that `prepareForInference` has changed is to be trained or saved. */
function prepared(wanted: string): string {
  return (
    `Expected ${wanted} but received a model that is prepared for inference; ` +
    "load it with prepare: false"
  );
}

export abstract class Module {
  /** Dropout, stochastic depth and the like act, and batch statistics count, in training mode only. */
  training = true;

  /** What the module computes in, once `prepareForInference` has laid out its weights; else null. */
  preparedAs: Precision | null = null;
  readonly #held: Tensor[] = [];

  /**
   * Lays out the module's own weights for inference; the modules below it have their turn later. A
   * layer with a faster form takes its weights apart and has them held; others keep them in the type
   * of the products.
   */
  prepare(preparation: Preparation): void {
    for (const value of Object.values(this)) if (value instanceof Leaf) preparation.cast(value);
  }

  /** Marks every part as prepared. `held`: what is freed with the module. */
  markPrepared(precision: Precision, held: readonly Tensor[]): void {
    this.#held.push(...held);
    for (const module of this.modules()) module.preparedAs ??= precision;
  }

  /** Every learned parameter with its path, `blocks.0.norm1.weight`, in order of declaration. */
  *namedParameters(prefix = ""): Generator<[string, Parameter]> {
    this.#checkLive();
    for (const [path, leaf] of this.#leaves(prefix)) {
      if (leaf instanceof Parameter) yield [path, leaf];
    }
  }

  /** Every buffer with its path, `stem.norm1.runningMean`, in order of declaration. */
  *namedBuffers(prefix = ""): Generator<[string, Buffer]> {
    this.#checkLive();
    for (const [path, leaf] of this.#leaves(prefix)) if (leaf instanceof Buffer) yield [path, leaf];
  }

  /** All that a checkpoint has to hold: every parameter, then every buffer, by path; borrowed. */
  *namedState(prefix = ""): Generator<[string, Tensor]> {
    for (const [path, { tensor }] of this.namedParameters(prefix)) yield [path, tensor];
    for (const [path, { tensor }] of this.namedBuffers(prefix)) yield [path, tensor];
  }

  #checkLive(): void {
    if (this.preparedAs === null) return;
    throw new TypeError(prepared("a model whose weights can be trained, moved or saved"));
  }

  *#leaves(prefix: string): Generator<[string, Leaf]> {
    for (const [name, child] of this.#children()) {
      const path = prefix === "" ? name : `${prefix}.${name}`;
      if (child instanceof Module) yield* child.#leaves(path);
      else yield [path, child];
    }
  }

  *#children(): Generator<[string, Leaf | Module]> {
    for (const [name, value] of Object.entries(this) as [string, unknown][]) {
      if (value instanceof Module || value instanceof Leaf) yield [name, value];
      if (!Array.isArray(value)) continue;
      for (const [i, item] of (value as unknown[]).entries()) {
        if (item instanceof Module) yield [`${name}.${i}`, item];
      }
    }
  }

  parameters(): Parameter[] {
    return [...this.namedParameters()].map(([, parameter]) => parameter);
  }

  /** This module and every module below it. */
  *modules(): Generator<Module> {
    yield this;
    for (const [, child] of this.#children()) if (child instanceof Module) yield* child.modules();
  }

  /** This module and every module below it with its path; this one's is `prefix`. */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.#children()) {
      if (!(child instanceof Module)) continue;
      yield* child.namedModules(prefix === "" ? name : `${prefix}.${name}`);
    }
  }

  /** Number of learned numbers. */
  parameterCount(): number {
    let total = 0;
    for (const [, leaf] of this.#leaves("")) if (leaf instanceof Parameter) total += leaf.count;
    return total;
  }

  /** Training mode (dropout acts) or evaluation mode, the only one of a prepared module. */
  train(on = true): this {
    if (on) this.#checkLive();
    for (const module of this.modules()) module.training = on;
    return this;
  }

  /** Moves every parameter and buffer to a device; gradients are dropped. */
  to(device: Device): this {
    for (const [, tensor] of this.namedState()) {
      if (tensor.device === device) continue;
      scope(() => tensor.setData(noGrad(() => tensor.detach().to(device))));
      tensor.grad = null;
    }
    return this;
  }

  /** Drops every gradient. */
  zeroGrad(): void {
    for (const { tensor } of this.parameters()) tensor.grad = null;
  }

  /** Where the module's numbers are; all of them are on one device. */
  get device(): Device {
    for (const [, leaf] of this.#leaves("")) if (!leaf.taken) return leaf.tensor.device;
    return "cpu";
  }

  /** Bytes of every parameter and buffer, or of what they became. */
  get bytes(): number {
    const leaves = [...this.#leaves("")].flatMap(([, leaf]) => (leaf.taken ? [] : [leaf.tensor]));
    const held = [...this.modules()].flatMap((module) => module.#held);
    return [...leaves, ...held].reduce(
      (sum, { count, dtype }) => sum + count * dtypeBytes(dtype),
      0,
    );
  }

  /** Frees every parameter and buffer, and what they became. */
  dispose(): void {
    for (const [, leaf] of this.#leaves("")) if (!leaf.taken) leaf.tensor.dispose();
    for (const module of this.modules()) {
      for (const tensor of module.#held) tensor.dispose();
    }
  }
}

/**
 * Runs `body` with the module in evaluation mode and without gradients, in bfloat16 products when
 * asked. Afterwards every part of the module is in the mode that it was in before.
 */
export function evaluating<T>(module: Module, precision: "float32" | "bfloat16", body: () => T): T {
  const modes = [...module.modules()].map((part) => [part, part.training] as const);
  module.train(false);
  try {
    const cast = precision === "bfloat16" ? module.device : undefined;
    return noGrad(() => autocast(cast, body));
  } finally {
    for (const [part, training] of modes) part.training = training;
  }
}
