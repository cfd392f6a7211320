#!/usr/bin/env node
/**
 * Calls libtorch's operators with operands that they may not expect, and lists those that end the
 * process or hang in place of throwing:
 *
 *   node test/fuzz/operators.mjs [--count 200] [--seed 1] [--only aten::conv2d,aten::fft_fft] [--all]
 *
 * Without --all, operators whose names begin with `_` are left out: libtorch calls them itself and
 * checks before it does.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { manualSeed, noGrad, operatorNames, scope } from "../../dist/src/torch/index.js";
import { callForEffect, operator, operatorSchema } from "../../dist/src/torch/index.js";
import { operands, parameters } from "./hostile-operands.mjs";
import { Random } from "./random.mjs";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    all: { type: "boolean", default: false },
    child: { type: "string", default: "" },
    from: { type: "string", default: "0,0" },
  },
});
const count = Number(values.count);
const hangSeconds = 60;
/** Crashes of one operator, after which the next one has its turn. */
const mostCrashes = 3;
/** Kilobytes of address space, so that huge sizes are refused and not allocated. */
const mostMemory = 6_000_000;

/** Writes files, waits for others, or is for other devices. */
const left =
  /^aten::(from_file|save|record_stream|pin_memory|is_pinned|.*(cuda|cudnn|mkldnn|mps).*)/;

const names = operatorNames()
  .filter((name) => /^(aten|limn)::/.test(name) && !left.test(name))
  .filter((name) => values.all || !name.startsWith("aten::_"))
  .filter((name) => values.only === "" || values.only.split(",").includes(name))
  .sort();

if (values.child === "") await parent();
else child(values.child);

/** @param {string} name */
function find(name) {
  const [base = "", overload] = name.split(".");
  return operator(base, overload);
}

/** @param {string} progress */
function child(progress) {
  const descriptor = openSync(progress, "w");
  const [first = 0, firstDraw = 0] = values.from.split(",").map(Number);
  for (let i = first; i < names.length; i++) {
    const op = find(names[i] ?? "");
    const wanted = parameters(operatorSchema(op));
    for (let draw = i === first ? firstDraw : 0; draw < count; draw++) {
      // By the name: what other operators there are changes nothing.
      const random = new Random(Number(values.seed) * 1000 + draw, hash(names[i] ?? ""));
      manualSeed(1);
      scope(() =>
        noGrad(() => {
          const given = operands(wanted, random);
          const text = `${i},${draw},${given.map(show).join(" ")}`.slice(0, 1000).padEnd(1000);
          writeSync(descriptor, text, 0);
          try {
            callForEffect(op, ...given);
          } catch {
            // Whatever is thrown was not a crash.
          }
        }),
      );
    }
  }
  closeSync(descriptor);
}

/** @param {string} text */
function hash(text) {
  let value = 7;
  for (const letter of text) value = (value * 31 + letter.charCodeAt(0)) % 1_000_003;
  return value;
}

/** @param {unknown} value @returns {string} */
function show(value) {
  return Array.isArray(value) ? `[${value.map(show).join(" ")}]` : String(value);
}

async function parent() {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-operators-"));
  const progress = path.join(folder, "progress");
  /** @type {Map<string, string[]>} */
  const found = new Map();
  const started = performance.now();
  try {
    let [at = 0, draw = 0] = values.from.split(",").map(Number);
    while (at < names.length) {
      rmSync(progress, { force: true });
      const end = await runChild(progress, `${at},${draw}`);
      if (end === undefined) break;
      const [index = "", number = "", ...rest] = readOr(progress).split(",");
      if (number === "") throw new Error(`internal: the first call was not reached: ${end}`);
      const name = names[Number(index)] ?? "";
      const crashes = found.get(name) ?? [];
      crashes.push(`${end} on draw ${number}: ${rest.join(",").trim()}`);
      found.set(name, crashes);
      console.log(`${name}: ${crashes.at(-1)}`);
      [at, draw] =
        crashes.length < mostCrashes && !end.startsWith("hang")
          ? [Number(index), Number(number) + 1]
          : [Number(index) + 1, 0];
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const ends = [...found].filter(([, crashes]) => crashes.some((one) => !one.startsWith("hang")));
  console.log(
    `${names.length} operators, ${count} calls each in ${seconds} s: ${ends.length} end the process, ` +
      `${found.size - ends.length} hang`,
  );
  if (ends.length > 0) process.exitCode = 1;
}

/**
 * @param {string} progress
 * @param {string} from
 * @returns {Promise<string | undefined>} how the child ended, undefined where it got through
 */
function runChild(progress, from) {
  const self = fileURLToPath(import.meta.url);
  const args = [self, "--child", progress, "--from", from, "--count", String(count)];
  args.push("--seed", values.seed, ...(values.all ? ["--all"] : []));
  if (values.only !== "") args.push("--only", values.only);
  const limited = `ulimit -v ${mostMemory}; exec "$0" "$@"`;
  const running = spawn("sh", ["-c", limited, process.execPath, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  let said = "";
  running.stderr.on("data", (chunk) => (said = (said + String(chunk)).slice(-300)));
  let [seen, since, hung] = ["", performance.now(), false];
  const watch = setInterval(() => {
    const now = readOr(progress).slice(0, 40);
    // Before its first call it starts, which takes its time on a busy machine.
    if (now !== seen || now === "") [seen, since] = [now, performance.now()];
    else if (performance.now() - since > hangSeconds * 1000) {
      hung = true;
      running.kill("SIGKILL");
    }
  }, 500);
  return new Promise((resolve) => {
    running.on("close", (code, signal) => {
      clearInterval(watch);
      if (code === 0) resolve(undefined);
      else if (hung) resolve(`hang of ${hangSeconds} s`);
      else resolve(signal ?? `code ${code} ${said.trim().split("\n").at(-1)}`);
    });
  });
}

/** @param {string} file */
function readOr(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
