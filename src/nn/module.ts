/**
 * A named tree of parameters and buffers with owned memory. A module's properties are its tree: every
 * property that is a Parameter, a Buffer, a Module or an array of Modules belongs to it, under the
 * property's name.
 */
import { autocast, noGrad, scope, type Device, type Tensor } from "../torch/index.ts";

/** One learned tensor: a leaf that requires gradients unless it is locked. */
export class Parameter {
  readonly tensor: Tensor;

  /** Takes over `tensor`: it lives until the module is disposed. */
  constructor(tensor: Tensor) {
    this.tensor = tensor.keep().setRequiresGrad(true);
  }

  /** Copies `source` of the same shape into the parameter. */
  assign(source: Tensor): void {
    scope(() => void noGrad(() => this.tensor.copy_(source)));
  }
}

/** One tensor of state that is not learned, such as a running mean: no gradient, but saved and moved. */
export class Buffer {
  readonly tensor: Tensor;

  /** Takes over `tensor`: it lives until the module is disposed. */
  constructor(tensor: Tensor) {
    this.tensor = tensor.keep();
  }

  /** Copies `source` of the same shape into the buffer. */
  assign(source: Tensor): void {
    scope(() => void noGrad(() => this.tensor.copy_(source)));
  }
}

type Leaf = Parameter | Buffer;

export abstract class Module {
  /** Dropout, stochastic depth and the like act, and batch statistics count, in training mode only. */
  training = true;

  /** Every learned parameter with its path, `blocks.0.norm1.weight`, in order of declaration. */
  *namedParameters(prefix = ""): Generator<[string, Parameter]> {
    for (const [path, leaf] of this.#leaves(prefix)) {
      if (leaf instanceof Parameter) yield [path, leaf];
    }
  }

  /** Every buffer with its path, `stem.norm1.runningMean`, in order of declaration. */
  *namedBuffers(prefix = ""): Generator<[string, Buffer]> {
    for (const [path, leaf] of this.#leaves(prefix)) if (leaf instanceof Buffer) yield [path, leaf];
  }

  /** All that a checkpoint has to hold: every parameter, then every buffer, by path; borrowed. */
  *namedState(prefix = ""): Generator<[string, Tensor]> {
    for (const [path, { tensor }] of this.namedParameters(prefix)) yield [path, tensor];
    for (const [path, { tensor }] of this.namedBuffers(prefix)) yield [path, tensor];
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
      if (value instanceof Module || isLeaf(value)) yield [name, value];
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
    return this.parameters().reduce((total, { tensor }) => total + tensor.count, 0);
  }

  /** Training mode (dropout acts) or evaluation mode. */
  train(on = true): this {
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

  /** Frees every parameter and buffer. */
  dispose(): void {
    for (const [, tensor] of this.namedState()) tensor.dispose();
  }
}

function isLeaf(value: unknown): value is Leaf {
  return value instanceof Parameter || value instanceof Buffer;
}

/**
 * Runs `body` with the module in evaluation mode and without gradients, in bfloat16 products when
 * asked. Afterwards every part of the module is in the mode that it was in before.
 */
export function evaluating<T>(module: Module, precision: "float32" | "bfloat16", body: () => T): T {
  const modes = [...module.modules()].map((part) => [part, part.training] as const);
  module.train(false);
  try {
    const cast = precision === "bfloat16" ? deviceOf(module) : undefined;
    return noGrad(() => autocast(cast, body));
  } finally {
    for (const [part, training] of modes) part.training = training;
  }
}

/** Where the module's numbers are; all of them are on one device. */
export function deviceOf(module: Module): Device {
  for (const [, tensor] of module.namedState()) return tensor.device;
  return "cpu";
}
