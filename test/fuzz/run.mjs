#!/usr/bin/env node
/**
 * Feeds damaged files to a reader and fails where it does anything but refuse them in limn's words:
 *
 *   node test/fuzz/run.mjs <reader> [--count 100000] [--seed 1] [--from 0]
 *   node test/fuzz/run.mjs all
 *
 * A reader is a file of `readers/` (see `Reader` in campaign.mjs); a new one takes part by being
 * there. A failing input is saved, and `--from <index> --count 1` makes it again.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { campaign } from "./campaign.mjs";

const folder = path.join(import.meta.dirname, "readers");
const known = readdirSync(folder).map((file) => path.basename(file, ".mjs"));
const { values, positionals } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
  },
  allowPositionals: true,
});
const wanted = positionals[0] === "all" ? known : positionals;
const [count = 0, seed = 0, from = 0] = [values.count, values.seed, values.from].map(Number);
if (wanted.length === 0 || wanted.some((name) => !known.includes(name))) {
  console.error(
    `Expected a reader, one of ${known.join(", ")} or all; use: node test/fuzz/run.mjs <reader>`,
  );
  process.exit(2);
}
if (![count, seed, from].every(Number.isSafeInteger)) {
  console.error("Expected whole numbers for --count, --seed and --from");
  process.exit(2);
}
for (const name of wanted) {
  const started = performance.now();
  const file = path.join(folder, `${name}.mjs`);
  const { failures, outcomes, grown } = await campaign(file, { seed, from, count });
  const seconds = Math.round((performance.now() - started) / 1000);
  const { read = 0, ...refused } = outcomes;
  const kinds = Object.entries(refused).sort(([, a], [, b]) => b - a);
  console.log(
    `${name}: ${count} inputs of seed ${seed} in ${seconds} s, ${read} read, refused in ` +
      `${kinds.length} ways, ${Math.round(grown / 1e6)} MB of memory, ${failures.length} failures`,
  );
  for (const [message, times] of kinds.slice(0, 12)) console.log(`  ${times}  ${message}`);
  for (const { index, what, bytes } of failures) {
    const saved = path.join(tmpdir(), `limn-fuzz-${name}-${seed}-${index}`);
    if (bytes.length > 0) writeFileSync(saved, bytes);
    console.error(`FAILED input ${index}${bytes.length > 0 ? ` (${saved})` : ""}: ${what}`);
    process.exitCode = 1;
  }
}
