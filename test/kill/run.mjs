#!/usr/bin/env node
/**
 * Stops limn's commands from outside and looks at what they leave. Needs a built clone; minutes.
 *
 *   node test/kill/run.mjs                                  20 kills of each command
 *   node test/kill/run.mjs --command embed --command pack --kills 50
 *   node test/kill/run.mjs --mode two                       two processes at each target
 *   node test/kill/run.mjs --mode full                      a full disk under each target; as root
 *
 * kill  SIGKILL at a random moment, then the same command again, killed too or to its end: the same
 *       bytes as a command that nobody stopped, nothing left behind, no step logged twice
 * two   one is refused with exit code 4 and the other's process, or comes after the other's end; the
 *       bytes are those of one
 * full  exit code 4 with the place's name, nothing half-written; with room, the same bytes again
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contentsOf, leftovers, prepareCommands, repeatedSteps } from "./commands.mjs";

/** @typedef {import("./commands.mjs").Command} Command */
/** @typedef {{ code: number | null, signal: string | null, output: string, ms: number }} Ended */

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    command: { type: "string", multiple: true },
    mode: { type: "string", default: "kill" },
    kills: { type: "string", default: "20" },
    steps: { type: "string", default: "60" },
  },
});
const [kills = 0, steps = 0] = [values.kills, values.steps].map(Number);
const modes = { kill: killed, two: twice, full: filled };
const mode = Object.entries(modes).find(([name]) => name === values.mode)?.[1];
if (mode === undefined || ![kills, steps].every((one) => Number.isInteger(one) && one > 0)) {
  console.error("Expected kill, two or full for --mode, and whole numbers above 0 for the others.");
  process.exit(2);
}
if (values.mode === "full" && process.getuid?.() !== 0) {
  console.log("skipped: only root can mount a small disk");
  process.exit(0);
}

const folder = mkdtempSync(path.join(tmpdir(), "limn-kill-"));
const { commands, close } = await prepareCommands(folder, steps);
const chosen = values.command ?? Object.keys(commands);
/** @type {Record<string, string | number>[]} */
const table = [];
let bad = 0;
try {
  for (const name of chosen) {
    const command = commands[name];
    if (command === undefined) {
      throw new Error(`Expected one of ${Object.keys(commands).join(", ")} but received ${name}.`);
    }
    const straight = path.join(folder, `${name}-straight`);
    const first = await run(command, straight);
    if (first.code !== 0) throw new Error(`${name} ended with ${first.code}: ${first.output}`);
    const wanted = contentsOf(straight, command);
    const row = await mode(name, command, { wanted, ms: first.ms });
    table.push({ command: name, ...row });
    process.stderr.write(`${name}: ${JSON.stringify(row)}\n`);
  }
} finally {
  await close();
  rmSync(folder, { recursive: true, force: true });
}
console.table(table);
process.exitCode = bad === 0 ? 0 : 1;

/**
 * @param {string} name
 * @param {Command} command
 * @param {{ wanted: Map<string, Buffer>, ms: number }} straight
 */
async function killed(name, command, { wanted, ms }) {
  let [done, finished, different] = [0, 0, 0];
  for (let i = 0; done < kills; i++) {
    const place = path.join(folder, `${name}-${i}`);
    const target = path.join(place, "target");
    mkdirSync(place);
    for (let ended = false; !ended;) {
      // Half of the stopped ones run to their end, so that there are ends to compare.
      const goesOn = done < kills && (done === 0 || Math.random() < 0.6);
      const { code, signal, output } = await run(
        command,
        target,
        goesOn ? 30 + Math.random() * ms : undefined,
      );
      if (signal === "SIGKILL") done += 1;
      else if (code === 0) ended = true;
      else throw new Error(`${name} ended with ${code} after kills: ${output}`);
    }
    finished += 1;
    const problems = problemsOf(command, place, target, wanted);
    if (problems.length > 0) different += 1;
    report(name, problems);
    rmSync(place, { recursive: true, force: true });
  }
  return { kills: done, "ended and compared": finished, different };
}

/**
 * @param {string} name
 * @param {Command} command
 * @param {{ wanted: Map<string, Buffer> }} straight
 */
async function twice(name, command, { wanted }) {
  const place = path.join(folder, `${name}-two`);
  const target = path.join(place, "target");
  mkdirSync(place);
  const ended = await Promise.all([run(command, target), run(command, target)]);
  const problems = [];
  for (const { code, output } of ended) {
    const refused = /Expected nobody else to write|would be read together/.test(output);
    if (code !== 0 && !(code === 4 && refused)) problems.push(`exit code ${code}: ${output}`);
  }
  if (ended.every(({ code }) => code !== 0)) problems.push("both were refused");
  problems.push(...problemsOf(command, place, target, wanted));
  report(name, problems);
  return { "exit codes": ended.map(({ code }) => code).join(" and "), problems: problems.length };
}

/**
 * @param {string} name
 * @param {Command} command
 * @param {{ wanted: Map<string, Buffer> }} straight
 */
async function filled(name, command, { wanted }) {
  const place = path.join(folder, `${name}-disk`);
  const target = path.join(place, "target");
  mkdirSync(place);
  const needed = [...wanted.values()].reduce((sum, { length }) => sum + length, 0);
  const problems = [];
  const codes = [];
  for (const share of [0.05, 0.3, 0.6, 0.9]) {
    const size = Math.max(4096, Math.floor(needed * share));
    shell("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", place]);
    try {
      const { code, output } = await run(command, target);
      codes.push(code);
      const named = output.includes(place) && /ENOSPC|free/.test(output);
      if (code !== 0 && !(code === 4 && named)) problems.push(`exit code ${code}: ${output}`);
      const left = leftovers(place);
      if (code !== 0 && left.length > 0) problems.push(`left behind: ${left.join(", ")}`);
      shell("mount", ["-o", "remount,size=1g", place]);
      const again = await run(command, target);
      if (again.code !== 0) problems.push(`with room, exit code ${again.code}: ${again.output}`);
      else problems.push(...problemsOf(command, place, target, wanted));
    } finally {
      shell("umount", [place]);
    }
  }
  report(name, problems);
  return { "exit codes": codes.join(" "), problems: problems.length };
}

/**
 * What of a finished target is not as it should be.
 *
 * @param {Command} command
 * @param {string} place
 * @param {string} target
 * @param {Map<string, Buffer>} wanted
 */
function problemsOf(command, place, target, wanted) {
  const problems = leftovers(place).map((name) => `left behind: ${name}`);
  const found = contentsOf(target, command);
  for (const name of new Set([...wanted.keys(), ...found.keys()])) {
    const [one, other] = [wanted.get(name), found.get(name)];
    if (one === undefined || other === undefined || !one.equals(other)) {
      problems.push(`${name} differs`);
    }
  }
  if (command.isRun) problems.push(...repeatedSteps(target).map((key) => `logged twice: ${key}`));
  return problems;
}

/**
 * @param {string} name
 * @param {string[]} problems
 */
function report(name, problems) {
  if (problems.length === 0) return;
  bad += 1;
  console.error(`${name}:\n  ${problems.slice(0, 8).join("\n  ")}`);
}

/**
 * Runs limn to its end, or kills it after `killAfter` milliseconds.
 *
 * @param {Command} command
 * @param {string} target
 * @param {number} [killAfter]
 * @returns {Promise<Ended>}
 */
async function run({ args, env }, target, killAfter) {
  const start = performance.now();
  const child = spawn(
    process.execPath,
    [path.join(root, "bin", "limn.mjs"), ...args(target), "--json"],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env?.(target) } },
  );
  let output = "";
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  /** @type {Promise<{ code: number | null, signal: string | null }>} */
  const closed = new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal })),
  );
  if (killAfter !== undefined) {
    const stop = new AbortController();
    const late = sleep(killAfter, undefined, { signal: stop.signal }).catch(() => {});
    await Promise.race([late, closed]);
    stop.abort();
    child.kill("SIGKILL");
  }
  return { ...(await closed), output, ms: performance.now() - start };
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function shell(program, args) {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}
