/** A few hundred damaged files for every reader, and that the campaign sees what it looks for. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";
import { campaign } from "./fuzz/campaign.mjs";

const readers = path.join(import.meta.dirname, "fuzz", "readers");
const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("a campaign reports", () => {
  /** @param {string} name @param {string} body of `read(bytes)` */
  const reader = (name, body) => {
    const file = path.join(folder, `${name}.mjs`);
    writeFileSync(
      file,
      `export const files = [Buffer.from("valid content of a file")];
       let count = 0;
       export function read(bytes) { if (count++ === 12) { ${body} } }`,
    );
    return file;
  };
  /** @type {[string, string, RegExp][]} */
  const cases = [
    ["an error that is not limn's", "undefined.x", /TypeError: Cannot read properties/],
    ["a crash", "process.abort()", /ended with SIGABRT|ended with code/],
    ["an end", "process.exit(0)", /ended with code 0/],
    ["a hang", "for (;;) ;", /no progress for 2 s/],
    [
      "a slow input",
      "const start = process.cpuUsage(); while (process.cpuUsage(start).user < 5e5) Math.random();",
      /it took \d\.\d s/,
    ],
    ["memory", "globalThis.kept = Buffer.alloc(2e8, 1)", /it took \d+ MB for \d+ bytes/],
  ];
  for (const [name, body, message] of cases) {
    it(name, async () => {
      const { failures } = await campaign(reader(name.replaceAll(/\W/g, "-"), body), {
        count: 20,
        ...(name === "a hang" ? { hang: 2 } : { most: 0.25 }),
      });
      assert.ok(failures.length > 0, "nothing was reported");
      assert.match(failures[0]?.what ?? "", message);
      assert.ok(failures.every(({ index }) => index >= 0 && index < 20));
    });
  }
});

it("operators that look at their operands too late are refused before they do", async () => {
  const only = [
    ...["max_unpool2d", "max_unpool3d", "reflection_pad2d_backward", "native_channel_shuffle"],
    ...["native_batch_norm", "batch_norm_update_stats", "matrix_exp_backward", "slow_conv3d"],
    ...["fractional_max_pool2d_backward", "align_tensors", "choose_qparams_optimized"],
  ].map((name) => `aten::${name}`);
  const script = path.join(import.meta.dirname, "fuzz", "operators.mjs");
  const args = [script, "--count", "40", "--only", only.join(",")];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  // libtorch 2.15 has no align_tensors any more.
  assert.match(stdout, /^1[01] operators, 40 calls each in \d+ s: 0 end the process, 0 hang\n$/);
});

describe("a reader refuses damaged files in limn's words", () => {
  for (const file of readdirSync(readers)) {
    it(path.basename(file, ".mjs"), async () => {
      const { failures, outcomes } = await campaign(path.join(readers, file), { count: 200 });
      assert.deepEqual(
        failures.map(({ index, what }) => `${index}: ${what}`),
        [],
      );
      const kinds = Object.values(outcomes);
      assert.equal(
        kinds.reduce((sum, times) => sum + times, 0),
        200,
      );
      assert.ok(kinds.length > 2, "the damage meets a check or two only");
    });
  }
});
