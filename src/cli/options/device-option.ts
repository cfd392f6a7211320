/** `--device` of the commands that run a model. */
import { UsageError } from "../../errors.ts";
import { resolveDevice, type Device } from "../../torch/index.ts";

export const deviceOption = {
  device: { type: "string", value: "<name>", help: "default auto: the first GPU, else the CPU" },
} as const;

/** The device that `--device` asks for. Throws UsageError for one that is not there. */
export function chosenDevice({ device = "auto" }: { device?: string | undefined }): Device {
  try {
    return resolveDevice(device, "--device");
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}
