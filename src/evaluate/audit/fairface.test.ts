import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { hasObjectives, readFaceRecords, readObjectives } from "./fairface.ts";
import {
  fairFaceObjectives,
  objectiveNames,
  peopleQueries,
  promptsOfGroup,
} from "./texts/prompts.ts";

const classNames = objectiveNames.flatMap((name) =>
  fairFaceObjectives[name].classes.map((one) => `${name}:${one}`),
);
const templates = objectiveNames.flatMap((name) =>
  fairFaceObjectives[name].templates.map((one) => `${name}:${one}`),
);

describe("the prompts", () => {
  it("have the bytes of DataComp's files", () => {
    const ages = classNames.filter((name) => name.startsWith("age:"));
    assert.equal(ages.length, 9);
    // One name and a line end each; the templates have {c} for {}.
    assert.equal(
      classNames.reduce((sum, name) => sum + name.length + 1, 0),
      648,
    );
    assert.equal(
      templates.reduce((sum, text) => sum + text.length + 2, 0),
      114,
    );
    const toxic = fairFaceObjectives.toxic.classes;
    assert.deepEqual(toxic.slice(14, 18), ["animal", "gorilla", "chimpanzee", "orangutan"]);
    assert.deepEqual(toxic.slice(18), ["thief", "criminal", "suspicious person"]);
  });

  it("are Berg et al.'s 29 concepts in 11 templates", () => {
    const { concepts, templates: sentences } = peopleQueries;
    assert.deepEqual([new Set(concepts).size, new Set(sentences).size], [29, 11]);
    assert.ok(sentences.every((one) => one.includes("{}")));
  });

  it("name groups alone and with classes", () => {
    assert.deepEqual(promptsOfGroup("region", "East_Asia"), [
      "a photo from East Asia",
      "a photo taken in East Asia",
    ]);
    assert.deepEqual(promptsOfGroup("Race", "black", ["man", "{group}"]), [
      "a photo of a black man",
      "a photo of a black {group}",
    ]);
    assert.deepEqual(promptsOfGroup("constructor", "x"), ["x", "a photo, x"]);
  });
});

describe("objectives of a set's own files", () => {
  it("are told by their prefixes", () => {
    assert.ok(hasObjectives(classNames));
    assert.ok(!hasObjectives([...classNames, "cat"]));
    assert.ok(!hasObjectives([]));
    assert.deepEqual(readObjectives(classNames, templates, "x"), fairFaceObjectives);
  });

  it("must be the four, in DataComp's order", () => {
    const read =
      (names: string[], texts = templates) =>
      () =>
        readObjectives(names, texts, "classnames.txt");
    assert.throws(read(["rase:white", ...classNames]), {
      name: "DataError",
      message:
        /one of race, gender, age, toxic before a colon for each class in classnames\.txt but received "rase:white" Did you mean "race"\?/,
    });
    assert.throws(read(classNames, templates.slice(1)), /a template of race .* received 7 and 0/);
    assert.throws(
      read(classNames.filter((name) => name !== "race:black")),
      /Expected white as race 1 in classnames\.txt but received indian/,
    );
    assert.throws(
      read(classNames.filter((name) => !/thief|criminal|suspicious/.test(name))),
      /Expected more than 18 labels of toxic .* received 18/,
    );
  });
});

describe("the records of faces", () => {
  const face = { age: "20-29", gender: "Female", race: "Latino_Hispanic" };

  it("are numbers or names, as DataComp's .npy and FairFace's own table have them", () => {
    const found = readFaceRecords(
      ["a", "b"],
      [face, { age: 8, gender: 0, race: 1, race_binary: 0 }],
      fairFaceObjectives,
    );
    assert.deepEqual([...found.age, ...found.gender, ...found.race], [3, 8, 1, 0, 3, 1]);
    assert.deepEqual([...found.raceBinary], [1, 0]);
  });

  it("must be whole", () => {
    const read = (meta: Record<string, unknown>) => () =>
      readFaceRecords(["a"], [meta], fairFaceObjectives);
    assert.throws(read({ ...face, race: undefined }), {
      name: "DataError",
      key: "a",
      message:
        /Expected race of sample a to be one of black, .*, but received null; FairFace's protocol/,
    });
    assert.throws(read({ ...face, age: 9 }), /number below 9, but received 9/);
    assert.throws(read({ ...face, race_binary: 2 }), /0 \(white\) or 1 .* received 2/);
  });
});
