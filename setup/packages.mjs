import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./context.mjs";
import { run, startLog, tail } from "./process.mjs";
import { stage } from "./report.mjs";

/** @typedef {import("./context.mjs").Context} Context */

/**
 * Whether node_modules is what package-lock.json asks for.
 * @param {Context} context
 */
export function packagesReady({ root }) {
  const lockFile = path.join(root, "package-lock.json");
  if (!existsSync(lockFile)) return existsSync(path.join(root, "node_modules"));
  const text = readFileSync(lockFile, "utf8");
  if (readStamp(root) === hash(text)) return true;
  if (!installedAsLocked(root, text)) return false;
  writeStamp(root, text);
  return true;
}

/** @param {Context} context */
export async function installPackages(context) {
  await stage("npm packages", async () => {
    refuseLink(path.join(context.root, "node_modules"));
    const log = startLog(context.state, "npm");
    const [command, prefix] = npmCommand();
    const args = [
      ...prefix,
      "ci",
      "--include=dev",
      "--include=optional",
      "--no-audit",
      "--no-fund",
    ];
    let { code, output } = await run(command, args, { cwd: context.root, log });
    if (code !== 0 && /EUSAGE/.test(output)) {
      // the lock file lags behind package.json: a person's own change, or another npm's opinion
      const install = [...prefix, "install", "--no-save", ...args.slice(prefix.length + 1)];
      ({ code, output } = await run(command, install, { cwd: context.root, log }));
    }
    if (code !== 0) {
      throw new SetupError(
        `npm ci failed:\n${tail(output)}\n  The whole output is in ${log}; ` +
          "check the network or proxy settings (npm config list) and try again.",
      );
    }
    writeStamp(context.root, readFileSync(path.join(context.root, "package-lock.json"), "utf8"));
  });
}

/**
 * npm empties what the link leads to, which other programs may use.
 * @param {string} folder
 */
function refuseLink(folder) {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new SetupError(
    `Expected a folder of limn's own at ${folder} but received a link to ${readlinkSync(folder)} with other ` +
      "packages, which npm would remove; run npm ci there, or remove the link",
  );
}

/** npm runs by the Node that runs us where it started us; else the one on the PATH. */
function npmCommand() {
  const cli = process.env.npm_execpath;
  if (cli && cli.endsWith("npm-cli.js")) return /** @type {const} */ ([process.execPath, [cli]]);
  return /** @type {const} */ ([process.platform === "win32" ? "npm.cmd" : "npm", []]);
}

/**
 * npm's own record of what it installed has every package at the version of the lock file, but for
 * optional ones of other platforms.
 * @param {string} root
 * @param {string} lockText
 */
function installedAsLocked(root, lockText) {
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, "utf8")).packages;
  const wanted = Object.entries(JSON.parse(lockText).packages).filter(([name]) => name !== "");
  return wanted.every(([name, { version, optional }]) => {
    const found = installed[name];
    return found ? found.version === version && existsSync(path.join(root, name)) : optional;
  });
}

/** @param {string} text */
function hash(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** @param {string} root */
function stampFile(root) {
  return path.join(root, "node_modules", ".limn-packages");
}

/** @param {string} root */
function readStamp(root) {
  return existsSync(stampFile(root)) ? readFileSync(stampFile(root), "utf8") : undefined;
}

/** @param {string} root @param {string} lockText */
function writeStamp(root, lockText) {
  writeFileSync(stampFile(root), hash(lockText));
}
