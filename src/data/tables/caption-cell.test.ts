import assert from "node:assert/strict";
import { test } from "node:test";
import { captionsOfCell, isWebAddress, labelOfCell, pathOfCell } from "./caption-cell.ts";

test("a cell holds captions as a string, a list, or a list written as JSON or by Python", () => {
  assert.deepEqual(captionsOfCell("a cat"), ["a cat"]);
  assert.deepEqual(captionsOfCell(["a", null, "b"]), ["a", "b"]);
  assert.deepEqual(captionsOfCell('["a", "b, c"]'), ["a", "b, c"]);
  assert.deepEqual(captionsOfCell(`['a, b', "it's", 'x\\'y', '\\u00e9\\n']`), [
    "a, b",
    "it's",
    "x'y",
    "é\n",
  ]);
  assert.deepEqual(captionsOfCell("[]"), []);
  assert.deepEqual(captionsOfCell(7n), ["7"]);
  assert.deepEqual(captionsOfCell(["a", 3, [["b"], NaN], ""]), ["a", "3", "b", ""]);
  assert.deepEqual(captionsOfCell('["a", 12345678901234567890]'), ["a", "12345678901234567890"]);
  assert.deepEqual(
    captionsOfCell([
      { raw: "a", tokens: ["a"] },
      { id: 3, caption: "b" },
    ]),
    ["a", "b"],
  );
  for (const none of [undefined, null, "", "  ", NaN, "\\N"])
    assert.deepEqual(captionsOfCell(none), []);
  for (const wrong of [{ a: 1 }, { raw: ["a"] }, [{ en: "a" }], ["a", true], true]) {
    assert.equal(captionsOfCell(wrong), undefined);
  }
});

test("a caption that starts like a list is a caption", () => {
  for (const text of ["[d] is a letter", "['a', b]", "['a'", "['a' 'b']", "['a\\q']", "[ ' ]"]) {
    assert.deepEqual(captionsOfCell(text), [text]);
  }
});

test("labels are strings, numbers or booleans", () => {
  assert.deepEqual(labelOfCell(" cat "), { label: "cat" });
  assert.deepEqual(labelOfCell(0), { label: "0" });
  assert.deepEqual(labelOfCell(9007199254740993n), { label: "9007199254740993" });
  assert.deepEqual(labelOfCell(false), { label: "false" });
  assert.deepEqual(labelOfCell(""), { label: undefined });
  assert.equal(labelOfCell([1]), undefined);
});

test("a path is a string, or stands in an object", () => {
  assert.equal(pathOfCell({ path: "a.jpg", bytes: null }), "a.jpg");
  assert.equal(pathOfCell(3), undefined);
  assert.ok(isWebAddress("s3://bucket/a.jpg") && isWebAddress("HTTPS://x/a.jpg"));
  assert.ok(!isWebAddress("C:\\a.jpg") && !isWebAddress("a/b.jpg"));
});
