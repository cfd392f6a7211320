#!/usr/bin/env node
/**
 * Runs benches: npm run bench -- <name> [--json]. Without a name it lists them. With --json the last
 * line is the result as JSON. Each bench is a file beside this one that exports `run()`.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { createJiti } from "jiti";

const frame = new Set(["peer.ts", "result.ts"]);
const usage = "npm run bench -- <name> [--json]";

/** Files that import another bench's parts are no bench themselves: those in `frame`, or `*-data.ts`. */
function benches() {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && !frame.has(file) && !file.endsWith("-data.ts"))
    .map((file) => path.basename(file, ".ts"))
    .sort();
}

/** @param {string[]} words */
function parse(words) {
  const names = words.filter((word) => !word.startsWith("-"));
  const unknown = words.find((word) => word.startsWith("-") && word !== "--json");
  if (unknown !== undefined) refuse(`Expected --json but received ${unknown}`);
  if (names.length > 1) refuse(`Expected one name but received ${names.join(" ")}`);
  return { name: names[0], json: words.includes("--json") };
}

/** @param {string} message @returns {never} */
function refuse(message) {
  console.error(`${message}; use: ${usage}`);
  process.exit(2);
}

/** @param {import("./result.ts").BenchResult} result */
function show({ name, limn, peer, unit, ratio, commit, notes = {} }) {
  const rows = { limn: `${limn} ${unit}`, peer: `${peer} ${unit}`, ratio, commit, ...notes };
  const width = Math.max(...Object.keys(rows).map((key) => key.length));
  console.log(name);
  for (const [key, value] of Object.entries(rows)) console.log(`  ${key.padEnd(width)}  ${value}`);
}

const { name, json } = parse(process.argv.slice(2));
const known = benches();
if (name === undefined) {
  console.log(`${usage}\n\n${known.map((bench) => `  ${bench}`).join("\n")}`);
} else {
  if (!known.includes(name)) refuse(`Expected one of ${known.join(", ")} but received ${name}`);
  const jiti = createJiti(import.meta.url);
  const module = await jiti.import(path.join(import.meta.dirname, `${name}.ts`));
  const result = await /** @type {{ run(): Promise<import("./result.ts").BenchResult> }} */ (
    module
  ).run();
  show(result);
  if (json) console.log(JSON.stringify(result));
}
