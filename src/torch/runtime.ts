/** Random state, threads, devices, memory, speed and signals. */
import { addon, mostThreads } from "./binding.ts";
import { ones } from "./create.ts";
import { named } from "./operators.ts";
import { scope } from "./scope.ts";
import { handleOf } from "./tensor-handle.ts";
import { adopt, type Tensor, type Device } from "./tensor.ts";

/** Restarts the default generator of `device`; the same seed gives the same numbers. */
export function manualSeed(seed: number, device: Device = "cpu"): void {
  named("manualSeed", [seed, device], () => addon().seed(device, seed));
}

/** The state of the default generator, as a uint8 tensor. */
export function randomState(device: Device = "cpu"): Tensor {
  return adopt(named("randomState", [device], () => addon().randomState(device)));
}

/** Puts a state of `randomState` back. */
export function setRandomState(state: Tensor, device: Device = "cpu"): void {
  const handle = handleOf(state, "state");
  named("setRandomState", [state, device], () => addon().setRandomState(device, handle));
}

/** Threads inside one operator, for the calling thread. */
export function threadCount(): number {
  return addon().threadCount();
}

/** Throws RangeError unless `count` is 1 to 1024: OpenMP ends a process that cannot start its threads. */
export function setThreadCount(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > mostThreads) {
    throw new RangeError(
      `Expected an integer from 1 to ${mostThreads} for threads but received ${count}; ` +
        "give at most the number of cores",
    );
  }
  addon().setThreadCount(count);
}

/** The devices that this libtorch can use here: `cpu` first, then `cuda:0`, ... */
export function devices(): Device[] {
  const found: Device[] = ["cpu"];
  for (const kind of ["cuda", "mps", "xpu"]) {
    const count = addon().deviceCount(kind);
    for (let i = 0; i < count; i++) found.push(`${kind}:${i}`);
  }
  return found;
}

/**
 * The device that `wanted` stands for: `auto` is the first CUDA device, else the CPU; `cuda` is `cuda:0`.
 *
 * name     what the error calls the value: `--device`, `train.device`
 * throws   RangeError for a device that is not there
 */
export function resolveDevice(wanted: string, name = "device"): Device {
  const found = devices();
  if (wanted === "auto") return found.find((device) => device.startsWith("cuda")) ?? "cpu";
  const device = wanted === "cuda" ? "cuda:0" : wanted;
  if (found.includes(device)) return device;
  throw new RangeError(
    `Expected one of auto, ${found.join(", ")} for ${name} but received "${wanted}"; ` +
      "limn doctor lists the devices that this libtorch can use",
  );
}

export interface MemoryReport {
  /** Handles alive in this thread. */
  tensors: number;
  /** Bytes of the distinct storages under them; what only a graph holds is not counted. */
  bytes: number;
}

/** What this thread's handles hold. */
export function memory(): MemoryReport {
  const [tensors, bytes] = addon().memory();
  return { tensors, bytes };
}

/**
 * From now on memory that is freed stays with the process and serves the next allocation: every step of
 * a training allocates what the last one freed, and the system would clear each page anew. The process
 * then holds what it held at its peak.
 *
 * returns   false where the C library has no such setting
 */
export function keepFreedMemory(): boolean {
  return addon().keepFreedMemory();
}

export function libtorchVersion(): string {
  return addon().libtorchVersion();
}

/** libtorch's own account of how it was built and which threads it uses. */
export function libtorchConfig(): string {
  return addon().libtorchConfig();
}

/** GFLOP/s of an n x n float32 matrix product: the best of `repeats`, since other work only slows. */
export function matrixProductRate(n: number, repeats: number): number {
  return scope(() => {
    const a = ones([n, n]);
    let best = Infinity;
    for (let i = 0; i < repeats; i++) {
      const start = performance.now();
      a.mm(a).dispose();
      best = Math.min(best, performance.now() - start);
    }
    return (2 * n ** 3) / best / 1e6;
  });
}

/** From now on SIGINT and SIGTERM are remembered; a second one ends the process at once. */
export function catchSignals(on: boolean): void {
  addon().catchSignals(on);
}

/** 0, or the number of the signal that asked this process to stop (2 SIGINT, 15 SIGTERM). */
export function pendingSignal(): number {
  return addon().pendingSignalNumber();
}
