import assert from "node:assert/strict";
import { test } from "node:test";
import { devices, resolveDevice } from "./index.ts";

test("a device that is not there is refused under the caller's name for it", () => {
  assert.throws(
    () => resolveDevice("cuda:9", "--device"),
    (error: Error) =>
      error.constructor === RangeError &&
      /^Expected one of auto, cpu\b.* for --device but received "cuda:9"; limn doctor/.test(
        error.message,
      ),
  );
  assert.throws(() => resolveDevice("gpu"), /for device but received "gpu"/);
});

test("auto and cuda stand for the first device of their kind", () => {
  const found = devices();
  assert.equal(found[0], "cpu");
  assert.equal(resolveDevice("cpu"), "cpu");
  const gpu = found.find((device) => device.startsWith("cuda"));
  assert.equal(resolveDevice("auto"), gpu ?? "cpu");
  if (gpu) assert.equal(resolveDevice("cuda"), "cuda:0");
});
