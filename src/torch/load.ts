/** Finds and loads the addon that setup built, or says why it cannot and what to do. */
import { createRequire } from "node:module";
import { EngineError } from "../errors.ts";
import { engineFolders, findEngine, setupCommand, staleness } from "./engine-info.ts";

/**
 * Loads the addon into this environment; the main thread, workers and forked processes each call it.
 * `$LIMN_ADDON` names another file.
 *
 * throws   EngineError with the cause on this machine and its cure
 */
export function loadAddon(): unknown {
  // OpenMP's idle threads spin by default, which takes the cores from the threads that decode: with
  // two busy cores a small training step took three to five times as long. It reads this when loaded.
  process.env["OMP_WAIT_POLICY"] ??= "PASSIVE";
  const named = process.env["LIMN_ADDON"];
  if (named) return load(named);
  const engine = findEngine();
  if (!engine) {
    throw new EngineError(
      `Expected limn's engine for ${process.platform} ${process.arch} but it has not been built ` +
        `(no engine.json in ${engineFolders().join(" or ")}); run: ${setupCommand()}`,
    );
  }
  const stale = staleness(engine);
  if (stale !== undefined) {
    throw new EngineError(
      `Expected an engine that is up to date but ${stale}; run: ${setupCommand()}`,
    );
  }
  return load(engine.addon);
}

function load(file: string): unknown {
  try {
    return createRequire(import.meta.url)(file) as unknown;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError(
      `Expected the engine ${file} to load but received: ${firstLine(message)}; ${cure(message)}`,
      { cause: error },
    );
  }
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").trim();
}

/** What the dynamic linker's words mean on this machine. */
function cure(message: string): string {
  const setup = setupCommand("--force");
  if (/GLIBC_\d/.test(message)) {
    return `this libtorch wants a newer C library than this system has; run: LIMN_LIBTORCH=auto ${setup}`;
  }
  if (/GLIBCXX_|CXXABI_/.test(message)) {
    return `a newer libstdc++ is needed than the one that was loaded; run: ${setup}`;
  }
  if (/cannot open shared object|Library not loaded|image not found/.test(message)) {
    return `a library that it was linked with has moved or was removed; run: ${setup}`;
  }
  if (/undefined symbol|Symbol not found/.test(message)) {
    return `libtorch is another one than it was built with; run: ${setup}`;
  }
  if (/wrong ELF class|invalid ELF header|incompatible architecture/.test(message)) {
    return `it was built for another processor; run: ${setup}`;
  }
  return `run: ${setup}`;
}
