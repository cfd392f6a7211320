/** Gradients: backward, grad, the grad and autocast modes, custom backward functions, checkpoints. */
import { addon } from "./binding.ts";
import { dtypeCode, shown } from "./dtype.ts";
import { named } from "./operators.ts";
import { randomState, setRandomState } from "./runtime.ts";
import { scope } from "./scope.ts";
import { handleOf } from "./tensor-handle.ts";
import { adopt, type Tensor, type Device } from "./tensor.ts";

function handles(tensors: readonly Tensor[], name: string): number[] {
  if (Array.isArray(tensors)) return tensors.map((tensor: Tensor) => handleOf(tensor, name));
  throw new TypeError(`Expected an array of tensors for ${name} but received ${shown(tensors)}`);
}

// The engine calls the nodes of a GPU from threads of its own; JavaScript then has to be served from
// elsewhere, which costs a thread per pass, so only once such a node exists.
let backwardOnDevice = false;

/** Makes every later backward pass run beside the JavaScript thread. For tests of that path. */
export function runBackwardElsewhere(on: boolean): void {
  backwardOnDevice = on;
}

/** Accumulates d(output)/d(leaf) into every leaf's `grad`. `gradient` is 1 for a scalar output. */
export function backward(
  outputs: Tensor | readonly Tensor[],
  gradients: Tensor | readonly Tensor[] | null = null,
  { retainGraph = false }: { retainGraph?: boolean } = {},
): void {
  const given = gradients === null ? null : handles([gradients].flat(), "gradients");
  const roots = [outputs].flat();
  named("backward", [roots], () =>
    addon().backward(handles(roots, "outputs"), given, retainGraph, backwardOnDevice),
  );
}

/** d(outputs)/d(inputs) without touching `grad`; null where an input does not matter. */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  {
    gradients = null,
    retainGraph = false,
    createGraph = false,
  }: { gradients?: readonly Tensor[] | null; retainGraph?: boolean; createGraph?: boolean } = {},
): (Tensor | null)[] {
  const roots = [outputs].flat();
  const found = named("grad", [roots, inputs], () =>
    addon().grad(
      handles(roots, "outputs"),
      handles(inputs, "inputs"),
      gradients === null ? null : handles(gradients, "gradients"),
      retainGraph || createGraph,
      createGraph,
      backwardOnDevice,
    ),
  );
  return found.map((handle) => (handle === null ? null : adopt(handle)));
}

/** Runs `body` without recording gradients. Synchronous. */
export function noGrad<T>(body: () => T): T {
  return withGradMode(false, body);
}

/** Runs `body` with gradients recorded, also inside noGrad. Synchronous. */
export function withGrad<T>(body: () => T): T {
  return withGradMode(true, body);
}

/** True where gradients are recorded: outside noGrad, and inside withGrad. */
export function gradEnabled(): boolean {
  const on = addon().setGradMode(true);
  addon().setGradMode(on);
  return on;
}

function withGradMode<T>(on: boolean, body: () => T): T {
  const before = addon().setGradMode(on);
  try {
    return body();
  } finally {
    addon().setGradMode(before);
  }
}

/** The devices that autocast is on for, the outermost first. */
let autocasting: readonly Device[] = [];

/**
 * Runs `body` with matrix products and convolutions on `device` in bfloat16 where libtorch deems it
 * safe. `device` undefined runs it as it is.
 */
export function autocast<T>(device: Device | undefined, body: () => T): T {
  if (device === undefined) return body();
  const outer = autocasting;
  const code = dtypeCode("bfloat16");
  const before = named("autocast", [device], () => addon().setAutocast(device, true, code));
  autocasting = [...outer, device];
  try {
    return body();
  } finally {
    addon().setAutocast(device, before, code);
    autocasting = outer;
  }
}

function underAutocast<T>([device, ...inner]: readonly Device[], body: () => T): T {
  return device === undefined ? body() : autocast(device, () => underAutocast(inner, body));
}

/** Gradients of the inputs given those of the outputs; null where there is none on either side. */
export type CustomBackward = (gradients: (Tensor | null)[]) => (Tensor | null)[];

/**
 * Outputs computed by `forward` without a graph, differentiable through `backward`; inside noGrad,
 * the outputs alone.
 *
 * ownership   `inputs` are borrowed, also where `forward` returns one of them; its other outputs are
 *             taken over. What `backward` needs later must be kept by its closure
 */
export function customGradient(
  inputs: readonly Tensor[],
  forward: () => Tensor[],
  backwardFunction: CustomBackward,
): Tensor[] {
  const outputs = noGrad(forward);
  if (!gradEnabled() || !inputs.some((input) => input.requiresGrad)) return outputs;
  if (inputs.some((input) => input.device !== "cpu")) backwardOnDevice = true;
  const [from, to] = [handles(outputs, "the result of forward"), handles(inputs, "inputs")];
  const attached = named("customGradient", [inputs], () =>
    addon().attachBackward(from, to, (gradients) => passBack(gradients, backwardFunction)),
  );
  for (const output of outputs) if (!inputs.includes(output)) output.dispose();
  return attached.map((handle) => adopt(handle));
}

function passBack(gradients: (number | null)[], run: CustomBackward): (number | null)[] {
  const results = scope(() =>
    run(gradients.map((handle) => (handle === null ? null : adopt(handle)))),
  );
  // The addon reads the handles before the collector can run; they end with the enclosing scope.
  const name = "the result of a backward function";
  if (!Array.isArray(results)) {
    throw new TypeError(`Expected an array for ${name} but received ${shown(results)}`);
  }
  return results.map((result) => (result === null ? null : handleOf(result, name)));
}

/**
 * Activation checkpointing: `body` runs without a graph now and again, with one, when its gradient is
 * needed, so that its activations are not held in between. Dropout repeats itself exactly.
 *
 * x        the only input that carries gradient from outside
 * weights  the parameters `body` uses; their `grad` is accumulated by the inner pass
 * others   what else `body` reads, such as a mask: without gradient, held until the backward pass
 */
export function checkpoint(
  x: Tensor,
  weights: readonly Tensor[],
  body: (x: Tensor, ...others: Tensor[]) => Tensor,
  others: readonly Tensor[] = [],
): Tensor {
  if (!gradEnabled()) return body(x, ...others);
  const device = x.device;
  const modes = autocasting;
  const state = randomState(device).keep();
  const input = x.detach().keep();
  const held = others.map((other) => other.detach().keep());
  const anchor = weights.find((weight) => weight.requiresGrad);
  const inputs = anchor ? [x, anchor] : [x];
  const [output] = customGradient(
    inputs,
    () => [body(x, ...held)],
    ([gradient]) => {
      const replay = withGrad(() => {
        const after = randomState(device);
        setRandomState(state, device);
        const leaf = input.detach().setRequiresGrad(x.requiresGrad || anchor === undefined);
        const again = underAutocast(modes, () => body(leaf, ...held));
        setRandomState(after, device);
        if (gradient) backward(again, gradient);
        return leaf.grad;
      });
      state.dispose();
      input.dispose();
      for (const other of held) other.dispose();
      return anchor ? [replay, null] : [replay];
    },
  );
  return output as Tensor;
}
