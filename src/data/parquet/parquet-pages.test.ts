import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ColumnMetaData, SchemaTree } from "hyparquet";
import { type PageHeader, readPageHeader, unpackPage } from "./parquet-pages.ts";
import { readThrift } from "./thrift-check.ts";

/** A number as Thrift's compact protocol has it. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}
/** Field numbers that follow on each other: an i32 each. */
const numbers = (...values: number[]): number[] =>
  values.flatMap((value) => [0x15, ...varint(2 * value)]);

/** A header of version 1: kind, sizes, and of the page: values and encoding, levels by runs. */
const header = (kind: number, unpacked: number, size: number, values: number): Uint8Array =>
  Uint8Array.from([...numbers(kind, unpacked, size), 0x2c, ...numbers(values, 0, 3, 3), 0, 0]);

describe("Thrift", () => {
  const cases: [string, number[], RegExp][] = [
    ["a list of 2^31 structs", [0x19, 0xfc, ...varint(2 ** 31)], /a list longer than its bytes/],
    ["a field of 2^40 bytes", [0x18, ...varint(2 ** 40)], /a field longer than its bytes/],
    ["a number without an end", [0x15, ...new Array<number>(20).fill(0x80)], /longer than 64 bits/],
    ["structs in each other", new Array<number>(100).fill(0x1c), /too deep/],
    ["lists in each other", [0x19, ...new Array<number>(100).fill(0x19)], /too deep/],
    ["an end within", [0x15], /an end within a struct/],
    ["an unknown type", [0x1b, 0], /unknown type 11/],
  ];
  for (const [name, bytes, message] of cases) {
    it(`is refused with ${name}`, () => {
      assert.throws(() => readThrift(Uint8Array.from(bytes)), message);
    });
  }
  it("gives numbers, truth values and structs", () => {
    const bytes = Uint8Array.from([...numbers(7), 0x11, 0x1c, 0x16, 5, 0, 0x18, 1, 65, 0, 99]);
    assert.deepEqual(readThrift(bytes), {
      value: { 1: 7, 2: true, 3: { 1: -3 }, 4: undefined },
      end: bytes.length - 1,
    });
  });
});

describe("a page", () => {
  it("has sizes that can be", () => {
    const { size, unpackedSize, values } = readPageHeader(header(0, 90, 80, 10));
    assert.deepEqual([size, unpackedSize, values], [80, 90, 10]);
    for (const [bytes, message] of [
      [header(0, 2 ** 30 + 1, 80, 10), /a page of more than 1073741824 bytes/],
      [header(0, 90, 2 ** 31 - 1, 10), /a page of more than 1073741824 bytes/],
      [header(0, 90, 80, 2 ** 25), /a page of more than 16777216 values/],
      [header(2, 90, 80, 10), /a page without its header/],
    ] as const) {
      assert.throws(() => readPageHeader(bytes), message);
    }
  });

  const column = { codec: "UNCOMPRESSED", type: "BYTE_ARRAY" } as ColumnMetaData;
  const path = [{ element: { repetition_type: "OPTIONAL" } }] as unknown as SchemaTree[];
  const page = (body: number[], more: Partial<PageHeader> = {}): (() => unknown) => {
    const bytes = Uint8Array.from(body);
    const made = readPageHeader(header(0, bytes.length, bytes.length, 10));
    return () => unpackPage(bytes, { ...made, ...more }, column, path);
  };
  const long = varint(2 ** 31);
  it("has runs that are no longer than it", () => {
    assert.doesNotThrow(page([2, 0, 0, 0, 20, 1]));
    assert.throws(page([6, 0, 0, 0, ...long, 1]), /a run that is too long/);
    assert.throws(page([9, 0, 0, 0, 20, 1]), /cut in its levels/);
    const levels = [2, 0, 0, 0, 20, 1];
    assert.throws(page([...levels, 3, ...long, 1], { encoding: 8 }), /a run that is too long/);
    assert.throws(page([...levels, 77], { encoding: 8 }), /indices of more than 32 bits/);
  });
  it("has deltas in blocks that can be", () => {
    const levels = [2, 0, 0, 0, 20, 1];
    assert.doesNotThrow(page([...levels, ...varint(128), 4, 10, 0], { encoding: 5 }));
    for (const sizes of [
      [...varint(2 ** 30), 4],
      [...varint(128), 0],
      [...varint(128), 5],
    ]) {
      assert.throws(
        page([...levels, ...sizes], { encoding: 5 }),
        /blocks of deltas that cannot be/,
      );
    }
    assert.throws(page(levels, { encoding: 7 }), /an encoding that is not supported/);
  });
  it("unpacks to the size that its header says", () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    const made = readPageHeader(header(0, 1 << 29, bytes.length, 10));
    for (const codec of ["GZIP", "BROTLI", "LZO"] as const) {
      const packed = { ...column, codec } as ColumnMetaData;
      assert.throws(
        () => unpackPage(bytes, made, packed, path),
        /cannot be unpacked|not supported/,
      );
    }
  });
});
