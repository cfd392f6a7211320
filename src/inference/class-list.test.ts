import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { classList } from "./class-list.ts";

describe("classList", () => {
  it("refuses empty lists, empty names and duplicates", () => {
    assert.throws(() => classList([]), /at least one class/);
    assert.throws(() => classList(["cat", []]), /names for class 1 but received \[\]/);
    assert.throws(() => classList(["cat", ["dog", " "]]), /names for class 1/);
    assert.throws(() => classList(["cat", ""]), /names for class 1 but received \[""\]/);
    assert.throws(() => classList(["cat", ["dog", ""]], { alike: true }), /names for class 1/);
    assert.throws(
      () => classList(["cat", "dog", ["cat", "tom"]]),
      /classes 0 and 2 are both "cat"/,
    );
  });

  it("keeps the first name as the label", () => {
    assert.deepEqual(classList(["cat", ["cat", "tom"]], { alike: true }).labels, ["cat", "cat"]);
    assert.deepEqual(classList(["cat", ""], { alike: true }).names, [["cat"], [""]]);
    assert.deepEqual(classList(["cat", ["dog", "hound"]]), {
      labels: ["cat", "dog"],
      names: [["cat"], ["dog", "hound"]],
    });
  });
});
