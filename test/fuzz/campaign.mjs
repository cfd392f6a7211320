/**
 * Reads many damaged files in child processes and collects what must not happen: an error that is
 * not limn's own, an input that takes long or much memory, a crash, a hang.
 */
import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * A file of `readers/`: what it needs to take part.
 *
 * @typedef {object} Reader
 * @property {readonly Buffer[]} files valid ones, a few kB each
 * @property {(bytes: Buffer) => void | Promise<void>} read throws a LimnError, or one that `admits` knows
 * @property {(bytes: Buffer, random: import("./random.mjs").Random) => Buffer} [prepare] mends sums
 *   and lengths around the damage, so that it is not the outermost check that meets it
 * @property {(error: unknown) => boolean} [admits]
 */

/**
 * @typedef {object} Failure
 * @property {number} index of the input
 * @property {string} what
 * @property {Buffer} bytes empty where the process is gone; the index makes them again
 */

/** Seconds without progress that are a hang, on a machine with much else to do. */
const hangSeconds = 60;
/** Seconds of CPU time that one input may take. */
const mostSeconds = 1;
const child = path.join(import.meta.dirname, "child.mjs");

/**
 * Runs inputs `from` to `from + count - 1` of a seed.
 * @param {string} reader path of a reader's file
 * @param {{ seed?: number, from?: number, count: number, hang?: number, most?: number }} options
 */
export async function campaign(reader, options) {
  const { seed = 1, from = 0, count, hang = hangSeconds, most = mostSeconds } = options;
  const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-"));
  const progress = path.join(folder, "progress");
  /** @type {Failure[]} */
  const failures = [];
  /** @type {Record<string, number>} */
  const outcomes = {};
  let grown = 0;
  try {
    let next = from;
    // Each crash or hang ends one process; the next one goes on behind it.
    while (next < from + count && failures.length < 20) {
      const args = [reader, progress, seed, next, from + count, most].map(String);
      const run = await runChild(args, progress, hang);
      failures.push(...run.failures);
      grown = Math.max(grown, run.grown);
      for (const [outcome, times] of Object.entries(run.outcomes)) {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + times;
      }
      if (run.whole) break;
      failures.push({ index: run.last, what: run.death, bytes: Buffer.alloc(0) });
      next = run.last + 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { failures, outcomes, grown };
}

/** @param {string[]} args @param {string} progress @param {number} hang */
function runChild(args, progress, hang) {
  const options = {
    execArgv: ["--max-old-space-size=512"],
    silent: true,
    // One thread: the inputs are tiny.
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  };
  const process_ = fork(child, args, options);
  const result = {
    /** @type {Failure[]} */ failures: [],
    /** @type {Record<string, number>} */ outcomes: {},
    grown: 0,
    whole: false,
    last: -1,
    death: "",
  };
  let said = "";
  process_.stderr?.on("data", (chunk) => (said = (said + String(chunk)).slice(0, 2000)));
  let [seen, since] = [-1, performance.now()];
  const watch = setInterval(() => {
    const at = readProgress(progress);
    if (at !== seen) [seen, since] = [at, performance.now()];
    else if (at >= 0 && performance.now() - since > hang * 1000) {
      result.death = `no progress for ${hang} s`;
      process_.kill("SIGKILL");
    }
  }, 250);
  return new Promise((resolve, reject) => {
    process_.on("message", (message) => {
      const { failure, done, grown } = /** @type {any} */ (message);
      if (failure)
        result.failures.push({ ...failure, bytes: Buffer.from(failure.bytes, "base64") });
      if (done) Object.assign(result, { outcomes: done, grown, whole: true });
    });
    process_.on("error", reject);
    process_.on("close", (code, signal) => {
      clearInterval(watch);
      result.last = readProgress(progress);
      result.death ||= `the process ended with ${signal ?? `code ${code}`} ${said}`.trim();
      if (!result.whole && result.last < 0) reject(new Error(`${child}: ${result.death}`));
      else resolve(result);
    });
  });
}

/** The input that a child works on; -1 before the first. @param {string} file */
function readProgress(file) {
  try {
    const bytes = readFileSync(file);
    return bytes.length < 8 ? -1 : bytes.readDoubleLE(0);
  } catch {
    return -1;
  }
}
