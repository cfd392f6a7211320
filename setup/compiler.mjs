import { existsSync } from "node:fs";
import { SetupError } from "./context.mjs";
import { run } from "./process.mjs";

/**
 * @typedef {{command: string, version: string}} Compiler
 */

/**
 * The C++ compiler: `$CXX`, else the first of c++, g++ and clang++.
 * @returns {Promise<Compiler>}
 */
export async function findCompiler() {
  const named = process.env.CXX;
  for (const command of named ? [named] : ["c++", "g++", "clang++"]) {
    const { code, output } = await run(command, ["--version"]);
    if (code === 0) return { command, version: (output.split("\n")[0] ?? "").trim() };
  }
  const tried = named ? `CXX=${named}` : "c++, g++ and clang++";
  throw new SetupError(`Expected a C++ compiler but ${tried} did not run; ${cure()}`);
}

function cure() {
  if (process.platform === "darwin") return "run: xcode-select --install";
  if (existsSync("/usr/bin/apt-get")) return "run: sudo apt-get install g++";
  if (existsSync("/usr/bin/dnf")) return "run: sudo dnf install gcc-c++";
  return "install g++ or clang++, or set CXX to one.";
}
