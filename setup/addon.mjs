import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { createRequire } from "node:module";
import { freemem } from "node:os";
import path from "node:path";
import { NAPI_VERSION, SetupError, hashSources, nativeFiles } from "./context.mjs";
import { usableCores } from "./cores.mjs";
import { run, startLog, tail } from "./process.mjs";
import { stage } from "./report.mjs";

/**
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {import("./describe.mjs").Libtorch} Libtorch
 * @typedef {import("./compiler.mjs").Compiler} Compiler
 * @typedef {{context: Context, libtorch: Libtorch, compiler: Compiler, cuda: boolean}} Plan
 */

const KEPT_BUILDS = 3;

/**
 * Everything that the result depends on.
 * @param {Plan} plan
 */
export function buildKey({ context, libtorch, compiler, cuda }) {
  return digest(
    hashSources(context.root),
    ...[libtorch.lib, libtorch.version, libtorch.size, cuda],
    ...[process.platform, process.arch, NAPI_VERSION],
    compiler.version,
    ...compileFlags(libtorch),
    nodeHeaders(context.root).version,
    ...linkFlags(libtorch, cuda),
  );
}

/**
 * Compiles what changed and links the addon; returns its path.
 * @param {Plan} plan
 */
export async function buildAddon(plan) {
  const { context, libtorch, compiler, cuda } = plan;
  const folder = path.join(context.state, "addon", buildKey(plan));
  const addon = path.join(folder, "limn.node");
  if (existsSync(addon) && !context.force) {
    utimesSync(folder, new Date(), new Date());
    return addon;
  }
  await stage(
    `addon with ${path.basename(compiler.command)}, libtorch ${libtorch.version}`,
    async () => {
      const log = startLog(context.state, "addon");
      const objects = await compileAll(plan, log);
      mkdirSync(folder, { recursive: true });
      const partial = `${addon}.${process.pid}`;
      const args = ["-shared", "-o", partial, ...objects, ...linkFlags(libtorch, cuda)];
      const { code, output } = await run(compiler.command, args, { log });
      if (code !== 0)
        throw new SetupError(`the addon does not link:\n${tail(output)}\n  See ${log}.`);
      renameSync(partial, addon);
    },
  );
  prune(path.join(context.state, "addon"), KEPT_BUILDS);
  prune(path.join(context.state, "objects"), KEPT_BUILDS * nativeFiles(context.root).length);
  return addon;
}

/**
 * @param {Plan} plan
 * @param {string} log
 */
async function compileAll({ context, libtorch, compiler }, log) {
  const { root } = context;
  const native = path.join(root, "native");
  const files = nativeFiles(root);
  const headers = files.filter((name) => name.endsWith(".h"));
  const flags = compileFlags(libtorch);
  const shared = [
    ...headers.map((name) => readFileSync(path.join(native, name), "utf8")),
    ...[libtorch.version, libtorch.size, compiler.version, process.arch, ...flags],
    nodeHeaders(root).version,
  ];
  const folder = path.join(context.state, "objects");
  mkdirSync(folder, { recursive: true });
  const jobs = files
    .filter((name) => name.endsWith(".cc"))
    .map((name) => {
      const source = path.join("native", name);
      const key = digest(name, readFileSync(path.join(native, name), "utf8"), ...shared);
      return { name, source, object: path.join(folder, `${name.slice(0, -3)}-${key}.o`) };
    });
  const sizeOf = (/** @type {string} */ source) => statSync(path.join(root, source)).size;
  const waiting = jobs.filter(({ object }) => !existsSync(object) || context.force);
  // the largest first, so that no core waits at the end
  waiting.sort((a, b) => sizeOf(b.source) - sizeOf(a.source));
  const folders = [nodeHeaders(root).include, ...libtorch.includes];
  const include = folders.flatMap((one) => ["-isystem", one]);
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const partial = `${job.object}.${process.pid}`;
      const args = [...flags, ...include, "-c", job.source, "-o", partial];
      const { code, output } = await run(compiler.command, args, { cwd: root, log });
      if (code !== 0) {
        waiting.length = 0;
        throw new SetupError(compileError(job.name, output, log));
      }
      renameSync(partial, job.object);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: jobCount() }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return jobs.map(({ object }) => object);
}

/** One file takes up to 1.5 GB while it compiles. */
function jobCount() {
  return Math.max(1, Math.min(8, usableCores(), Math.floor(freemem() / 1.5e9)));
}

/** @param {string} name @param {string} output @param {string} log */
function compileError(name, output, log) {
  const errors = output.split("\n").filter((line) => /\berror:|Killed|memory exhausted/.test(line));
  const shown = errors.length > 0 ? tail(errors.slice(0, 4).join("\n")) : tail(output);
  return (
    `native/${name} does not compile:\n${shown}\n  The whole output is in ${log}. ` +
    "An old compiler is the usual cause: g++ 10 or clang 12 is the oldest for current libtorch; " +
    "set CXX to a newer one."
  );
}

/**
 * The folders of headers are not among them: the same versions elsewhere give the same objects.
 * @param {Libtorch} libtorch
 */
function compileFlags({ standard, cxx11Abi }) {
  return [
    `-std=c++${standard}`,
    ...["-O2", "-fPIC", "-fvisibility=hidden", "-pthread"],
    `-D_GLIBCXX_USE_CXX11_ABI=${cxx11Abi ? 1 : 0}`,
    `-DNAPI_VERSION=${NAPI_VERSION}`,
  ];
}

/** @param {string} root */
export function nodeHeaders(root) {
  const { resolve } = createRequire(path.join(root, "package.json"));
  try {
    const file = resolve("node-api-headers/package.json");
    const { version } = JSON.parse(readFileSync(file, "utf8"));
    return { version: String(version), include: path.join(path.dirname(file), "include") };
  } catch {
    throw new SetupError(
      "Expected the npm package node-api-headers beside limn but found none; run: npm install",
    );
  }
}

/**
 * The run path makes LD_LIBRARY_PATH unnecessary. CUDA registers itself when its library is loaded,
 * so the linker must keep it although no symbol of it is used.
 * @param {Libtorch} libtorch
 * @param {boolean} cuda
 */
function linkFlags({ lib }, cuda) {
  const common = [`-L${lib}`, `-Wl,-rpath,${lib}`, "-pthread"];
  if (process.platform === "darwin") {
    return [...common, "-undefined", "dynamic_lookup", "-lc10", "-ltorch_cpu", "-ltorch"];
  }
  const names = cuda ? ["c10", "torch_cpu", "c10_cuda", "torch_cuda"] : ["c10", "torch_cpu"];
  return [...common, "-Wl,--no-as-needed", ...names.map((name) => `-l${name}`)];
}

/**
 * Keeps the newest entries of a folder.
 * @param {string} folder
 * @param {number} kept
 */
export function prune(folder, kept) {
  if (!existsSync(folder)) return;
  const entries = readdirSync(folder).map((name) => {
    const full = path.join(folder, name);
    return { full, time: statSync(full).mtimeMs };
  });
  entries.sort((a, b) => b.time - a.time);
  for (const { full } of entries.slice(kept)) rmSync(full, { recursive: true, force: true });
}

/** @param {unknown[]} parts */
export function digest(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${String(part)}\0`);
  return hash.digest("hex").slice(0, 16);
}
