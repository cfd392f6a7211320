/**
 * One process of a campaign: makes and reads inputs one after another and writes where it is, so that
 * the parent knows which input it died or hangs on. Failures and the summary go to its channel.
 */
import { openSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { LimnError } from "../../dist/src/errors.js";
import { mutate } from "./mutate.mjs";
import { Random } from "./random.mjs";

/** @typedef {import("./campaign.mjs").Reader} Reader */

const [readerFile = "", progress = "", ...numbers] = process.argv.slice(2);
/** The last is the CPU time that one input may take; wall time says nothing on a busy machine. */
const [seed = 0, from = 0, to = 0, mostSeconds = 0] = numbers.map(Number);
const reader = /** @type {Reader} */ (await import(pathToFileURL(readerFile).href));

/** Peak memory that one input may add; deflate alone makes a thousand bytes of one. */
const mostGrowth = (/** @type {number} */ length) => 64e6 + 4096 * length;
/** Peak memory that all inputs together may add. */
const mostTotal = 512e6;

const descriptor = openSync(progress, "w");
const counter = new Float64Array(1);
const counterBytes = new Uint8Array(counter.buffer);
/** @type {Record<string, number>} */
const outcomes = {};
let failures = 0;

const peak = () => process.resourceUsage().maxRSS * 1024;
// What loading and compiling cost is no input's.
for (const file of reader.files) {
  await attempt(file);
  await attempt(prepared(file, new Random(0, 0)));
}
const start = peak();
let before = start;

for (let index = from; index < to; index++) {
  counter[0] = index;
  writeSync(descriptor, counterBytes, 0, 8, 0);
  const random = new Random(seed, index);
  const bytes = prepared(mutate(reader.files, random), random);
  const clock = process.cpuUsage();
  const { outcome, failure } = await attempt(bytes);
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const { user, system } = process.cpuUsage(clock);
  const seconds = (user + system) / 1e6;
  const after = peak();
  if (failure !== undefined) report(index, failure, bytes);
  if (seconds > mostSeconds) report(index, `it took ${seconds.toFixed(1)} s`, bytes);
  if (after - before > mostGrowth(bytes.length)) {
    report(
      index,
      `it took ${Math.round((after - before) / 1e6)} MB for ${bytes.length} bytes`,
      bytes,
    );
  }
  before = after;
  if (failures >= 20) break;
}
if (before - start > mostTotal) {
  const grown = Math.round((before - start) / 1e6);
  report(to - 1, `memory grew by ${grown} MB over all inputs`, Buffer.alloc(0));
}
// A message that is still on its way would be lost.
process.send?.({ done: outcomes, grown: before - start }, () => process.disconnect?.());

/** @param {Buffer} bytes @param {Random} random */
function prepared(bytes, random) {
  return reader.prepare?.(bytes, random) ?? bytes;
}

/** @param {Buffer} bytes @returns {Promise<{ outcome: string, failure?: string }>} */
async function attempt(bytes) {
  try {
    await reader.read(bytes);
    return { outcome: "read" };
  } catch (error) {
    if (error instanceof LimnError || reader.admits?.(error)) {
      return {
        outcome: /** @type {Error} */ (error).message
          .replace(/"[^"]*"/g, '"..."')
          .replace(/\d+/g, "0")
          .slice(0, 90),
      };
    }
    const failure =
      error instanceof Error ? (error.stack ?? error.message) : `threw ${String(error)}`;
    return { outcome: "failed", failure };
  }
}

/** @param {number} index @param {string} what @param {Buffer} bytes */
function report(index, what, bytes) {
  failures++;
  process.send?.({ failure: { index, what, bytes: bytes.toString("base64") } });
}
