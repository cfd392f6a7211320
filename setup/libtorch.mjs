import { existsSync } from "node:fs";
import path from "node:path";
import { fetchWithApt, installOpenBlas, mayUseApt } from "./apt.mjs";
import { SetupError, hasNvidiaGpu } from "./context.mjs";
import { libraryName, missingLibraries, older } from "./describe.mjs";
import { fetchWheel } from "./wheel.mjs";
import { note } from "./report.mjs";
import { searchFolder, searchPython, searchSystem, searchVariable } from "./search.mjs";
import { fetchOfficialZip, fetchZip } from "./zip.mjs";

/**
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {import("./describe.mjs").Libtorch} Libtorch
 * @typedef {import("./search.mjs").Search} Search
 */

/**
 * What is older is taken only where nothing newer can be fetched: Debian's 1.13 is several times
 * slower on new processors (docs/install.md).
 */
const FAST = [2, 0];

const WORDS = ["auto", "system", "python", "apt", "pip", "zip"];

/**
 * The libtorch to build against: what the user named, else what this machine has, else a fetched
 * one.
 * @param {Context} context
 * @returns {Promise<Libtorch>}
 */
export async function findLibtorch(context) {
  const wish = process.env.LIMN_LIBTORCH || "auto";
  const found = await (WORDS.includes(wish) ? byWord(context, wish) : byPlace(context, wish));
  return found.blas === "reference" ? repairBlas(found) : found;
}

/** @param {Context} context @param {string} wish */
async function byWord(context, wish) {
  if (wish === "system") return demand(wish, await searchSystem());
  if (wish === "python") return demand(wish, await searchPython(context));
  if (wish === "apt") return (await searchSystem()).found ?? fetchWithApt(context);
  if (wish === "pip") return (await fetchedAs(context, "pip")) ?? fetchWheel(context);
  if (wish === "zip") return (await fetchedAs(context, "zip")) ?? fetchOfficialZip(context);
  return automatic(context);
}

/**
 * A wheel that was fetched without a GPU lacks most of CUDA: where one has come, it is fetched anew.
 * @param {Context} context
 * @param {string} kind
 */
async function fetchedAs({ fetched, force }, kind) {
  const folder = `${fetched}/libtorch-${kind}`;
  if (force || !existsSync(folder)) return undefined;
  const { found } = await searchFolder(kind, folder);
  if (!found || !hasNvidiaGpu() || kind !== "pip") return found;
  const cuda = path.join(found.lib, libraryName("torch_cuda"));
  return found.cuda && (await missingLibraries(cuda)).length === 0 ? found : undefined;
}

/**
 * What an earlier setup fetched.
 * @param {Context} context
 * @returns {Promise<Search>}
 */
async function searchFetched(context) {
  for (const kind of ["pip", "zip"]) {
    const found = await fetchedAs({ ...context, force: false }, kind);
    if (found) return { found, reason: "" };
  }
  return { reason: "setup has fetched none before" };
}

/** @param {Context} context @param {string} wish */
async function byPlace(context, wish) {
  if (/^https?:/.test(wish) || wish.endsWith(".zip")) return fetchZip(context, wish);
  if (!/[/\\]/.test(wish) && !existsSync(wish)) {
    throw new SetupError(
      `Expected ${WORDS.join(", ")}, a folder, or the path or URL of a zip for LIMN_LIBTORCH ` +
        `but received "${wish}".`,
    );
  }
  return demand("folder", await searchFolder("folder", wish));
}

/** @param {string} wish @param {Search} search */
function demand(wish, { found, reason }) {
  if (found) return found;
  throw new SetupError(
    `Expected a libtorch for LIMN_LIBTORCH=${process.env.LIMN_LIBTORCH || wish} but ${reason}; ` +
      "name another one, or unset LIMN_LIBTORCH and setup finds or fetches one.",
  );
}

/** @param {Context} context */
async function automatic(context) {
  const named = await searchVariable();
  if (named.found) return named.found;
  if (process.env.LIBTORCH) {
    throw new SetupError(
      `Expected $LIBTORCH to be a folder with lib/ and include/ but ${named.reason}; ` +
        "correct or unset it.",
    );
  }
  const reasons = [named.reason];
  /** @type {Libtorch | undefined} */
  let old;
  for (const search of [searchPython, searchSystem, searchFetched]) {
    const { found, reason } = await search(context);
    if (found && !older(found.version, FAST)) return found;
    old ??= found;
    reasons.push(found ? `${found.path} has libtorch ${found.version}` : reason);
  }
  // PyPI's comes first, as it is the newest. Debian's knows no GPU.
  const others = mayUseApt() && !hasNvidiaGpu() ? [fetchWithApt] : [];
  for (const fetcher of [fetchWheel, ...(old ? [] : [...others, fetchOfficialZip])]) {
    try {
      return await fetcher(context);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      reasons.push(error.message);
    }
  }
  if (old) {
    const why = reasons[reasons.length - 1];
    note(
      `libtorch ${old.version} is several times slower than libtorch 2, which did not come: ${why}`,
    );
    return old;
  }
  throw new SetupError(
    "Expected a libtorch but found none and could fetch none:\n" +
      reasons.map((reason) => `  - ${reason}`).join("\n") +
      "\n  Any of these helps: a network; apt-get install libtorch-dev libopenblas0-pthread; " +
      "pip install torch; or LIBTORCH=<folder with lib/ and include/>.",
  );
}

/**
 * The reference BLAS makes matrix products some 40 times slower.
 * @param {Libtorch} libtorch
 */
async function repairBlas(libtorch) {
  if (mayUseApt() && (await installOpenBlas())) {
    const again = (await searchSystem()).found ?? libtorch;
    if (again.blas !== "reference") return again;
  }
  note(
    `${libtorch.path}'s libtorch runs on the reference BLAS, about 40 times slower than OpenBLAS; ` +
      "run: sudo apt-get install libopenblas0-pthread " +
      "(or: sudo update-alternatives --config libblas.so.3-$(uname -m)-linux-gnu).",
  );
  return libtorch;
}
