import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePattern, endsInTime } from "./pattern.ts";

const timedOut = (): never => {
  throw new Error("Script execution timed out");
};

test("a pattern is judged by processor time: a busy machine gives it more wall-clock time", () => {
  let now = 0;
  const timeouts: number[] = [];
  const starved = (timeout: number): void => {
    timeouts.push(timeout);
    // A twentieth of a processor.
    now += Math.min(timeout / 20, 60);
    if (timeout / 20 < 60) timedOut();
  };
  assert.equal(
    endsInTime(starved, () => now),
    true,
  );
  assert.deepEqual(timeouts, [500, 1000, 2000]);
});

test("a pattern that takes the processor time itself is slow, at once", () => {
  let now = 0;
  const timeouts: number[] = [];
  const slow = (timeout: number): void => {
    timeouts.push(timeout);
    now += timeout;
    timedOut();
  };
  assert.equal(
    endsInTime(slow, () => now),
    false,
  );
  assert.deepEqual(timeouts, [500]);
  const ends = (): void => void (now += 700);
  assert.equal(
    endsInTime(ends, () => now),
    false,
  );
});

test("a thread that never runs does not wait for ever", () => {
  let count = 0;
  const stopped = (): void => {
    count++;
    timedOut();
  };
  assert.equal(
    endsInTime(stopped, () => 0),
    false,
  );
  assert.equal(count, 7);
});

test("patterns of published tokenizers pass, and cubic ones do not", () => {
  const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  const compile = (Regex: string): RegExp => compilePattern({ type: "Split", pattern: { Regex } });
  assert.ok(compile(gpt2) instanceof RegExp);
  assert.throws(() => compile("a*a*a*a*b"), /may take time without bound/);
});
