import assert from "node:assert/strict";
import { test } from "node:test";
import { usableCores } from "../files/cores.ts";
import { startingThreads } from "./threads.ts";

test("OMP_NUM_THREADS says how many threads to start with", () => {
  assert.equal(startingThreads({ OMP_NUM_THREADS: "3" }), 3);
  for (const useless of ["", "0", "-1", "2.5", "many"]) {
    assert.equal(startingThreads({ OMP_NUM_THREADS: useless }), usableCores());
  }
  assert.equal(startingThreads({}), usableCores());
});
