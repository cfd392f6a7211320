import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { SetupError, hasNvidiaGpu } from "./context.mjs";
import { libraryName, missingLibraries } from "./describe.mjs";
import { run, startLog, tail } from "./process.mjs";
import { fetchWheelFiles, isNeeded } from "./pypi.mjs";
import { stage } from "./report.mjs";
import { searchFolder } from "./search.mjs";

/**
 * The PyPI wheel of torch, in a folder of its own. The wheel for Linux is built with CUDA, but its
 * CPU library asks for two small CUDA libraries only; the rest (2 GB) is fetched where a GPU is.
 *
 * @typedef {import("./context.mjs").Context} Context
 */

/** The parts of `cuda-toolkit[...]` that libtorch_cpu links to. */
const CPU_PARTS = ["cudart", "cupti"];

/** @param {Context} context */
export async function fetchWheel(context) {
  const target = path.join(context.fetched, "libtorch-pip");
  const partial = `${target}.partial-${process.pid}`;
  return stage(
    "libtorch from PyPI (0.6 GB; with CUDA 3 GB)",
    async () => {
      const log = startLog(context.state, "pip");
      rmSync(partial, { recursive: true, force: true });
      mkdirSync(partial, { recursive: true });
      try {
        const pip = await run("python3", ["-m", "pip", "--version"], { log });
        if (pip.code === 0) {
          await installWithPip(partial, log);
          pruneWheel(partial);
        } else await fetchWheelFiles(partial, { gpu: hasNvidiaGpu(), parts: CPU_PARTS });
        rmSync(target, { recursive: true, force: true });
        renameSync(partial, target);
      } finally {
        rmSync(partial, { recursive: true, force: true });
      }
      const { found, reason } = await searchFolder("pip", path.join(target, "torch"));
      if (!found) throw new SetupError(`the fetched wheel cannot be used: ${reason}`);
      return found;
    },
    ({ version }) => version,
  );
}

/** @param {string} target @param {string} log */
async function installWithPip(target, log) {
  /** @param {string[]} requirements */
  const install = async (requirements) => {
    const options = ["--no-compile", "--only-binary=:all:", "--disable-pip-version-check"];
    const dependencies = requirements[0] === "torch" ? ["--no-deps"] : [];
    const { code, output } = await run(
      "python3",
      ["-m", "pip", "install", "--target", target, ...options, ...dependencies, ...requirements],
      { log },
    );
    if (code === 0) return;
    throw new SetupError(`pip install ${requirements.join(" ")} failed:\n${tail(output, 3)}`);
  };
  await install(["torch"]);
  const cuda = cudaRequirements(target);
  if (cuda.length === 0) return;
  await install(hasNvidiaGpu() ? cuda : cpuRequirements(cuda));
  const library = path.join(target, "torch", "lib", libraryName("torch_cpu"));
  if ((await missingLibraries(library)).length > 0) await install(cuda);
}

/**
 * Leaves what libtorch needs of what pip installed: half of the space.
 * @param {string} target
 */
export function pruneWheel(target, gpu = hasNvidiaGpu()) {
  const within = (/** @type {string} */ folder) =>
    readdirSync(path.join(target, folder)).map((name) => path.posix.join(folder, name));
  const surplus = [
    ...within(".").filter((name) => name !== "torch" && name !== "nvidia"),
    ...within("torch").filter((name) => !isNeeded(`${name}/`, gpu)),
    ...within("torch/lib").filter((name) => !isNeeded(name, gpu)),
  ];
  for (const name of surplus) rmSync(path.join(target, name), { recursive: true });
}

/**
 * What the wheel asks for that carries CUDA libraries; its Python packages are of no use here.
 * @param {string} target
 */
function cudaRequirements(target) {
  const info = readdirSync(target).find((name) => /^torch-.*\.dist-info$/.test(name));
  const file = path.join(target, info ?? "", "METADATA");
  if (!existsSync(file)) return [];
  return [...readFileSync(file, "utf8").matchAll(/^Requires-Dist: ((?:nvidia-|cuda-toolkit).*)$/gm)]
    .map(([, line = ""]) => line)
    .filter((line) => !/extra ==/.test(line));
}

/**
 * The few of them that libtorch_cpu needs: `cuda-toolkit[cudart,cupti]`, or older wheels'
 * `nvidia-cuda-runtime-cu12` and `nvidia-cuda-cupti-cu12`.
 * @param {string[]} requirements
 */
export function cpuRequirements(requirements) {
  const few = requirements
    .filter((line) => /^cuda-toolkit|^nvidia-cuda-(runtime|cupti)/.test(line))
    .map((line) => line.replace(/^cuda-toolkit\[[^\]]*\]/, `cuda-toolkit[${CPU_PARTS.join(",")}]`));
  return few.length > 0 ? few : requirements;
}
