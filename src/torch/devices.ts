/** The devices that libtorch can use here, and what a person's word for one means. */
import { addon } from "./binding.ts";
import type { Device } from "./tensor-handle.ts";

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
