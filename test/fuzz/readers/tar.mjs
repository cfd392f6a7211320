/** Headers of tar archives: ustar, GNU and pax. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { TarError, tarEntries } from "../../../dist/src/data/sources/tar-format.js";
import { golden } from "../weights.mjs";

/** @type {{ cases: { gzip: string }[] }} */
const { cases } = JSON.parse(readFileSync(golden("data-tar.json"), "utf8"));
export const files = cases
  .map(({ gzip }) => gunzipSync(Buffer.from(gzip, "base64")))
  .filter((bytes) => bytes.length <= 40_000);

/**
 * The sums of most headers are made right again, so that what they say is looked at.
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  if (random.below(4) === 0) return bytes;
  const made = Buffer.from(bytes);
  for (let at = 0; at + 512 <= made.length; at += 512) {
    const header = made.subarray(at, at + 512);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0`, 148, "latin1");
  }
  return made;
}

/**
 * The reader's own error, which sources turn into one that names the shard.
 * @param {unknown} error
 */
export function admits(error) {
  return error instanceof TarError;
}

/** @param {Buffer} bytes */
export function read(bytes) {
  const steps = tarEntries();
  for (let step = steps.next(Buffer.alloc(0)); !step.done;) {
    if ("entry" in step.value) {
      step = steps.next(Buffer.alloc(0));
      continue;
    }
    const { offset, length } = step.value.read;
    step = steps.next(bytes.subarray(offset, offset + length));
  }
}
