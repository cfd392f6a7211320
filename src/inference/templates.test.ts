import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { classList, fillTemplate, promptTemplates, resolveTemplates } from "./templates.ts";

describe("resolveTemplates", () => {
  it("refuses an unknown set and names the nearest", () => {
    assert.throws(() => resolveTemplates("simpel" as "simple"), {
      name: "RangeError",
      message: /Expected one of bare, photo, simple .* "simpel".* Did you mean "simple"\?/,
    });
    assert.throws(() => resolveTemplates("toString" as "simple"), RangeError);
  });

  it("refuses no templates and templates without a place for the name", () => {
    assert.throws(() => resolveTemplates([]), /at least one template/);
    assert.throws(() => resolveTemplates(["a {}", "a photo"]), /every template .* "a photo"/);
  });

  it("returns sets and custom lists", () => {
    assert.deepEqual(resolveTemplates("bare"), ["{}"]);
    assert.deepEqual(resolveTemplates(["{c}", "{0} {label}", "{x}{}"]), ["{}", "{} {}", "{x}{}"]);
    assert.equal(resolveTemplates("simple"), promptTemplates.simple);
    assert.equal(promptTemplates.simple.length, 7);
    assert.deepEqual(resolveTemplates(["an emoji of {}"]), ["an emoji of {}"]);
  });
});

describe("fillTemplate", () => {
  it("replaces every place and takes the name literally", () => {
    assert.equal(fillTemplate("{} or {}?", "$& {x}"), "$& {x} or $& {x}?");
  });
});

describe("classList", () => {
  it("refuses empty lists, empty names and duplicates", () => {
    assert.throws(() => classList([]), /at least one class/);
    assert.throws(() => classList(["cat", []]), /names for class 1 but received \[\]/);
    assert.throws(() => classList(["cat", ["dog", " "]]), /names for class 1/);
    assert.throws(
      () => classList(["cat", "dog", ["cat", "tom"]]),
      /classes 0 and 2 are both "cat"/,
    );
  });

  it("keeps the first name as the label", () => {
    assert.deepEqual(classList(["cat", ["cat", "tom"]], { alike: true }).labels, ["cat", "cat"]);
    assert.deepEqual(classList(["cat", ["dog", "hound"]]), {
      labels: ["cat", "dog"],
      names: [["cat"], ["dog", "hound"]],
    });
  });
});
