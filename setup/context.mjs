import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Where everything is.
 * @typedef {object} Context
 * @property {string} root the package folder
 * @property {boolean} clone a clone with sources, or an installed package
 * @property {string} state the folder of engine.json and the built addon
 * @property {string} fetched the folder that a fetched libtorch goes to
 * @property {boolean} force search and build again although nothing changed
 * @property {string} request what $LIMN_LIBTORCH and $LIBTORCH ask for; empty: nothing
 */

/** A failure with what to do about it; the message is complete, no stack is shown. */
export class SetupError extends Error {}

/** The version of Node-API that the addon asks for: every Node >= 20 has it, whatever its ABI. */
export const NAPI_VERSION = 8;

/**
 * @param {{force?: boolean}} [options]
 * @returns {Context}
 */
export function makeContext({ force = false } = {}) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const clone = existsSync(path.join(root, "tsconfig.json"));
  const state = stateFolder(root);
  return {
    root,
    clone,
    state,
    // npm replaces an installed package's folder: a libtorch of 1 GB must not go with it
    fetched: clone ? state : cacheFolder(),
    force,
    request: [process.env.LIMN_LIBTORCH, process.env.LIBTORCH && `$${process.env.LIBTORCH}`]
      .filter(Boolean)
      .join(" "),
  };
}

/** `$LIMN_HOME`, or limn's folder in the user's cache. */
export function cacheFolder() {
  return (
    process.env.LIMN_HOME ||
    path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "limn")
  );
}

/**
 * The folders that may hold engine.json, the first one first. src/engine/engine-info.ts has the same
 * list, since the library does not import this folder; a test compares the two.
 * @param {string} root
 */
export function stateFolders(root) {
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const cached = path.join(cacheFolder(), `v${version}`);
  return process.env.LIMN_HOME ? [cached] : [path.join(root, "build"), cached];
}

/** @param {string} root */
function stateFolder(root) {
  const tried = [];
  for (const folder of stateFolders(root)) {
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return folder;
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new SetupError(
    `Expected a folder that setup can write to but received: ${tried.join("; ")}; ` +
      "set LIMN_HOME to a folder of yours.",
  );
}

/**
 * The hash of an addon's sources; engine.json records it.
 * @param {string} root
 * @param {string} [folder]
 */
export function hashSources(root, folder = "native") {
  const hash = createHash("sha256");
  for (const name of nativeFiles(root, folder)) {
    hash.update(`${name}\0`).update(readFileSync(path.join(root, folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** @param {string} root @param {string} [folder] */
export function nativeFiles(root, folder = "native") {
  return readdirSync(path.join(root, folder))
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort();
}

/** Whether a GPU of Nvidia is here, by its device files (also inside containers and WSL). */
export function hasNvidiaGpu() {
  return ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"].some((file) => existsSync(file));
}
