import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { cellOf, ColumnSet, storedAs, widened, type ColumnKind } from "./metadata-columns.ts";

const kinds: ColumnKind[] = ["null", "boolean", "integer", "long", "double", "text"];
const float = (value: number): unknown => Object(value);
const kindsOf = (...records: Record<string, unknown>[]): string => {
  const columns = new ColumnSet();
  for (const record of records) columns.place(record);
  return columns.list.map(({ name, kind }) => `${name}:${kind}`).join(" ");
};

describe("the kind of a column", () => {
  it("does not depend on the order in which its values come", () => {
    for (const a of kinds) {
      assert.equal(widened(a, a), a);
      for (const b of kinds) {
        assert.equal(widened(a, b), widened(b, a));
        for (const c of kinds) {
          assert.equal(widened(widened(a, b), c), widened(a, widened(b, c)), `${a} ${b} ${c}`);
        }
      }
    }
  });

  it("is the narrowest that holds all values as they are", () => {
    const long = 6391326009969271747n;
    assert.equal(kindsOf({ a: null }, {}), "a:null");
    assert.equal(kindsOf({ a: null }, { a: 3 }), "a:integer");
    assert.equal(kindsOf({ a: 3 }, { a: long }), "a:long");
    assert.equal(kindsOf({ a: 3 }, { a: 0.5 }), "a:double");
    assert.equal(kindsOf({ a: float(1) }, { a: float(2) }), "a:double");
    assert.equal(kindsOf({ a: 3 }, { a: 2 ** 60 }), "a:double");
    assert.equal(kindsOf({ a: long }, { a: 0.5 }), "a:text");
    assert.equal(kindsOf({ a: 2n ** 63n }), "a:text");
    assert.equal(kindsOf({ a: -(2n ** 63n) }), "a:long");
    assert.equal(kindsOf({ a: true }, { a: 1 }), "a:text");
    assert.equal(kindsOf({ a: [1, 2] }, { a: {} }), "a:text");
  });

  it("decides how a value is stored", () => {
    const long = 6391326009969271747n;
    assert.equal(cellOf(long, "long"), long);
    assert.equal(cellOf(7, "long"), 7n);
    assert.equal(cellOf(7, "double"), 7);
    assert.equal(cellOf(float(7), "double"), 7);
    assert.equal(cellOf(long, "text"), "6391326009969271747");
    assert.equal(cellOf(float(7), "text"), "7.0");
    assert.equal(cellOf([long, "x"], "text"), '[6391326009969271747,"x"]');
    assert.equal(cellOf("as it is", "text"), "as it is");
    for (const kind of kinds) assert.equal(cellOf(null, kind), null);
    assert.deepEqual(kinds.map(storedAs), "STRING BOOLEAN INT64 INT64 DOUBLE STRING".split(" "));
  });
});

describe("the columns of records", () => {
  it("are named as pandas.json_normalize does, in the order of appearance", () => {
    const record = { b: 1, a: { c: { d: "x" }, e: {} }, image_path: "no", caption: "no", f: [{}] };
    assert.equal(
      kindsOf(record, { late: true }),
      "b:integer a.c.d:text a.e:text f:text late:boolean",
    );
    assert.equal(
      kindsOf(JSON.parse('{"__proto__": 1}') as Record<string, unknown>),
      "__proto__:integer",
    );
  });

  it("go on from those of earlier shards", () => {
    const first = new ColumnSet();
    first.place({ a: 1 });
    const second = new ColumnSet(first.list);
    assert.deepEqual(
      [...second.place({ b: 2, a: 0.5 })],
      [
        [1, 2],
        [0, 0.5],
      ],
    );
    assert.equal(first.list.map(({ kind }) => kind).join(), "integer");
    assert.equal(second.list.map(({ kind }) => kind).join(), "double,integer");
  });

  it("are a thousand at most, the rest is one of JSON", () => {
    const columns = new ColumnSet();
    const names = Array.from({ length: 1003 }, (_, i) => [`k${i}`, i] as const);
    const row = columns.place(Object.fromEntries(names));
    assert.equal(columns.list.length, 1001);
    assert.deepEqual(columns.list[1000], { name: "_other", kind: "text" });
    assert.equal(row.get(1000), '{"k1000":1000,"k1001":1001,"k1002":1002}');
    columns.place({ another: 1, k0: 0.5 });
    assert.equal(columns.list.length, 1001);
    assert.equal(columns.list[0]?.kind, "double");
  });
});
