import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildAddon, buildKey } from "./addon.mjs";
import { findCompiler } from "./compiler.mjs";
import { NAPI_VERSION, SetupError, hasNvidiaGpu, hashSources } from "./context.mjs";
import { usableCores } from "./cores.mjs";
import { libraryName } from "./describe.mjs";
import { findLibtorch } from "./libtorch.mjs";
import { pixelsReady, setUpPixels } from "./pixels.mjs";
import { run, tail } from "./process.mjs";
import { note } from "./report.mjs";

/**
 * What build/engine.json records; src/engine/engine-info.ts reads it.
 * @typedef {object} Engine
 * @property {string} addon relative to the folder of engine.json
 * @property {{source: string, path: string, lib: string, version: string, cuda: boolean,
 *   blas: string, size: number}} libtorch `cuda`: the addon is linked with it
 * @property {string} compiler
 * @property {{version: string, arch: string, platform: string, napi: number}} node
 * @property {string} key
 * @property {string} sources the hash of native/
 * @property {string} request what $LIMN_LIBTORCH and $LIBTORCH asked for
 * @property {boolean} gpu a GPU was here
 * @property {number} gflops of a 512 x 512 float32 product when it was built
 * @property {{at: string, share: number}} measured when, and with which share of the cores' time
 * @property {import("./pixels.mjs").Pixels} pixels
 *
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {{code: number, output: string, facts?: {gflops: number, share: number, cuda: number}}} Trial
 */

/**
 * An engine that works is kept until the user asks for another one: a python with torch that comes
 * to the PATH later changes nothing.
 * @param {Context} context
 */
export function engineReady(context) {
  const file = engineFile(context);
  if (context.force || !existsSync(file)) return false;
  /** @type {Engine} */
  let engine;
  try {
    engine = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return false;
  }
  const { addon, libtorch, node, sources, request, gpu } = engine;
  if (context.request !== "" && context.request !== request) return false;
  if (sources !== hashSources(context.root) || gpu !== hasNvidiaGpu()) return false;
  if (!pixelsReady(context, engine.pixels)) return false;
  if (node.napi !== NAPI_VERSION || node.arch !== process.arch) return false;
  const cpu = path.join(libtorch.lib, libraryName("torch_cpu"));
  return (
    existsSync(path.join(context.state, addon)) &&
    existsSync(cpu) &&
    statSync(cpu).size === libtorch.size
  );
}

/** @param {Context} context */
export async function setUpEngine(context) {
  const compiler = await findCompiler();
  const libtorch = await findLibtorch(context);
  const gpu = hasNvidiaGpu();
  // without a GPU, loading CUDA costs 0.4 s and 350 MB for nothing
  let cuda = libtorch.cuda && gpu;
  let plan = { context, libtorch, compiler, cuda };
  let addon = await buildAddon(plan);
  let trial = await tryAddon(addon);
  if (cuda && !trial.facts) {
    note(`CUDA does not load, so the engine runs on the CPU:\n${tail(trial.output, 2)}`);
    cuda = false;
    plan = { ...plan, cuda };
    addon = await buildAddon(plan);
    trial = await tryAddon(addon);
  }
  if (!trial.facts) {
    throw new SetupError(
      `The addon was built but does not load:\n${tail(trial.output)}\n` +
        `  It was linked with ${libtorch.lib}; another libtorch may do (LIMN_LIBTORCH=pip).`,
    );
  }
  /** @type {Engine} */
  const engine = {
    addon: path.relative(context.state, addon),
    libtorch: {
      ...{ source: libtorch.source, path: libtorch.path, lib: libtorch.lib },
      ...{ version: libtorch.version, cuda, blas: libtorch.blas, size: libtorch.size },
    },
    compiler: `${compiler.command}: ${compiler.version}`,
    node: {
      ...{ version: process.versions.node, arch: process.arch, platform: process.platform },
      napi: NAPI_VERSION,
    },
    key: buildKey(plan),
    sources: hashSources(context.root),
    ...{ request: context.request, gpu, gflops: trial.facts.gflops },
    measured: { at: new Date().toISOString(), share: trial.facts.share },
    pixels: await setUpPixels({ context, compiler }),
  };
  writeEngine(context, engine);
  note(
    `engine: libtorch ${libtorch.version} (${libtorch.source}, ${libtorch.path}), ` +
      `${engine.gflops} GFLOP/s${crowded(trial.facts.share)}; JPEGs by ${engine.pixels.jpeg ?? "sharp"}`,
  );
}

/** @param {number} share of the cores' time that the measurement had */
function crowded(share) {
  if (share >= 0.7) return "";
  const percent = Math.round(100 * share);
  return ` with ${percent} % of the cores' time, as other programs ran; limn doctor measures again`;
}

/** @param {Context} context */
function engineFile({ state }) {
  return path.join(state, "engine.json");
}

/** @param {Context} context @param {Engine} engine */
function writeEngine(context, engine) {
  const partial = `${engineFile(context)}.${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(engine, null, 2)}\n`);
  renameSync(partial, engineFile(context));
}

/** Loads the addon, times the best of a few matrix products and prints the facts. */
const TRIAL = `
  const [file, threads] = process.argv.slice(1);
  const module = { exports: {} };
  process.dlopen(module, file, require("node:os").constants.dlopen.RTLD_NOW);
  const { setThreadCount, deviceCount, findOperator, callOperator, releaseTensor } = module.exports;
  setThreadCount(Number(threads));
  const [rand, mm] = ["aten::rand", "aten::mm"].map((name) => findOperator(name, ""));
  const [a, b] = [1, 2].map(() => callOperator(rand, 0, [512, 512]));
  const [begin, before] = [performance.now(), process.cpuUsage()];
  const milliseconds = Array.from({ length: 12 }, () => {
    const start = performance.now();
    releaseTensor(callOperator(mm, 3, a, b));
    return performance.now() - start;
  });
  const gflops = Math.round((2 * 512 ** 3) / Math.min(...milliseconds) / 1e5) / 10;
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1000 / (performance.now() - begin) / Number(threads);
  console.log("FACTS " + JSON.stringify({ gflops, share: Math.min(1, Math.round(share * 100) / 100), cuda: deviceCount("cuda") }));`;

/**
 * Loads the addon in a process of its own: what goes wrong there cannot take setup with it.
 * @param {string} addon
 * @returns {Promise<Trial>}
 */
async function tryAddon(addon) {
  const args = ["-e", TRIAL, addon, String(usableCores())];
  const { code, output } = await run(process.execPath, args);
  const facts = /^FACTS (.*)$/m.exec(output)?.[1];
  return code === 0 && facts ? { code, output, facts: JSON.parse(facts) } : { code, output };
}
