#!/usr/bin/env node
/**
 * Everything that CI checks, in the order in which it fails fastest: format, lint, types, the
 * package's shape, then every test. Ends with node's own counts and a right exit code.
 *
 *   npm test                          all of it
 *   node test/run.mjs --only lint     one check
 *   node test/run.mjs src/nn          the tests of one folder; src/nn/module.test.ts: of one file
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** What one test file may take before it counts as hanging, also on a busy machine. */
const TEST_TIMEOUT_MS = 600_000;

/** @type {Record<string, string[][]>} */
const checks = {
  format: [["prettier", "prettier", "--check", ".", "--log-level", "warn", "--cache"]],
  lint: [["oxlint", "oxlint", "--type-aware", "--deny-warnings", "--format=unix"]],
  types: [
    // TypeScript's build has been checked by setup
    ["typescript", "tsc", "-p", "tsconfig.tools.json"],
    ["typescript", "tsc", "-p", "tsconfig.setup.json"],
  ],
  package: [["publint", "publint", "--strict"]],
};

const { values, positionals } = parseArgs({
  options: { only: { type: "string" } },
  allowPositionals: true,
});
if (values.only && !Object.hasOwn(checks, values.only)) {
  console.error(`Expected one of ${Object.keys(checks).join(", ")} for --only.`);
  process.exit(2);
}

/** @type {string[]} */
const failed = [];
// prettier and the compilers use a core each: two at a time
const wanted = Object.keys(checks).filter(
  (name) => positionals.length === 0 && (!values.only || values.only === name),
);
await Promise.all([runChecks(), runChecks()]);
if (!values.only) {
  const code = await runTests(positionals);
  if (code !== 0) failed.push("tests");
}
if (failed.length > 0) console.error(`\nFailed: ${failed.join(", ")}`);
process.exit(failed.length > 0 ? 1 : 0);

/** Takes one check after another from those that are left. */
async function runChecks() {
  for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
    const started = performance.now();
    for (const [packageName = "", bin = "", ...args] of checks[name] ?? []) {
      const { code, output } = await runBin(packageName, bin, args);
      if (code === 0) continue;
      process.stdout.write(output);
      failed.push(name);
      break;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${failed.includes(name) ? "FAIL" : "ok  "} ${name} (${seconds} s)`);
  }
}

/**
 * Runs the command of an installed package, without a shell and without the PATH.
 * @param {string} packageName
 * @param {string} bin
 * @param {string[]} args
 * @returns {Promise<{code: number, output: string}>}
 */
function runBin(packageName, bin, args) {
  const folder = path.join(root, "node_modules", packageName);
  const { bin: bins } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const script = path.join(folder, typeof bins === "string" ? bins : bins[bin]);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => (output += String(chunk)));
    }
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** @param {string[]} wanted folders or files; none: every test */
function runTests(wanted) {
  const files = (wanted.length > 0 ? wanted : ["dist", "test"]).flatMap(testFiles);
  if (files.length === 0) {
    console.error(`Expected tests in ${wanted.join(", ")} but found none.`);
    return Promise.resolve(1);
  }
  // each file runs operators on every core it may use: more than two at once only wait
  const concurrency = `--test-concurrency=${Math.min(2, availableParallelism())}`;
  // a test that hangs fails by its name, and does not wait for CI's own limit
  const timeout = `--test-timeout=${TEST_TIMEOUT_MS}`;
  const args = ["--test", "--test-reporter=spec", timeout, concurrency, ...files];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/**
 * The compiled tests of a place in the sources, or of one in dist.
 * @param {string} place @returns {string[]}
 */
function testFiles(place) {
  if (/^src(\/|$)/.test(place)) return testFiles(path.join("dist", place.replace(/\.ts$/, ".js")));
  const full = path.resolve(root, place);
  if (!existsSync(full)) return [];
  if (/\.test\.m?js$/.test(place)) return [full];
  return readdirSync(full, { recursive: true })
    .map(String)
    .filter((name) => /\.test\.m?js$/.test(name))
    .sort()
    .map((name) => path.join(full, name));
}
