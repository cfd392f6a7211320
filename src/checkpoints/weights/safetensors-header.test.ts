import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildHeader, parseHeader, parseHeaderLength } from "./safetensors-header.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Parses a header whose file has `dataSize` bytes of data. */
const parse = (json: unknown, dataSize: number): ReturnType<typeof parseHeader> => {
  const text = bytes(typeof json === "string" ? json : JSON.stringify(json));
  return parseHeader(text, 8 + text.length + dataSize);
};
const float = (shape: unknown, offsets: unknown, dtype: unknown = "F32"): object => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe("a damaged safetensors header", () => {
  const cases: [string, unknown, number, RegExp][] = [
    ["nothing", "", 0, /not a JSON object/],
    ["an array", "[]", 0, /not a JSON object/],
    ["a blank before the brace", " {}", 0, /not a JSON object/],
    ["cut JSON", '{"a":', 0, /not valid JSON/],
    ["nested without end", "{".repeat(100_000), 0, /not valid JSON/],
    [
      "a name twice",
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      0,
      /a name twice/,
    ],
    ["metadata of numbers", { __metadata__: { a: 1 } }, 0, /__metadata__ is not an object of str/],
    ["metadata as a list", { __metadata__: [] }, 0, /__metadata__ is not an object/],
    ["an entry that is null", { a: null }, 0, /"a" has the unknown dtype undefined/],
    ["an unknown type", { a: float([1], [0, 4], "F31") }, 4, /unknown dtype "F31"/],
    ["a type from the prototype", { a: float([1], [0, 4], "toString") }, 4, /unknown dtype/],
    ["a negative side", { a: float([-1], [0, 4]) }, 4, /"a" has the shape \[-1\]/],
    ["half a side", { a: float([0.5], [0, 2]) }, 2, /"a" has the shape \[0\.5\]/],
    ["no shape", { a: { dtype: "F32", data_offsets: [0, 4] } }, 4, /the shape undefined/],
    ["one offset", { a: float([1], [4]) }, 4, /data_offsets \[4\]/],
    ["offsets backwards", { a: float([1], [4, 0]) }, 4, /F32 \[1\], 4 bytes, .* hold -4/],
    ["too few bytes", { a: float([2, 3], [0, 20]) }, 20, /F32 \[2, 3\], 24 bytes, .* hold 20/],
    ["sizes beyond numbers", { a: float([2 ** 52, 2 ** 52, 2 ** 52], [0, 4]) }, 4, /bytes, but/],
    ["a hole", { a: float([1], [0, 4]), b: float([1], [8, 12]) }, 12, /4 to 8, before .*"b".*hole/],
    ["an overlap", { a: float([2], [0, 8]), b: float([1], [4, 8]) }, 8, /"b" overlaps .*byte 4/],
    ["one range twice", { a: float([1], [0, 4]), b: float([1], [0, 4]) }, 4, /"b" overlaps/],
    [
      "a start after 0",
      { a: float([1], [4, 8]) },
      8,
      /bytes 0 to 4, before tensor "a", are a hole/,
    ],
    ["cut data", { a: float([4], [0, 16]) }, 10, /data is cut off at byte 10 of 16/],
    ["bytes after the data", { a: float([1], [0, 4]) }, 7, /3 bytes follow the last tensor/],
  ];
  for (const [name, json, dataSize, message] of cases) {
    it(`is refused: ${name}`, () => {
      assert.throws(() => parse(json, dataSize), message);
    });
  }

  it("is refused for its length", () => {
    const length = (n: bigint): Uint8Array => new Uint8Array(new BigUint64Array([n]).buffer);
    assert.throws(() => parseHeaderLength(length(2n ** 63n), 100), /claims 9223372036854775808/);
    assert.throws(() => parseHeaderLength(length(100_000_001n), 1e9), /more than the allowed/);
    assert.throws(() => parseHeaderLength(length(93n), 100), /93 bytes but the file has 100/);
    assert.throws(() => parseHeaderLength(new Uint8Array(5), 5), /ends after 5 bytes/);
    assert.equal(parseHeaderLength(length(92n), 100), 92);
  });
});

it("takes metadata that is null for none", () => {
  assert.deepEqual(parse({ __metadata__: null }, 0).metadata, {});
});

describe("buildHeader", () => {
  it("aligns the data and orders by element size, then name", () => {
    const made = buildHeader(
      [
        { name: "b", dtype: "uint8", shape: [3] },
        { name: "c", dtype: "float32", shape: [2] },
        { name: "a", dtype: "float32", shape: [] },
        { name: "d", dtype: "int64", shape: [0] },
      ],
      { format: "pt" },
    );
    assert.equal(made.bytes.length % 8, 0);
    assert.deepEqual(
      made.order.map(({ name }) => name),
      ["d", "a", "c", "b"],
    );
    const { tensors, metadata, length } = parseHeader(
      made.bytes.subarray(8),
      made.bytes.length + 15,
    );
    assert.equal(length, made.bytes.length);
    assert.deepEqual(metadata, { format: "pt" });
    assert.deepEqual(tensors.get("c"), {
      dtype: "float32",
      storedAs: "F32",
      shape: [2],
      bytes: 8,
      start: 4,
      end: 12,
    });
    assert.equal(tensors.get("b")?.end, 15);
  });

  it("keeps names that JavaScript treats in its own way", () => {
    const names = ["__proto__", "7", 'a"b', "ü"];
    const shapes = names.map((name) => ({ name, dtype: "int8" as const, shape: [1] }));
    const made = buildHeader(shapes, {});
    const { tensors } = parseHeader(made.bytes.subarray(8), made.bytes.length + 4);
    assert.deepEqual([...tensors.keys()].sort(), [...names].sort());
  });
});
