import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeName, decodeText, encodePath, readableName } from "./decode-text.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const utf16 = (text: string, bigEndian = false): Buffer => {
  const encoded = Buffer.from(`\uFEFF${text}`, "utf16le");
  return bigEndian ? encoded.swap16() : encoded;
};

test("what is no UTF-8 is refused with the place of its first wrong byte", () => {
  const wrong: [at: number, Uint8Array][] = [
    [3, Buffer.from("café", "latin1")],
    [0, bytes(0x80)],
    [0, bytes(0xc0, 0xaf)],
    [1, bytes(0x61, 0xe0, 0x9f, 0xbf)],
    [0, bytes(0xed, 0xa0, 0x80)],
    [0, bytes(0xf0, 0x8f, 0xbf, 0xbf)],
    [0, bytes(0xf4, 0x90, 0x80, 0x80)],
    [0, bytes(0xf5, 0x80, 0x80, 0x80)],
    [2, bytes(0xc3, 0xa9, 0xe2, 0x82)],
    [3, bytes(0xe2, 0x82, 0xac, 0xc3, 0x28)],
    [4, bytes(0xf0, 0x9f, 0x98, 0x80, 0xff)],
  ];
  for (const [at, value] of wrong) {
    assert.throws(() => decodeText(value), {
      message: `bytes that are not UTF-8 (byte ${at}); save it as UTF-8`,
    });
  }
});

test("UTF-32, UTF-16 without its mark or cut, and zero bytes are refused", () => {
  assert.throws(
    () => decodeText(bytes(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0)),
    /in UTF-32; save it as UTF-8/,
  );
  assert.throws(
    () => decodeText(bytes(0, 0, 0xfe, 0xff, 0, 0, 0, 0x61)),
    /in UTF-32; save it as UTF-8/,
  );
  assert.throws(
    () => decodeText(Buffer.from("a cat", "utf16le")),
    /a zero byte \(byte 1\), as text in UTF-16/,
  );
  assert.throws(() => decodeText(Buffer.from("a\0cat")), /a zero byte \(byte 1\)/);
  for (const bigEndian of [false, true]) {
    const whole = utf16("a cat", bigEndian);
    assert.throws(() => decodeText(whole.subarray(0, -1)), /UTF-16 that is cut or damaged/);
    assert.throws(() => decodeText(utf16("\ud800", bigEndian)), /UTF-16 that is cut or damaged/);
  }
});

test("UTF-8 and UTF-16 are read without their marks, and nothing else is changed", () => {
  const text = "un café \u{1f600} \ufffd\r\n";
  assert.equal(decodeText(Buffer.from(text)), text);
  assert.equal(decodeText(Buffer.from(`\uFEFF${text}`)), text);
  assert.equal(decodeText(Buffer.from(`\uFEFF\uFEFF${text}`)), `\uFEFF${text}`);
  assert.equal(decodeText(utf16(text)), text);
  assert.equal(decodeText(utf16(text, true)), text);
  assert.equal(decodeText(bytes()), "");
  const all = Array.from({ length: 0x3000 }, (_, i) => String.fromCharCode(i + 1)).join("");
  assert.equal(decodeText(Buffer.from(all)), all);
});

test("names are bytes: two that are no UTF-8 stay two, and find their way back", () => {
  const names = [
    Buffer.from("café/猫.jpg"),
    Buffer.from("caf\xe9.jpg", "latin1"),
    Buffer.from("caf\xe8.jpg", "latin1"),
    bytes(0x25, 0xff, 0xc3, 0xed, 0xa0, 0x80, 0x61),
    bytes(0x80),
    bytes(),
  ];
  const decoded = names.map(decodeName);
  assert.equal(new Set(decoded).size, names.length);
  assert.deepEqual(
    decoded.map((name) => Buffer.from(encodePath(name))),
    names.map((name) => Buffer.from(name)),
  );
  assert.equal(decoded[1], "caf\udce9.jpg");
  const readable = ["café/猫.jpg", "caf%E9.jpg", "caf%E8.jpg", "%25%FF%C3%ED%A0%80a", "%80", ""];
  assert.deepEqual(decoded.map(readableName), readable);
  assert.equal(readableName("100%.jpg"), "100%.jpg");
});
