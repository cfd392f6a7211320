import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { run } from "./process.mjs";

/**
 * A libtorch that the addon can be built against.
 * @typedef {object} Libtorch
 * @property {string} source `LIBTORCH`, `python`, `system`, `apt`, `pip`, `zip`
 * @property {string} path the folder that a person would name
 * @property {string} lib the folder of libtorch_cpu
 * @property {string[]} includes folders of headers; the compiler's own are left out
 * @property {string} version
 * @property {boolean} cxx11Abi which std::string it was built with
 * @property {number} standard the C++ standard that its headers ask for
 * @property {boolean} cuda it carries CUDA, whether or not this machine has it
 * @property {string} blas `openblas`, `mkl`, `reference`, `built in`, ...
 * @property {number} size of libtorch_cpu in bytes: a cheap sign that it is still the same one
 */

export const OLDEST = [1, 13];
export const libraryName = (/** @type {string} */ name) =>
  process.platform === "darwin" ? `lib${name}.dylib` : `lib${name}.so`;

/**
 * Looks at a folder of libraries and a folder of headers.
 * @param {string} source
 * @param {{path: string, lib: string, include: string}} at
 * @returns {Promise<Libtorch | {problem: string}>}
 */
export async function describe(source, { path: shown, lib, include }) {
  const cpu = path.join(lib, libraryName("torch_cpu"));
  if (!existsSync(cpu)) return { problem: `${lib} has no ${libraryName("torch_cpu")}` };
  if (!existsSync(path.join(include, "ATen", "ATen.h"))) {
    return { problem: `${include} has no ATen/ATen.h (headers are missing)` };
  }
  const version = readVersion(include);
  if (!version) return { problem: `${include} has no torch/version.h` };
  if (older(version, OLDEST)) return { problem: `${shown} has ${version}; 1.13 is the oldest` };
  const dependencies = await dependenciesOf(cpu);
  const missing = missingIn(dependencies);
  if (missing.length) return { problem: `${cpu} cannot load: ${missing.join(", ")} not found` };
  const api = path.join(include, "torch", "csrc", "api", "include");
  return {
    source,
    path: shown,
    lib: realpathSync(lib),
    // naming the compiler's own folder again would break its order of search
    includes: include === "/usr/include" ? [api] : [include, api],
    version,
    cxx11Abi: usesCxx11Abi(path.join(lib, libraryName("c10"))),
    standard: Math.max(17, standardOf(include)),
    cuda: existsSync(path.join(lib, libraryName("torch_cuda"))),
    blas: blasOf(dependencies),
    size: statSync(cpu).size,
  };
}

/** @param {string} version @param {number[]} than */
export function older(version, [major = 0, minor = 0]) {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}

/** @param {string} include */
function readVersion(include) {
  for (const name of ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"]) {
    const file = path.join(include, name);
    if (!existsSync(file)) continue;
    const text = readFileSync(file, "utf8");
    const parts = ["MAJOR", "MINOR", "PATCH"].map(
      (part) => new RegExp(`#define TORCH_VERSION_${part} (\\d+)`).exec(text)?.[1],
    );
    if (parts.every((part) => part !== undefined)) return parts.join(".");
  }
  return undefined;
}

/**
 * ATen.h refuses compilers below its standard; that line is the figure.
 * @param {string} include
 */
function standardOf(include) {
  const text = readFileSync(path.join(include, "ATen", "ATen.h"), "utf8");
  const figure = /__cplusplus < (\d{4})\d\dL/.exec(text)?.[1];
  return figure === undefined ? 17 : Number(figure) - 2000;
}

/**
 * The mangled name of c10::Error's constructor tells which std::string it takes.
 * @param {string} library
 */
function usesCxx11Abi(library) {
  if (process.platform === "darwin") return true;
  return readFileSync(library).includes("14SourceLocationENSt7__cxx1112basic_string");
}

/**
 * What the dynamic linker would load for a library: its name to the file, or "" where none is found.
 * @param {string} library
 * @returns {Promise<Map<string, string>>}
 */
async function dependenciesOf(library) {
  const found = new Map();
  if (process.platform === "darwin") return found;
  const { code, output } = await run("ldd", [library]);
  if (code !== 0) return found;
  for (const [, name, file] of output.matchAll(/^\s*(\S+) => (not found|\S+)/gm)) {
    found.set(name, file === "not found" ? "" : file);
  }
  return found;
}

/**
 * The libraries that a library needs and this machine lacks.
 * @param {string} library
 */
export async function missingLibraries(library) {
  return missingIn(await dependenciesOf(library));
}

/** @param {Map<string, string>} dependencies */
function missingIn(dependencies) {
  return [...dependencies].filter(([, file]) => file === "").map(([name]) => name);
}

/**
 * Debian's libtorch takes whichever BLAS `update-alternatives` chose; wheels have their own inside.
 * @param {Map<string, string>} dependencies
 */
function blasOf(dependencies) {
  const entry = [...dependencies].find(([name]) => /^lib(open)?blas[.-]|^libmkl_rt/.test(name));
  if (!entry?.[1]) return "built in";
  const file = realpathSync(entry[1]);
  const known = ["openblas", "mkl", "blis", "atlas", "armpl"].find((name) => file.includes(name));
  if (known) return known;
  return /\/libblas\.so/.test(file) ? "reference" : path.basename(file);
}
