/** What a model's products can be computed in, and what of it this processor and libtorch have. */
import { readFileSync } from "node:fs";
import { libtorchVersion, type Device } from "../torch/index.ts";
import { hasPackedProducts, hasQuantizedProducts } from "./prepared-product.ts";

/**
 * Of a model that is prepared for inference.
 *
 * `float32`   the weights' own
 * `bfloat16`  weights and activations hold 8 bits of each number's fraction; sums are float32
 * `int8`      the products inside the blocks of image transformers are of 8-bit integers; what else
 *             there is stays float32, and texts are bfloat16 where the processor has it
 */
export const precisions = ["float32", "bfloat16", "int8"] as const;

export type Precision = (typeof precisions)[number];

/** Why a precision cannot be had, or that it can. */
export type Availability = { has: true } | { has: false; why: string };

/**
 * Whether products of a precision are the processor's own. What it would have to emulate counts as
 * missing, since it is slower than float32.
 *
 * features  of the processor; undefined where they are not known. Only tests give others.
 */
export function availability(
  precision: Precision,
  device: Device = "cpu",
  features: ReadonlySet<string> | undefined = processorFeatures(),
): Availability {
  if (precision === "float32") return { has: true };
  if (!precisions.includes(precision)) return { has: false, why: "there is no such precision" };
  if (device !== "cpu") {
    return precision === "bfloat16"
      ? { has: true }
      : { has: false, why: `int8 is for the CPU, and the device is ${device}` };
  }
  const names = instructions[precision];
  if (features === undefined) {
    return { has: false, why: "the processor's instructions cannot be read on this system" };
  }
  if (!names.some((name) => features.has(name))) {
    return { has: false, why: `the processor has none of ${names.join(", ")}` };
  }
  const operators = precision === "int8" ? hasQuantizedProducts() : true;
  if (operators) return { has: true };
  return { has: false, why: `libtorch ${libtorchVersion()} has no operators for it` };
}

/** Linux's names of the instructions that multiply in a precision, x86 and ARM. */
const instructions = {
  bfloat16: ["avx512_bf16", "amx_bf16", "bf16"],
  int8: ["avx512_vnni", "avx_vnni", "amx_int8"],
} as const;

/** The precisions that can be had on a device, float32 first. */
export function availablePrecisions(device: Device = "cpu"): Precision[] {
  return precisions.filter((precision) => availability(precision, device).has);
}

/** Throws RangeError for a precision that cannot be had, naming those that can, and itself `name`. */
export function checkPrecision(
  precision: Precision,
  device: Device = "cpu",
  name = "precision",
): void {
  const found = availability(precision, device);
  if (found.has) return;
  throw new RangeError(
    `Expected one of ${availablePrecisions(device).join(", ")} for ${name} but received ` +
      `${precision}, and ${found.why}; choose another one`,
  );
}

/** How products are computed here, in words. */
export function productWords(): string {
  return hasPackedProducts() ? "packed by oneDNN" : "not packed, since libtorch cannot";
}

let known: ReadonlySet<string> | undefined | null = null;

/** What the kernel says of the processor; undefined where it says nothing. */
function processorFeatures(): ReadonlySet<string> | undefined {
  if (known !== null) return known;
  try {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1];
    known = line === undefined ? undefined : new Set(line.trim().split(/\s+/));
  } catch {
    known = undefined;
  }
  return known;
}
