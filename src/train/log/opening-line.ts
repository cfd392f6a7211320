/** The line that a run opens with: what trains, on what, for how long. */
import { counted } from "../../errors.ts";
import { threadCount, type Device, type Tensor } from "../../torch/index.ts";
import { formatDuration } from "./run-progress.ts";

interface Opening {
  device: Device;
  parameters: Iterable<{ tensor: Tensor }>;
  /** Samples of the training data, where they are counted, and what one is. */
  samples: number | undefined;
  noun: "picture" | "sample";
  train: { steps: number; batchSize: number; minutes?: number | undefined };
}

/** `cpu, 2 threads; 1.9 M parameters; 22,166 pictures; 640 steps of 256, 7.4 epochs` */
export function openingLine({ device, parameters, samples, noun, train }: Opening): string {
  const { steps, batchSize, minutes } = train;
  const threads = threadCount();
  const parts = [
    device === "cpu" ? `cpu, ${counted(threads, "thread")}` : device,
    parameterWords(parameters),
    samples === undefined ? undefined : counted(samples, noun),
    `${counted(steps, "step")} of ${batchSize}${epochWords((steps * batchSize) / (samples ?? NaN))}`,
    minutes === undefined ? undefined : `at most ${formatDuration(60 * minutes)}`,
  ];
  return parts.filter((part) => part !== undefined).join("; ");
}

function parameterWords(parameters: Iterable<{ tensor: Tensor }>): string {
  let [all, trained] = [0, 0];
  for (const { tensor } of parameters) {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    all += count;
    if (tensor.requiresGrad) trained += count;
  }
  const rest = trained === all ? "" : `, ${short(trained)} of them trained`;
  return `${short(all)} parameters${rest}`;
}

/** `850`, `12 k`, `1.9 M`, `151 M`, `1.2 B`. */
function short(count: number): string {
  const units: [number, string][] = [
    [1e9, " B"],
    [1e6, " M"],
    [1e3, " k"],
  ];
  // 999,700 is 1 M, not 1000 k.
  const [size, unit] = units.find(([least]) => count >= 0.9995 * least) ?? [1, ""];
  const value = count / size;
  return `${size === 1 || value >= 99.95 ? Math.round(value) : Number(value.toPrecision(2))}${unit}`;
}

function epochWords(epochs: number): string {
  if (!Number.isFinite(epochs)) return "";
  const value = epochs >= 99.5 ? Math.round(epochs) : Number(epochs.toPrecision(2));
  return `, ${value.toLocaleString("en-US", { maximumSignificantDigits: 15 })} ${value === 1 ? "epoch" : "epochs"}`;
}
