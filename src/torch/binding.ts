/**
 * The addon: its exports as TypeScript sees them, and how the one that setup built is found and loaded.
 * addon.cc holds the other half of the list and a test compares the two.
 */
import { createRequire } from "node:module";
import { EngineError } from "../errors.ts";
import { usableCores } from "../files/cores.ts";
import { engineFolders, findEngine, setupCommand, staleness } from "../engine/engine-info.ts";

/** An index into the environment's table of live tensors. */
export type Handle = number;
export type NativeArgument =
  number | bigint | boolean | string | null | undefined | readonly (number | boolean | null)[];
/** A result that is no tensor comes as `{ value }`; null is a tensor that is not defined. */
export type NativeResult = Handle | { value: number | boolean } | null | NativeResult[];
type BackwardFunction = (gradients: (Handle | null)[]) => (Handle | null)[];

export interface Addon {
  findOperator(name: string, overload: string): number;
  operatorSchema(index: number): string;
  operatorNames(): string[];
  /** Bit i of `tensors` says that operand i is a handle, or a list of them. */
  callOperator(index: number, tensors: number, ...operands: NativeArgument[]): NativeResult;
  /** Where `callWords` reads from; kept for as long as this thread lives. */
  shareWords(words: Float64Array): void;
  /** What `callOperator` does, of the words; false where that has to be called. */
  callWords(): NativeResult | false;

  tensorFromData(data: ArrayBufferView, dtype: number, shape: readonly number[]): Handle;
  tensorToData(tensor: Handle, data: ArrayBufferView): void;
  tensorInfo(tensor: Handle): [number, string, boolean, boolean, ...number[]];
  tensorItem(tensor: Handle): number | boolean;
  releaseTensor(tensor: Handle): void;
  /** The first `count` handles of the array. */
  releaseTensors(tensors: Int32Array, count: number): void;
  /** V8 is told of this tensor's memory: the collector will free it. */
  watchTensor(tensor: Handle): void;
  setData(tensor: Handle, source: Handle): void;
  readFile(tensor: Handle, descriptor: number, position: number): void;
  mapFile(file: string, count: number, dtype: number, shared: boolean): Handle;
  checkMapped(tensor: Handle): void;

  attachBackward(outputs: Handle[], inputs: Handle[], backward: BackwardFunction): Handle[];
  backward(outputs: Handle[], gradients: Handle[] | null, retain: boolean, away: boolean): void;
  grad(
    outputs: Handle[],
    inputs: Handle[],
    gradients: Handle[] | null,
    retain: boolean,
    create: boolean,
    away: boolean,
  ): (Handle | null)[];
  gradient(tensor: Handle): Handle | null;
  setGradient(tensor: Handle, gradient: Handle | null): void;
  setRequiresGrad(tensor: Handle, on: boolean): void;
  setGradMode(on: boolean): boolean;
  setAutocast(device: string, on: boolean, dtype: number): boolean;

  seed(device: string, seed: number | bigint): void;
  randomState(device: string): Handle;
  setRandomState(device: string, state: Handle): void;
  threadCount(): number;
  setThreadCount(count: number): void;
  deviceCount(kind: string): number;
  libtorchVersion(): string;
  libtorchConfig(): string;
  memory(): [number, number];
  keepFreedMemory(): boolean;
  catchSignals(on: boolean): void;
  pendingSignalNumber(): number;
}

let loaded: Addon | undefined;

/**
 * The loaded addon; loads it on first use, with as many threads per operator as the process may use
 * (libtorch's own default can be 1). Throws EngineError where it cannot be loaded.
 */
export function addon(): Addon {
  if (loaded === undefined) {
    loaded = loadAddon() as Addon;
    loaded.setThreadCount(startingThreads());
  }
  return loaded;
}

/** More threads than any machine has cores for; OpenMP ends the process where they cannot start. */
export const mostThreads = 1024;

/** OMP_NUM_THREADS where it is 1 to 1024, else every core that the process may use. */
export function startingThreads(environment: NodeJS.ProcessEnv = process.env): number {
  const wanted = Number(environment["OMP_NUM_THREADS"]);
  return Number.isInteger(wanted) && wanted >= 1 && wanted <= mostThreads ? wanted : usableCores();
}

/**
 * Loads the addon into this environment; the main thread, workers and forked processes each call it.
 * `$LIMN_ADDON` names another file.
 *
 * throws   EngineError with the cause on this machine and its cure
 */
export function loadAddon(): unknown {
  // OpenMP's idle threads spin by default, which takes the cores from the threads that decode: with
  // two busy cores a small training step took three to five times as long. It reads this when loaded.
  process.env["OMP_WAIT_POLICY"] ??= "PASSIVE";
  const named = process.env["LIMN_ADDON"];
  if (named) return load(named);
  const engine = findEngine();
  if (!engine) {
    throw new EngineError(
      `Expected limn's engine for ${process.platform} ${process.arch} but it has not been built ` +
        `(no engine.json in ${engineFolders().join(" or ")}); run: ${setupCommand()}`,
    );
  }
  const stale = staleness(engine);
  if (stale !== undefined) {
    throw new EngineError(
      `Expected an engine that is up to date but ${stale}; run: ${setupCommand()}`,
    );
  }
  return load(engine.addon);
}

function load(file: string): unknown {
  try {
    return createRequire(import.meta.url)(file) as unknown;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError(
      `Expected the engine ${file} to load but received: ${firstLine(message)}; ${cure(message)}`,
      { cause: error },
    );
  }
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").trim();
}

/** What the dynamic linker's words mean on this machine. */
function cure(message: string): string {
  const setup = setupCommand("--force");
  if (/GLIBC_\d/.test(message)) {
    return `this libtorch wants a newer C library than this system has; run: LIMN_LIBTORCH=auto ${setup}`;
  }
  if (/GLIBCXX_|CXXABI_/.test(message)) {
    return `a newer libstdc++ is needed than the one that was loaded; run: ${setup}`;
  }
  if (/cannot open shared object|Library not loaded|image not found/.test(message)) {
    return `a library that it was linked with has moved or was removed; run: ${setup}`;
  }
  if (/undefined symbol|Symbol not found/.test(message)) {
    return `libtorch is another one than it was built with; run: ${setup}`;
  }
  if (/wrong ELF class|invalid ELF header|incompatible architecture/.test(message)) {
    return `it was built for another processor; run: ${setup}`;
  }
  return `run: ${setup}`;
}
