import { parseArgs } from "node:util";
import { SetupError, makeContext } from "./context.mjs";
import { engineReady, setUpEngine } from "./engine.mjs";
import { withLock } from "./lock.mjs";
import { installPackages, packagesReady } from "./packages.mjs";
import { note } from "./report.mjs";
import { compileTypeScript, typescriptReady } from "./typescript.mjs";

/** @typedef {import("./context.mjs").Context} Context */

const USAGE = `Usage: limn setup [--force]

Finds or fetches libtorch and builds the engine; in a clone also npm packages and TypeScript.
What is up to date is left alone.

  --force   search for libtorch and build again
  --help    this text

LIBTORCH=<folder>        a libtorch with lib/ and include/
LIMN_LIBTORCH=<choice>   auto, system, python, apt, pip, zip, a folder, or the path or URL of a zip
LIMN_HOME=<folder>       where the engine is kept; default: build/, else ~/.cache/limn
CXX=<compiler>           the C++ compiler

Examples:
  npx limn setup
  LIMN_LIBTORCH=python npx limn setup --force`;

/**
 * The whole of `node setup.mjs`; sets the exit code.
 * @param {string[]} argv
 */
export async function main(argv) {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { force: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) console.log(USAGE);
    else await setup({ force: values.force === true });
  } catch (error) {
    const usage = /** @type {{code?: string}} */ (error).code?.startsWith("ERR_PARSE_ARGS");
    if (!(error instanceof SetupError) && !usage) throw error;
    process.stderr.write(`limn setup: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = usage ? 2 : 1;
  }
}

/** @param {{force?: boolean}} [options] */
export async function setup(options) {
  const context = makeContext(options);
  if (ready(context)) return;
  await withLock(context.state, async () => {
    const { clone } = context;
    if (clone && !packagesReady(context)) await installPackages(context);
    if (!engineReady(context)) await setUpEngine(context);
    if (clone && !typescriptReady(context)) await compileTypeScript(context);
  });
  if (!context.clone) note("ready");
}

/** @param {Context} context */
function ready(context) {
  const { clone } = context;
  return (!clone || (packagesReady(context) && typescriptReady(context))) && engineReady(context);
}
