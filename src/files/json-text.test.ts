import assert from "node:assert/strict";
import { test } from "node:test";
import { formatJson, parseJson } from "./json-text.ts";

const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

test("what is no JSON is refused with the place, beside NaN and long integers too", () => {
  for (const text of ["", "{", '{"a":}', "[1,]", "nul", '{"a" 1}', "[1] 2", "'a'"]) {
    assert.throws(() => parseJson(text), SyntaxError, text);
    // The exact reader meets the same texts behind an integer that only it can hold.
    assert.throws(() => parseJson(`[12345678901234567890, ${text}`), SyntaxError, text);
  }
  const wrong = (text: string): RegExp =>
    new RegExp(`Unexpected (token|end).*${text === "" ? "input" : text}`);
  assert.throws(() => parseJson("[NaN, x]"), wrong("position 6"));
  assert.throws(() => parseJson("[NaN, 1"), wrong(""));
  assert.throws(() => parseJson("[NaN, 01]"), wrong("position 7"));
  assert.throws(() => parseJson("[NaN, -]"), wrong("position 6"));
  assert.throws(() => parseJson("[NaN, {x: 1}]"), wrong("position 7"));
  assert.throws(() => parseJson('[NaN, "a\nb"]'), /Bad string in JSON at position 6/);
  assert.throws(() => parseJson('[NaN, "a'), /Bad string in JSON at position 6/);
});

test("depth and digits are bounded", () => {
  assert.doesNotThrow(() => parseJson(deep(500)));
  for (const text of [deep(501), "[".repeat(1e6), `{"a":${deep(500)}}`]) {
    assert.throws(() => parseJson(text), /More than 500 objects and lists/);
  }
  const brackets = JSON.stringify({ "[[[": `\\"${"[{".repeat(600)}` });
  assert.deepEqual(parseJson(brackets), JSON.parse(brackets));
  assert.equal(parseJson("9".repeat(4300)), BigInt("9".repeat(4300)));
  assert.throws(() => parseJson(`[${"9".repeat(4301)}]`), /More than 4300 digits .* position 1/);
});

test("a mark is passed over, and Python's NaN and infinities are null", () => {
  assert.deepEqual(parseJson('\uFEFF{"a":1}'), { a: 1 });
  const text = '{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN \\" Infinity"}';
  assert.deepEqual(parseJson(text), { a: null, b: [null, null], c: 'NaN " Infinity' });
});

test("integers are exact, or rounded where settings are read", () => {
  const text =
    '{"hash": 6391326009969271747, "small": 9007199254740991, "less": -9007199254740993}';
  const value = parseJson(text);
  assert.deepEqual(value, {
    hash: 6391326009969271747n,
    small: 9007199254740991,
    less: -9007199254740993n,
  });
  assert.equal(formatJson(value), text.replaceAll(": ", ":").replaceAll(", ", ","));
  assert.equal(parseJson("1000000000000000019884624838656", { integers: "rounded" }), 1e30);
  assert.equal(parseJson("0.1234567890123456"), 0.1234567890123456);
  assert.equal(
    parseJson("[NaN, 9007199254740993]", { integers: "rounded" })?.toString(),
    ",9007199254740992",
  );
});

test("a float that is whole stays a float where that is asked for", () => {
  const text = '{"a":1.0,"b":2,"c":0.5,"d":-0.0,"e":[1e2]}';
  const marked = parseJson(text, { floats: "marked" });
  assert.equal(formatJson(structuredClone(marked)), '{"a":1.0,"b":2,"c":0.5,"d":-0.0,"e":[100.0]}');
  assert.deepEqual(parseJson(text), JSON.parse(text));
});

test("both readers agree with JSON.parse, __proto__ included", () => {
  const text = String.raw`{ "__proto__" : {"x":1}, "é\n\u0041\\" : [true,false,null,"",{},[],-0,1e3,1.5E-2] ,
    "again":1,"again":2 }`;
  const plain = JSON.parse(text) as object;
  assert.deepEqual(parseJson(text), plain);
  assert.deepEqual(parseJson(text.replace("null", "NaN")), plain);
  assert.ok(Object.hasOwn(parseJson(text.replace("null", "NaN")) as object, "__proto__"));
  assert.equal(formatJson(plain), JSON.stringify(plain));
  const odd = {
    a: undefined,
    b: () => 1,
    c: [undefined],
    d: new Date(0),
    e: Number.NaN,
    f: "\ud800",
  };
  assert.equal(formatJson(odd), JSON.stringify(odd));
});
