/** Low-rank changes of matrices (LoRA), and the weights that they change. Knows no tower. */
import { linear, noGrad, scope, type Tensor } from "../torch/index.ts";
import { fanInUniform, zerosParameter } from "./initialize.ts";
import { Module, type Parameter } from "./module.ts";
import { dropout } from "./regularize.ts";

export interface LowRankOptions {
  /** r, at most the smaller side of the matrix. */
  rank: number;
  /** The change is scaled by alpha / rank. */
  alpha: number;
  /** Probability that a value of the change's input is dropped in training. 0 when absent. */
  dropout?: number;
}

/**
 * The change of a matrix W [out, in] by a product of rank r:
 *
 *     y = W x + (alpha / r) B A drop(x)        Hu et al., arXiv:2106.09685, eq. 3
 *
 * a [r, in] is U(-1/sqrt(in), 1/sqrt(in)), b [out, r] zero, as peft: the change begins at nothing.
 *
 * Computed beside W x, not by adding B A to W: the backward pass then makes no gradient of W's size,
 * and dropout can act on the change alone.
 *
 * throws  RangeError for a rank that W cannot have, and for alpha or dropout out of range
 */
export class LowRank extends Module {
  readonly a: Parameter;
  readonly b: Parameter;
  readonly alpha: number;
  readonly dropout: number;

  constructor(inputs: number, outputs: number, options: LowRankOptions) {
    super();
    const { rank, alpha, dropout: dropped = 0 } = options;
    const most = Math.min(inputs, outputs);
    if (!(Number.isInteger(rank) && rank >= 1 && rank <= most)) {
      throw new RangeError(
        `Expected a whole number from 1 to ${most} for rank, as the matrix is ${outputs} x ${inputs}, ` +
          `but received ${rank}; choose another`,
      );
    }
    if (!(alpha > 0 && Number.isFinite(alpha))) {
      throw new RangeError(`Expected a number above 0 for alpha but received ${alpha}`);
    }
    if (!(dropped >= 0 && dropped < 1)) {
      throw new RangeError(
        `Expected at least 0 and less than 1 for dropout but received ${dropped}`,
      );
    }
    this.a = fanInUniform([rank, inputs], inputs);
    this.b = zerosParameter([outputs, rank]);
    this.alpha = alpha;
    this.dropout = dropped;
  }

  get rank(): number {
    return this.a.tensor.size(0);
  }

  get scale(): number {
    return this.alpha / this.rank;
  }

  /** The change of the output: x [..., in] -> [..., out] */
  forward(x: Tensor): Tensor {
    const input = dropout(x, this.dropout, this.training);
    return linear(linear(input, this.a.tensor).mul(this.scale), this.b.tensor);
  }

  /** The change of the matrix, (alpha / r) B A, [out, in], without a graph. */
  delta(): Tensor {
    return scope(() => noGrad(() => this.b.tensor.matmul(this.a.tensor).mul(this.scale)));
  }
}

/** A change and the weight that it changes. */
interface Adaptation {
  /** Path of the change, `blocks.0.attention.input.query`. */
  path: string;
  change: LowRank;
  /** Path of the weight, `blocks.0.attention.input.weight`. */
  weight: string;
  /** Which of the stacked matrices of the weight, from 0; undefined where it is the whole. */
  part: number | undefined;
  /** Takes the change out of its module; the caller disposes of it. */
  remove(): void;
}

/** Where a stack of matrices has the changes of each, in the stack's order. */
export const stackedParts = ["query", "key", "value"] as const;
/** Where a weight that is one matrix has its change. */
const wholePart = "change";

/** Every low-rank change in a module, in order of declaration. */
export function adaptations(module: Module): Adaptation[] {
  const modules = new Map(module.namedModules());
  const found: Adaptation[] = [];
  for (const [path, change] of modules) {
    if (!(change instanceof LowRank)) continue;
    const dot = path.lastIndexOf(".");
    const [ownerPath, slot] = [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
    const owner = modules.get(ownerPath) as Adaptable;
    const part = stackedParts.findIndex((name) => name === slot);
    found.push({
      path,
      change,
      weight: ownerPath === "" ? "weight" : `${ownerPath}.weight`,
      part: part === -1 ? undefined : part,
      remove: () => void (owner[slot] = null),
    });
  }
  return found;
}

type Adaptable = Module & Record<string, unknown> & { weight: Parameter };

function slotOf(part: number | undefined): string {
  return part === undefined ? wholePart : (stackedParts[part] ?? "");
}

/**
 * Whether the weight of `owner`, or a part of a stack, can be changed: `free`, `taken` where it is
 * changed already, `never` where the module knows no change.
 */
export function adaptable(
  owner: Module | undefined,
  part: number | undefined,
): "free" | "taken" | "never" {
  const value = owner === undefined ? undefined : (owner as Adaptable)[slotOf(part)];
  if (value === null) return "free";
  return value instanceof LowRank ? "taken" : "never";
}

/** A matrix that a change is for: the weight of `owner`, or a part of its stack. */
export interface MatrixPlace {
  owner: Module;
  part: number | undefined;
}

/** Random changes of these matrices, all of them or none; each begins at nothing. */
export function addLowRank(places: readonly MatrixPlace[], options: LowRankOptions): void {
  attachLowRank(places, ({ inputs, outputs }) => new LowRank(inputs, outputs, options));
}

/**
 * Puts a change of `make`'s beside each of these matrices, which must be free: all of them, or none
 * where `make` throws. The changes are drawn on the CPU, then moved to where the weights are.
 */
export function attachLowRank(
  places: readonly MatrixPlace[],
  make: (size: { inputs: number; outputs: number }, index: number) => LowRank,
): void {
  const made: LowRank[] = [];
  try {
    for (const [i, { owner, part }] of places.entries()) {
      const { shape } = (owner as Adaptable).weight.tensor;
      const [rows = 0, inputs = 0] = shape;
      const outputs = part === undefined ? rows : rows / stackedParts.length;
      made.push(make({ inputs, outputs }, i));
    }
  } catch (error) {
    for (const change of made) change.dispose();
    throw error;
  }
  for (const [i, { owner, part }] of places.entries()) {
    const change = made[i] as LowRank;
    change.to((owner as Adaptable).weight.tensor.device).train(owner.training);
    (owner as Adaptable)[slotOf(part)] = change;
  }
}

/** Adds every change of `module` to its weight and takes it away: the outputs stay, to rounding. */
export function mergeLowRank(module: Module): void {
  const weights = new Map(module.namedParameters());
  for (const adaptation of adaptations(module)) {
    const { tensor } = weights.get(adaptation.weight) as Parameter;
    addDelta(tensor, adaptation);
    adaptation.remove();
    adaptation.change.dispose();
  }
}

/** Adds a change to a whole weight, in place. */
function addDelta(weight: Tensor, { change, part }: Adaptation): void {
  scope(() =>
    noGrad(() => {
      const delta = change.delta();
      const rows = delta.size(0);
      const target = part === undefined ? weight : weight.narrow(0, part * rows, rows);
      target.add_(delta);
    }),
  );
}

/** Names of `namedState` that are the weights of changes, `blocks.0.mlp.up.change.a`. */
export function lowRankNames(module: Module): Set<string> {
  return new Set(
    adaptations(module).flatMap(({ path, change }) =>
      [...change.namedState(path)].map(([name]) => name),
    ),
  );
}

/**
 * The state of `module` as if every change were merged; it keeps its changes.
 *
 * returns  names and weights as `namedState` without the changes'
 * ownership  what is changed is a copy that belongs to the caller's scope, the rest is borrowed
 */
export function mergedState(module: Module): Map<string, Tensor> {
  const apart = lowRankNames(module);
  const state = new Map([...module.namedState()].filter(([name]) => !apart.has(name)));
  const copied = new Set<string>();
  for (const adaptation of adaptations(module)) {
    const { weight } = adaptation;
    if (!copied.has(weight)) {
      state.set(
        weight,
        scope(() => noGrad(() => (state.get(weight) as Tensor).clone())),
      );
      copied.add(weight);
    }
    addDelta(state.get(weight) as Tensor, adaptation);
  }
  return state;
}
