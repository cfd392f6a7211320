import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe } from "./describe.mjs";
import { run } from "./process.mjs";

/**
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {import("./describe.mjs").Libtorch} Libtorch
 * @typedef {{found?: Libtorch, reason: string}} Search what was found, or why nothing was
 */

/** @returns {Promise<Search>} */
export async function searchVariable() {
  const folder = process.env.LIBTORCH;
  if (!folder) return { reason: "$LIBTORCH is not set" };
  return searchFolder("LIBTORCH", folder);
}

/**
 * A folder with lib/ and include/, as the official zip has and as the `torch` package is.
 * @param {string} source
 * @param {string} folder
 * @returns {Promise<Search>}
 */
export async function searchFolder(source, folder) {
  const full = path.resolve(folder);
  if (!existsSync(full)) return { reason: `${full} does not exist` };
  for (const root of [full, path.join(full, "libtorch"), path.join(full, "torch")]) {
    const at = { path: root, lib: path.join(root, "lib"), include: path.join(root, "include") };
    if (existsSync(at.lib)) return answer(await describe(source, at));
  }
  return { reason: `${full} has no lib folder` };
}

/**
 * The `torch` package of the python3 on the PATH, without importing it.
 * @param {Context} context
 * @returns {Promise<Search>}
 */
export async function searchPython({ state }) {
  const script =
    "import sys, importlib.util as u; s = u.find_spec('torch'); " +
    "print(sys.executable); print(list(s.submodule_search_locations)[0] if s else '')";
  // an empty working folder, since `-c` looks for packages there first
  const cwd = path.join(state, "empty");
  mkdirSync(cwd, { recursive: true });
  const { code, output } = await run("python3", ["-c", script], { cwd, stdoutOnly: true });
  if (code === 127) return { reason: "no python3 on the PATH" };
  if (code !== 0) return { reason: "python3 on the PATH does not run" };
  const [executable, folder] = output.trim().split("\n");
  if (!folder) return { reason: `${executable} has no torch package` };
  return searchFolder("python", folder);
}

/** @returns {Promise<Search>} */
export async function searchSystem() {
  /** @type {Record<string, string>} */
  const machines = { x64: "x86_64", arm64: "aarch64" };
  const triple = machines[process.arch] ?? process.arch;
  const places = [
    ["/usr", `/usr/lib/${triple}-linux-gnu`, "/usr/include"],
    ["/usr", "/usr/lib64", "/usr/include"],
    ["/usr", "/usr/lib", "/usr/include"],
    ["/usr/local", "/usr/local/lib", "/usr/local/include"],
    ...["/usr/local/libtorch", "/opt/libtorch", "/opt/homebrew/opt/pytorch"].map((root) => [
      root,
      `${root}/lib`,
      `${root}/include`,
    ]),
  ];
  let reason = "no system libtorch (looked in /usr, /usr/local, /opt)";
  for (const [shown = "", lib = "", include = ""] of places) {
    const result = await describe("system", { path: shown, lib, include });
    if (!("problem" in result)) return answer(result);
    if (!/has no lib/.test(result.problem)) reason = `system: ${result.problem}`;
  }
  return { reason };
}

/**
 * @param {Libtorch | {problem: string}} result
 * @returns {Search}
 */
function answer(result) {
  return "problem" in result ? { reason: result.problem } : { found: result, reason: "" };
}
