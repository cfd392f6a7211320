/**
 * Where the built engine is and what setup recorded of it. Loads nothing native.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The contents of engine.json, as setup/engine.mjs writes it. */
export interface EngineRecord {
  /** The addon, relative to the folder of engine.json. */
  addon: string;
  libtorch: {
    /** `LIBTORCH`, `python`, `system`, `apt`, `pip`, `zip` or `folder`. */
    source: string;
    path: string;
    lib: string;
    version: string;
    /** The addon is linked with CUDA. */
    cuda: boolean;
    /** `openblas`, `mkl`, `reference`, `built in`, ... */
    blas: string;
    /** Bytes of libtorch_cpu. */
    size: number;
  };
  compiler: string;
  node: { version: string; arch: string; platform: string; napi: number };
  key: string;
  /** The hash of the addon's sources. */
  sources: string;
  request: string;
  /** A GPU was here when it was built. */
  gpu: boolean;
  /** GFLOP/s of a 512 x 512 float32 product when it was built; see `measured`. */
  gflops: number;
  /** When that was, and the share of the cores' time that it had; other programs had the rest. */
  measured?: { at: string; share: number };
  /** The addon that decodes and resizes pictures; absent in a record of an earlier version. */
  pixels?: PixelsRecord;
}

export interface PixelsRecord {
  /** Relative to the folder of engine.json; null where it could not be built. */
  addon: string | null;
  /** The JPEG library in it; null: sharp decodes. */
  jpeg: string | null;
  /** The hash of its sources. */
  sources: string;
}

export interface EngineFile {
  /** The path of engine.json. */
  file: string;
  /** The path of the addon. */
  addon: string;
  record: EngineRecord;
}

/** The folder of limn's package.json, from wherever this file was compiled to. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, "native", "addon.cc"))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error("internal: limn's package folder was not found");
    folder = parent;
  }
  return folder;
}

/** The command that sets the engine up: a clone has sources, an installed package has not. */
export function setupCommand(flag = ""): string {
  const clone = existsSync(path.join(packageRoot(), "tsconfig.json"));
  if (clone) return flag ? `npm run setup -- ${flag}` : "npm run setup";
  return flag ? `npx limn setup ${flag}` : "npx limn setup";
}

/**
 * The folders that may hold engine.json, the first one first; the same list as in
 * setup/context.mjs, which runs before this file is compiled.
 */
export function engineFolders(): string[] {
  const root = packageRoot();
  const text = readFileSync(path.join(root, "package.json"), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  const home = process.env["LIMN_HOME"];
  const cache = process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache");
  const cached = path.join(home || path.join(cache, "limn"), `v${version}`);
  return home ? [cached] : [path.join(root, "build"), cached];
}

/** The engine that setup built, or undefined where it built none. */
export function findEngine(): EngineFile | undefined {
  for (const folder of engineFolders()) {
    const file = path.join(folder, "engine.json");
    if (!existsSync(file)) continue;
    try {
      const record = JSON.parse(readFileSync(file, "utf8")) as EngineRecord;
      return { file, addon: path.join(folder, record.addon), record };
    } catch {
      // cut by a full disk: as good as none, setup writes it anew
    }
  }
  return undefined;
}

/** Why a recorded engine does not fit this machine or these sources any more, or undefined. */
export function staleness({ addon, record }: EngineFile): string | undefined {
  const { libtorch, node, sources } = record;
  if (!existsSync(addon)) return `${addon} is gone`;
  if (node.platform !== process.platform || node.arch !== process.arch) {
    const here = `${process.platform} ${process.arch}`;
    return `it was built for ${node.platform} ${node.arch} and this is ${here}`;
  }
  if (sources !== hashSources()) return "its sources in native/ have changed since it was built";
  const suffix = process.platform === "darwin" ? "dylib" : "so";
  const library = path.join(libtorch.lib, `libtorch_cpu.${suffix}`);
  if (!existsSync(library)) return `libtorch is no longer in ${libtorch.lib}`;
  if (statSync(library).size !== libtorch.size) return `${library} has changed since it was built`;
  return undefined;
}

/**
 * The addon that decodes and resizes pictures, or the reason why there is none; pictures are then read
 * by sharp and resized by plain loops.
 */
export function findPixels(): { addon: string } | { reason: string } {
  const engine = findEngine();
  if (engine === undefined) return { reason: "the engine has not been built" };
  const { pixels } = engine.record;
  if (pixels === undefined) return { reason: "the engine was built without it" };
  if (pixels.addon === null) return { reason: "it did not compile" };
  const addon = path.join(path.dirname(engine.file), pixels.addon);
  if (!existsSync(addon)) return { reason: `${addon} is gone` };
  if (pixels.sources !== hashSources("native/pixels")) {
    return { reason: "its sources in native/pixels/ have changed since it was built" };
  }
  return { addon };
}

/** The hash of an addon's sources; the same as in setup/context.mjs, which a test compares. */
export function hashSources(of = "native"): string {
  const folder = path.join(packageRoot(), of);
  const hash = createHash("sha256");
  for (const name of readdirSync(folder)
    .filter((file) => /\.(cc|h)$/.test(file))
    .sort()) {
    hash.update(`${name}\0`).update(readFileSync(path.join(folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
