/**
 * Texts and JSON records of samples: in every encoding, with what Python writes. Both JSON readers must
 * agree with JSON.parse where it reads the text, and what is written must be read back.
 */
import assert from "node:assert/strict";
import { types } from "node:util";
import { decodeText } from "../../../dist/src/files/decode-text.js";
import { formatJson, parseJson } from "../../../dist/src/files/json-text.js";
import { PieceReader, readText } from "../../../dist/src/data/sources/read-sample.js";
import { damageJson } from "../damage-json.mjs";

const records = [
  '{"url":"https://e.org/a.jpg","caption":"a cat","key":"000000000","status":"success","width":256,"sha256":"ab","exif":"{\\"Image ImageWidth\\": \\"1\\"}","similarity":0.31,"hash":6391326009969271747}',
  '{"captions":["one",null,["two"],2012,""],"label":3,"score":1.0,"nan":NaN,"inf":[-Infinity,Infinity],"__proto__":{"a":1e400}}',
  '{"captions":[],"caption":"\\ud83d\\ude00 caf\\u00e9 \\ud800","deep":[[[[{"a":[1e3,-0.0,12345678901234567890]}]]]],"big":-9223372036854775809}',
  '[{"caption":"x"}]',
];
const marked = (/** @type {string} */ text, /** @type {BufferEncoding} */ encoding) =>
  Buffer.from(`\uFEFF${text}`, encoding);

/** The last kinds are captions. */
export const files = [
  ...records.map((text) => Buffer.from(text)),
  marked(records[0] ?? "", "utf8"),
  marked(records[1] ?? "", "utf16le"),
  marked(records[2] ?? "", "utf16le").swap16(),
  Buffer.from("un café \u{1f600}\r\nzwei\rtrois\n"),
  marked("un café \u{1f600}\r\nzwei", "utf16le"),
];

/** @param {Buffer} bytes @param {import("../random.mjs").Random} random */
export function prepare(bytes, random) {
  if (random.below(3) > 0) return bytes;
  const text = random.pick(records).replaceAll(/NaN|-?Infinity/g, "null");
  return Buffer.from(JSON.stringify(damageJson(JSON.parse(text), random)));
}

/** Reasons that the reader of samples puts into words. @param {unknown} error */
export function admits(error) {
  return error instanceof Error && ["Error", "SyntaxError"].includes(error.constructor.name);
}

const reader = new PieceReader();

/** @param {Buffer} bytes */
export function read(bytes) {
  const piece = { file: "x", offset: 0, bytes };
  const ref = { key: "x", file: "x", image: piece };
  const reading = { captionKeys: ["captions", "caption"], captionPerLine: true };
  attempt(() => readText(reader, { ...ref, text: piece }, reading));
  attempt(() => readText(reader, { ...ref, json: piece, classIndex: piece }, reading));
  readText(reader, { ...ref, json: piece, text: piece }, { ...reading, anyJson: true });
  checkJson(decodeText(bytes));
}

/** @param {string} text */
function checkJson(text) {
  const plain = attempt(() => ({ value: /** @type {unknown} */ (JSON.parse(text)) }));
  const rounded = attempt(() => ({ value: parseJson(text, { integers: "rounded" }) }));
  // Deeper than this it may refuse.
  if (plain !== undefined && !text.includes("[".repeat(400))) {
    assert.deepEqual(rounded?.value, plain.value, "another value than JSON.parse's");
  }
  const value = parseJson(text, { floats: "marked" });
  const written = formatJson(value);
  assert.deepEqual(parseJson(written, { floats: "marked" }), withoutOdd(value), "not read back");
}

/** Infinity, from 1e400, is written as null, and -0 as 0. @param {unknown} value @returns {unknown} */
function withoutOdd(value) {
  if (Array.isArray(value)) return value.map(withoutOdd);
  if (value !== null && typeof value === "object" && !types.isNumberObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutOdd(one)]));
  }
  if (value === Infinity || value === -Infinity) return null;
  return Object.is(value, -0) ? 0 : value;
}

/** @template T @param {() => T} action @returns {T | undefined} */
function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (!admits(error)) throw error;
    return undefined;
  }
}
