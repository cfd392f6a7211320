#!/usr/bin/env node
/**
 * Stops limn's commands from outside and looks at what they leave. Needs a built clone; minutes.
 *
 *   node test/kill/run.mjs                                  20 kills of each command
 *   node test/kill/run.mjs --command embed --command pack --kills 50
 *   node test/kill/run.mjs --mode two                       two processes at each target
 *   node test/kill/run.mjs --mode full                      a full disk under each target; as root
 *   node test/kill/run.mjs --mode refused                   a target that cannot be written; as root
 *
 * kill  SIGKILL at a random moment, then the same command again, killed too or to its end: the same
 *       bytes as a command that nobody stopped, nothing left behind, no step logged twice
 * two   one is refused with exit code 4 and the other's process, or comes after the other's end; the
 *       bytes are those of one
 * full  exit code 4 with the place's name, nothing half-written; with room, the same bytes again
 * refused  a file in the way, a disk that is mounted for reading, another user's folder, a limit on the
 *       size of files: exit code 4 with the place's name, and nothing left
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
/** Ways in which a place says no: what makes it so, how limn is run there, and what ends it. */
const refusals = {
  "a file in the way": {
    begin: (/** @type {string} */ place) => writeFileSync(place, "a file"),
    end: (/** @type {string} */ place) => rmSync(place),
  },
  "read-only": {
    begin: (/** @type {string} */ place) => {
      mkdirSync(place);
      shell("mount", ["-t", "tmpfs", "-o", "ro,size=1m", "none", place]);
    },
    end: (/** @type {string} */ place) => shell("umount", [place]),
  },
  "another user": {
    begin: (/** @type {string} */ place) => mkdirSync(place, { mode: 0o755 }),
    how: { uid: 65534, gid: 65534 },
    end: () => {},
  },
  "size of files": {
    begin: (/** @type {string} */ place) => mkdirSync(place),
    how: { fileBlocks: 1 },
    end: () => {},
  },
};

const [kills = 0, steps = 0] = [values.kills, values.steps].map(Number);
const modes = { kill: killed, two: twice, full: filled, refused };
const mode = Object.entries(modes).find(([name]) => name === values.mode)?.[1];
if (mode === undefined || ![kills, steps].every((one) => Number.isInteger(one) && one > 0)) {
  console.error(
    "Expected kill, two, full or refused for --mode, and whole numbers above 0 for the others.",
  );
  process.exit(2);
}
if (["full", "refused"].includes(values.mode) && process.getuid?.() !== 0) {
  console.log("skipped: only root can mount a small disk");
  process.exit(0);
}

const folder = mkdtempSync(path.join(tmpdir(), "limn-kill-"));
// The other user of `refused` reads the inputs.
chmodSync(folder, 0o755);
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
    if (mode === refused) {
      const row = await refused(name, command);
      table.push({ command: name, ...row });
      process.stderr.write(`${name}: ${JSON.stringify(row)}\n`);
      continue;
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
        goesOn ? { killAfter: 30 + Math.random() * ms } : {},
      );
      if (signal === "SIGKILL") done += 1;
      // Killed when all was done: what is whole is not written again.
      else if (code === 0 || (code === 4 && /would be read together/.test(output))) ended = true;
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
 * @param {string} name
 * @param {Command} command
 */
async function refused(name, command) {
  const problems = [];
  /** @type {Record<string, string | number>} */
  const codes = {};
  for (const [what, { begin, end, ...further }] of Object.entries(refusals)) {
    const place = path.join(folder, `${name}-${what.replaceAll(" ", "-")}`);
    begin(place);
    try {
      const how = "how" in further ? further.how : {};
      const { code, signal, output } = await run(command, path.join(place, "target"), { how });
      codes[what] = code ?? String(signal);
      if (code !== 4 || !output.includes(place)) problems.push(`${what}: ${code}: ${output}`);
      const left = what === "a file in the way" ? [] : leftovers(place);
      if (left.length > 0) problems.push(`${what}: left behind: ${left.join(", ")}`);
    } finally {
      end(place);
    }
  }
  report(name, problems);
  return { ...codes, problems: problems.length };
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
 * @typedef {{ uid?: number, gid?: number, fileBlocks?: number }} How as whom, and the limit on a file's size
 * @param {Command} command
 * @param {string} target
 * @param {{ killAfter?: number, how?: How }} [options]
 * @returns {Promise<Ended>}
 */
async function run({ args, env }, target, { killAfter, how = {} } = {}) {
  const start = performance.now();
  const { fileBlocks, ...user } = how;
  const limn = [process.execPath, path.join(root, "bin", "limn.mjs"), ...args(target), "--json"];
  const limited = ["sh", "-c", `ulimit -f ${fileBlocks}; exec "$@"`, "sh", ...limn];
  const [program = "", ...rest] = fileBlocks === undefined ? limn : limited;
  const child = spawn(program, rest, {
    ...user,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env?.(target) },
  });
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
