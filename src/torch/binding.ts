/**
 * The addon's exports as TypeScript sees them; addon.cc holds the other half of this list and a test
 * compares the two. A `Handle` is an index into the environment's table of live tensors.
 */
import { loadAddon } from "./load.ts";
import { startingThreads } from "./threads.ts";

export type Handle = number;
export type NativeArgument =
  number | bigint | boolean | string | null | undefined | readonly (number | boolean | null)[];
export type NativeResult = Handle | boolean | null | Handle[] | NativeResult[];
export type BackwardFunction = (gradients: (Handle | null)[]) => (Handle | null)[];

export interface Addon {
  findOperator(name: string, overload: string): number;
  operatorSchema(index: number): string;
  callOperator(index: number, ...operands: NativeArgument[]): NativeResult;

  tensorFromData(data: ArrayBufferView, dtype: number, shape: readonly number[]): Handle;
  tensorToData(tensor: Handle, data: ArrayBufferView): void;
  tensorInfo(tensor: Handle): [number, string, boolean, boolean, ...number[]];
  tensorItem(tensor: Handle): number | boolean;
  releaseTensor(tensor: Handle): void;
  setData(tensor: Handle, source: Handle): void;
  readFile(tensor: Handle, descriptor: number, position: number): void;

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
