/**
 * A named tree of parameters with owned memory. A module's properties are its tree: every property
 * that is a Parameter, a Module or an array of Modules belongs to it, under the property's name.
 */
import { noGrad, scope, type Device, type Tensor } from "../torch/index.ts";

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

export abstract class Module {
  /** Dropout, patch dropout and stochastic depth act in training mode only. */
  training = true;

  /** Every parameter with its path, `blocks.0.norm1.weight`, in order of declaration. */
  *namedParameters(prefix = ""): Generator<[string, Parameter]> {
    for (const [name, child] of this.#children()) {
      const path = prefix === "" ? name : `${prefix}.${name}`;
      if (child instanceof Parameter) yield [path, child];
      else yield* child.namedParameters(path);
    }
  }

  *#children(): Generator<[string, Parameter | Module]> {
    for (const [name, value] of Object.entries(this) as [string, unknown][]) {
      if (value instanceof Parameter || value instanceof Module) yield [name, value];
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

  /** Number of learned numbers. */
  parameterCount(): number {
    return this.parameters().reduce((total, { tensor }) => total + tensor.count, 0);
  }

  /** Training mode (dropout acts) or evaluation mode. */
  train(on = true): this {
    for (const module of this.modules()) module.training = on;
    return this;
  }

  /** Moves every parameter to a device; gradients are dropped. */
  to(device: Device): this {
    for (const { tensor } of this.parameters()) {
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

  /** Frees every parameter. */
  dispose(): void {
    for (const { tensor } of this.parameters()) tensor.dispose();
  }
}
