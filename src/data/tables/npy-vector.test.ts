import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { NoVectorError, parseNpyVector } from "./npy-vector.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../../test/goldens/npy.json", import.meta.url), "utf8"),
) as {
  float32: string;
  vectors: Record<string, { file: string; numbers: number[]; floats: boolean }>;
  noVectors: Record<string, string>;
};
const bytesOf = (text: string): Buffer => Buffer.from(text, "base64");

describe("parseNpyVector", () => {
  it("refuses arrays that are no vectors of numbers, saying which", () => {
    const reasons: Record<string, RegExp> = {
      matrix: /^it is an array of shape \(2, 3\), not a vector$/,
      none: /^it is an array of shape \(0, 3\)/,
      long: /^it has 10001 numbers, more than the 10000 of a vector$/,
      huge: /^its number 9007199254740993 is beyond 2\^53$/,
      unsigned: /^its number 18446744073709551615 is beyond/,
      bigEndian: /^its elements are >i8, not integers, floats or truths$/,
      text: /^its elements are <U2/,
      complex: /^its elements are <c16/,
      objects: /^its elements are \|O/,
    };
    for (const [name, message] of Object.entries(reasons)) {
      assert.throws(
        () => parseNpyVector(bytesOf(golden.noVectors[name]!)),
        (error) => {
          assert.ok(error instanceof NoVectorError, name);
          assert.match(error.message, message);
          return true;
        },
      );
    }
    assert.throws(() => parseNpyVector(bytesOf(golden.noVectors["fields"]!)), /its header is not/);
  });

  it("refuses files that are damaged or none", () => {
    const whole = bytesOf(golden.vectors["int64"]!.file);
    const refuses = (bytes: Buffer, message: RegExp): void =>
      assert.throws(
        () => parseNpyVector(bytes),
        (error) => !(error instanceof NoVectorError) && message.test((error as Error).message),
      );
    refuses(Buffer.alloc(0), /no file of numpy\.save/);
    refuses(Buffer.from("[1, 2, 3]"), /no file of numpy\.save/);
    refuses(whole.subarray(0, 60), /cut off inside its header/);
    refuses(whole.subarray(0, -1), /31 bytes for 4 elements of <i8/);
    refuses(Buffer.concat([whole, Buffer.of(0)]), /33 bytes for 4 elements/);
    const huge = Buffer.from(whole);
    huge.write("(9999999999999999,), }", huge.indexOf("(4,)"), "latin1");
    refuses(huge, /its shape is/);
  });

  it("reads every type of number as numpy has it", () => {
    for (const [name, { file, numbers, floats }] of Object.entries(golden.vectors)) {
      const vector = parseNpyVector(bytesOf(file));
      const exact = name === "float16" || name === "float32" ? numbers.map(Math.fround) : numbers;
      assert.deepEqual(vector, { numbers: exact, floats }, name);
    }
  });
});
