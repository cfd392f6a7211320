import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * @typedef {object} Outcome
 * @property {number} code the exit code; 127 where the command does not exist
 * @property {string} output stdout and stderr, as they came
 */

/**
 * Runs a command without a shell.
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, log?: string, stdoutOnly?: boolean}} [options]
 * @returns {Promise<Outcome>}
 */
export function run(command, args, { cwd, env, log, stdoutOnly = false } = {}) {
  return new Promise((resolve) => {
    /** @type {Buffer[]} */
    const chunks = [];
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => stdoutOnly || chunks.push(chunk));
    /** @param {number} code @param {string} [extra] */
    const finish = (code, extra = "") => {
      const output = Buffer.concat(chunks).toString("utf8") + extra;
      if (log) writeLog(log, `$ ${[command, ...args].join(" ")}\n${output}\n[exit ${code}]\n\n`);
      resolve({ code, output });
    };
    child.on("error", (error) => finish(127, error.message));
    child.on("close", (code, signal) => finish(code ?? 128, signal ? `\nended by ${signal}` : ""));
  });
}

/**
 * @param {string} file
 * @param {string} text
 */
function writeLog(file, text) {
  mkdirSync(path.dirname(file), { recursive: true });
  appendFileSync(file, text);
}

/**
 * Starts a log afresh and returns its path.
 * @param {string} state
 * @param {string} name
 */
export function startLog(state, name) {
  const file = path.join(state, "logs", `${name}.log`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "");
  return file;
}

/**
 * The last lines of an output, indented, for an error message.
 * @param {string} output
 * @param {number} [count]
 */
export function tail(output, count = 6) {
  const lines = output.trimEnd().split("\n").filter(Boolean).slice(-count);
  return lines.map((line) => `    ${line.slice(0, 300)}`).join("\n");
}
