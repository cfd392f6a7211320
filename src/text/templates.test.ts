import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  chooseTemplates,
  describeTemplates,
  fillTemplate,
  promptTemplates,
  resolveTemplates,
} from "./templates.ts";

describe("resolveTemplates", () => {
  it("refuses an unknown set and names the nearest", () => {
    assert.throws(() => resolveTemplates("simpel"), {
      name: "RangeError",
      message: /Expected one of bare, photo, simple, .* "simpel".* Did you mean "simple"\?/,
    });
    assert.throws(() => resolveTemplates("toString"), RangeError);
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
    assert.deepEqual(resolveTemplates("an emoji of {c}"), ["an emoji of {}"]);
  });
});

describe("fillTemplate", () => {
  it("replaces every place and takes the name literally", () => {
    assert.equal(fillTemplate("{} or {}?", "$& {x}"), "$& {x} or $& {x}?");
  });
});

describe("chooseTemplates", () => {
  const model = ["an icon of {}"];
  const data = ["a car, {}"];

  it("refuses what was asked for and is none, whatever else there is", () => {
    assert.throws(() => chooseTemplates({ given: "fotos", model }), /received "fotos"/);
    assert.throws(() => chooseTemplates({ given: [], model }), /at least one template/);
  });

  it("takes what was asked for, the model's own, the data set's, the default, in this order", () => {
    const chosen = (...given: Parameters<typeof chooseTemplates>): unknown[] =>
      Object.values(chooseTemplates(...given));
    assert.deepEqual(chosen({ given: "bare", model, data }), [["{}"], "given"]);
    assert.deepEqual(chosen({ model, data }), [model, "model"]);
    assert.deepEqual(chosen({ data }), [data, "data"]);
    assert.deepEqual(chosen({}), [["a photo of a {}."], "default"]);
  });
});

describe("describeTemplates", () => {
  it("says the name of a set, the first of several, and where they come from", () => {
    const said = (given: Parameters<typeof chooseTemplates>[0]): string =>
      describeTemplates(chooseTemplates(given));
    assert.equal(said({ given: "simple" }), 'simple ("itap of a {}." and 6 more)');
    assert.equal(said({ given: ["a {}", "{}"] }), '"a {}" and 1 more');
    assert.equal(said({ model: ["{}"] }), `bare ("{}"), the model's own`);
    assert.equal(
      said({ data: ["a {}"] }),
      `"a {}", the data set's, as the model has none of its own`,
    );
    assert.equal(
      said({}),
      'photo ("a photo of a {}."), the default, as the model has none of its own',
    );
  });
});
