import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LimnError } from "../../errors.ts";
import { DecoderPool } from "./decoder-pool.ts";

const script = (source: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort } from "node:worker_threads"; ${source}`)}`,
  );

const READY = 'parentPort.postMessage({ kind: "ready", ready: { contextLength: 5 } });';

/** A pool of one worker that runs `source`; resolves with its failure. */
function poolOf(source: string): {
  pool: DecoderPool<never, never, unknown>;
  failure: Promise<Error>;
} {
  let report: (error: Error) => void = () => {};
  const failure = new Promise<Error>((resolve) => (report = resolve));
  const pool = new DecoderPool<never, never, unknown>({
    script: script(source),
    workers: 1,
    data: {},
    onDone: () => {},
    onFailure: report,
  });
  return { pool, failure };
}

describe("DecoderPool", () => {
  it("reports a worker that ends or throws while it has work", async () => {
    const deaths: [string, RegExp][] = [
      [
        "process.exit(3)",
        /Expected a decoding worker to keep running but it ended with exit code 3; resume/,
      ],
      ['throw new Error("lost")', /keep running but it failed with Error: lost/],
    ];
    for (const [death, message] of deaths) {
      const { pool, failure } = poolOf(`${READY} parentPort.on("message", () => { ${death} });`);
      assert.deepEqual(await pool.start(), { contextLength: 5 });
      pool.send(0, []);
      const error = await failure;
      assert.ok(error instanceof LimnError && error.code === "LIMN_WORKER");
      assert.match(error.message, message);
      await pool.stop();
    }
  });
  it("rejects start when a worker cannot start", async () => {
    const { pool } = poolOf(
      'parentPort.postMessage({ kind: "failed", error: { name: "RangeError", message: "no tokenizer" } });',
    );
    await assert.rejects(pool.start(), /no tokenizer/);
    await pool.stop();
  });
});
