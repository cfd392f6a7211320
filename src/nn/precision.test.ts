import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { availability, checkPrecision, precisions, type Precision } from "./precision.ts";

describe("precisions", () => {
  it("are those that the processor multiplies in", () => {
    const has = (precision: Precision, ...features: string[]): boolean =>
      availability(precision, "cpu", new Set(features)).has;
    assert.ok(has("float32"));
    assert.ok(has("bfloat16", "avx2", "avx512_bf16"));
    assert.ok(has("bfloat16", "asimd", "bf16"));
    assert.ok(!has("bfloat16", "avx512f", "avx512_vnni"));
    assert.ok(!has("int8", "avx512f", "avx512_bf16"));
  });

  it("are told why they cannot be had", () => {
    const why = (...given: Parameters<typeof availability>): string => {
      const found = availability(...given);
      return found.has ? "" : found.why;
    };
    assert.equal(
      why("bfloat16", "cpu", new Set(["avx2"])),
      "the processor has none of avx512_bf16, amx_bf16, bf16",
    );
    assert.equal(why("int8", "cuda:0"), "int8 is for the CPU, and the device is cuda:0");
    assert.equal(why("bfloat16", "cuda:0"), "");
    assert.throws(() => checkPrecision("int8", "cuda:0"), {
      name: "RangeError",
      message:
        "Expected one of float32, bfloat16 for precision but received int8, and int8 is for the " +
        "CPU, and the device is cuda:0; choose another one",
    });
    assert.throws(() => checkPrecision("int4" as Precision), {
      name: "RangeError",
      message: /^Expected one of float32.* for precision but received int4, and there is no such/,
    });
    assert.equal(precisions[0], "float32");
  });
});
