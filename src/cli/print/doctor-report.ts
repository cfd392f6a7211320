/** What `limn doctor` looks at; plain facts in, problems with their cures out. */
import { counted } from "../../errors.ts";
import { setupCommand, type EngineRecord } from "../../engine/engine-info.ts";

export interface Problem {
  /** An error stops training; a warning makes it slower or leaves something out. */
  severity: "error" | "warning";
  problem: string;
  cure: string;
}

/** Everything that was found out about this machine. */
export interface Facts {
  limn: string;
  node: string;
  platform: string;
  /** What setup recorded, or why there is nothing. */
  engine: EngineRecord | null;
  engineError: string | null;
  /** The version that the loaded libtorch names itself. */
  libtorch: string | null;
  compiler: string | null;
  /** `share`: of the cores' time that this process had while it was measured. */
  matrixProduct: { size: number; dtype: "float32"; gflops: number; share: number } | null;
  threads: { used: number; usable: number; machine: number; quota: number | null };
  devices: string[];
  /** What models can be prepared for here, and whether weights are packed for it; null: no engine. */
  inference: { precisions: readonly string[]; packed: boolean } | null;
  gpu: boolean;
  sharp: string | null;
  sharpError: string | null;
  /** The library that decodes JPEGs; null: sharp does, for this reason. */
  jpeg: { library: string | null; reason: string | null };
  disk: { path: string; freeBytes: number };
  memory: { totalBytes: number };
}

export interface Report extends Facts {
  /** Training can run here. */
  ok: boolean;
  problems: Problem[];
}

/** Below this a core runs the reference BLAS, an emulator, or is shared with others. GFLOP/s. */
const SLOW_PER_CORE = 8;
/** Below this share of the cores' time, the speed is not the machine's: other programs ran as well. */
const BUSY_SHARE = 0.7;
const LOW_DISK = 2e9;
const FULL_DISK = 1e8;

/** Judges the facts. */
export function diagnose(facts: Facts): Report {
  const problems = [
    ...engineProblems(facts),
    ...speedProblems(facts),
    ...inferenceProblems(facts),
    ...deviceProblems(facts),
    ...machineProblems(facts),
  ];
  return { ok: problems.every(({ severity }) => severity !== "error"), ...facts, problems };
}

function engineProblems({ engineError, compiler }: Facts): Problem[] {
  const problems: Problem[] = [];
  if (engineError !== null) {
    problems.push({
      severity: "error",
      problem: engineError.replace(/; run: [^;]*$/, ""),
      cure: setupCommand(),
    });
  }
  if (compiler === null) {
    const severity = engineError === null ? "warning" : "error";
    const cure =
      process.platform === "darwin" ? "xcode-select --install" : "sudo apt-get install g++";
    problems.push({ severity, problem: "no C++ compiler: the engine cannot be built again", cure });
  }
  return problems;
}

function speedProblems({ engine, matrixProduct, threads }: Facts): Problem[] {
  const problems: Problem[] = [];
  const perCore = matrixProduct ? matrixProduct.gflops / threads.used : Infinity;
  if (perCore >= SLOW_PER_CORE && matrixProduct) return problems;
  // the record is of the day of the build: a BLAS that was put right since shows in the figure
  if (engine?.libtorch.blas === "reference") {
    problems.push({
      severity: "warning",
      problem: "libtorch runs on the reference BLAS, about 40 times slower than OpenBLAS",
      cure: "sudo apt-get install libopenblas0-pthread",
    });
  } else if (matrixProduct && matrixProduct.share < BUSY_SHARE) {
    problems.push({
      severity: "warning",
      problem: `matrix products are slow now: ${perCore.toFixed(1)} GFLOP/s for each core; ${busy(matrixProduct)}`,
      cure: "end other programs, or let them end, and run limn doctor again",
    });
  } else if (matrixProduct) {
    problems.push({
      severity: "warning",
      problem: `matrix products are slow: ${perCore.toFixed(1)} GFLOP/s for each core`,
      cure: `end other programs and try again, or use another libtorch: LIMN_LIBTORCH=pip ${setupCommand("--force")}`,
    });
  }
  return problems;
}

function inferenceProblems({ inference, libtorch }: Facts): Problem[] {
  if (inference === null || inference.packed) return [];
  return [
    {
      severity: "warning",
      problem:
        `libtorch ${libtorch ?? ""} packs no weights: with libtorch 2 models encode faster, and ` +
        "int8 is there where the processor has it",
      cure: `LIMN_LIBTORCH=pip ${setupCommand("--force")} (0.6 GB)`,
    },
  ];
}

function busy({ share }: { share: number }): string {
  return `only ${Math.round(100 * share)} % of the cores' time was free for it`;
}

function deviceProblems({ engine, gpu, devices }: Facts): Problem[] {
  if (!engine || !gpu || devices.some((device) => device.startsWith("cuda"))) return [];
  return [
    {
      severity: "warning",
      problem: engine.libtorch.cuda
        ? "a GPU is here but libtorch cannot use it (driver too old for its CUDA?)"
        : "a GPU is here but this libtorch was built without CUDA",
      cure: engine.libtorch.cuda
        ? "nvidia-smi shows the driver; update it or install an older torch"
        : `LIMN_LIBTORCH=pip ${setupCommand("--force")}`,
    },
  ];
}

function machineProblems({ sharp, sharpError, jpeg, disk, node }: Facts): Problem[] {
  const problems: Problem[] = [];
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    problems.push({
      severity: "error",
      problem: `Node ${node} is older than 20.19`,
      cure: "install a current Node from https://nodejs.org",
    });
  }
  if (sharp === null) {
    problems.push({
      severity: "error",
      problem: `images cannot be decoded: sharp does not load (${sharpError ?? "unknown cause"})`,
      cure: "npm install --include=optional sharp",
    });
  }
  if (jpeg.library === null && sharp !== null) {
    const packages =
      process.platform === "darwin"
        ? "brew install jpeg-turbo"
        : "sudo apt-get install libjpeg-dev";
    problems.push({
      severity: "warning",
      problem: `JPEGs are decoded by sharp, at half the speed of libjpeg-turbo: ${jpeg.reason ?? "it is missing"}`,
      cure: `${packages} && ${setupCommand("--force")}`,
    });
  }
  if (disk.freeBytes < LOW_DISK) {
    problems.push({
      severity: disk.freeBytes < FULL_DISK ? "error" : "warning",
      problem: `only ${(disk.freeBytes / 1e9).toFixed(1)} GB are free in ${disk.path}`,
      cure: "free some space: checkpoints and shards need it",
    });
  }
  return problems;
}

function speedLine(measured: NonNullable<Facts["matrixProduct"]>): string {
  const { gflops, dtype, size, share } = measured;
  const speed = `${gflops.toFixed(0)} GFLOP/s now (${dtype}, ${size})`;
  return share < BUSY_SHARE ? `${speed}; ${busy(measured)}` : speed;
}

/** The report as a person reads it. */
export function formatReport(report: Report): string {
  const { engine, threads, matrixProduct } = report;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const quota = threads.quota === null ? "" : `, CPU quota ${threads.quota}`;
  const rows: [string, string][] = [
    ["limn", report.limn],
    ["Node", `${report.node} (${report.platform})`],
    ["libtorch", libtorchLine(report)],
    ["BLAS", engine?.libtorch.blas ?? "-"],
    ["compiler", report.compiler ?? "none"],
    [
      "threads",
      `${threads.used} of ${threads.usable} usable (${counted(threads.machine, "core")}${quota})`,
    ],
    ["matrix product", matrixProduct ? speedLine(matrixProduct) : "not measured"],
    ["devices", report.devices.join(", ") || "none"],
    ["inference", report.inference?.precisions.join(", ") ?? "-"],
    ["sharp", report.sharp ?? "missing"],
    ["JPEGs", report.jpeg.library ?? "by sharp"],
    ["memory", gigabytes(report.memory.totalBytes)],
    ["free disk", `${gigabytes(report.disk.freeBytes)} in ${report.disk.path}`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(15)} ${value}`);
  for (const { severity, problem, cure } of report.problems) {
    lines.push("", `${severity}: ${problem}`, `  cure: ${cure}`);
  }
  lines.push("", report.ok ? "Training can run here." : "Training cannot run here yet.");
  return lines.join("\n");
}

function libtorchLine({ engine, libtorch }: Report): string {
  if (!engine) return "none";
  const { source, path, cuda } = engine.libtorch;
  const version = libtorch ?? engine.libtorch.version;
  return `${version}${cuda ? " with CUDA" : ""} (${source}: ${path})`;
}
