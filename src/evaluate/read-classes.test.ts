import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { ClassAnswers } from "./class-answers.ts";
import { readClasses } from "./read-classes.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-classes-"));
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
const json = (value: unknown): string => file("classes.json", value);
/** key: names, in order. */
const shown = (classes: string | readonly string[]): string =>
  readClasses(classes)
    .map(({ key, names }) => `${key}: ${names.join(", ")}`)
    .join("; ");

describe("a file of classes, misused", () => {
  it("is refused with the reason", () => {
    const refused = (path: string, message: RegExp): void => {
      assert.throws(() => readClasses(path), { name: "DataError", message });
    };
    refused(join(folder, "none.txt"), /could not read one \(the file does not exist\)/);
    refused(file("a.txt", "\n \n"), /\(it holds no class\)/);
    refused(file("a.txt", "cat\n\ndog\n"), /\(line 2 is blank\)/);
    refused(file("classnames.txt", "\n \n"), /\(it holds no class\)/);
    refused(folder, /\(it holds no class\)/);
    refused(json([]), /\(it holds no class\)/);
    refused(json({}), /\(it holds no class\)/);
    refused(file("classes.json", '"cat"'), /\(it holds neither an array nor an object\)/);
    refused(json({ cat: 3.5, dog: 4 }), /a name, .* for class 0 of .* but received 3.5;/);
    refused(json({ cat: 3, dog: 3 }), /another answer for class 1 of .*"names":\["dog"\]\} again;/);
    refused(json({ "0": "cat", "1": null }), /for class 1 of .* but received null;/);
    refused(json([{ key: "a", names: ["b"] }, "a"]), /another answer for class 1 of .*"a" again;/);
  });
});

describe("a file of classes", () => {
  const two = "cat: cat; dog: dog, hound";

  it("has a name in each line", () => {
    const path = file("classnames.txt", "\ufeffcat\r\n great dane \n\n");
    assert.equal(shown(path), "cat: cat; great dane: great dane");
  });

  it("is a folder of CLIP_benchmark, whose labels are the numbers of lines", () => {
    const path = file("classnames.txt", "\ufeff20\r\n# 1 \n0: 0\n20\n\n");
    const classes = readClasses(folder);
    assert.deepEqual(
      classes.map(({ key, names, label }) => [key, ...names, label]),
      [
        ["0", "20", "20 (0)"],
        ["1", "# 1", "# 1"],
        ["2", "0: 0", "0: 0"],
        ["3", "20", "20 (3)"],
      ],
    );
    const answers = new ClassAnswers(classes);
    assert.deepEqual(
      ["3", "0", "# 1", "20", "4"].map((one) => answers.find(one)),
      [...[3, 0, 1, undefined, undefined]],
    );
    assert.match(answers.problem("4"), /as a number, counted from 0, it is not below 4$/);
    assert.equal(shown(path), "20 (0): 20; 0: 0: 0: 0; 20 (2): 20");
  });

  it("of CLIP_benchmark may have a class without a name, such as CLEVR Distance's fourth", () => {
    const path = file("classnames.txt", "very nearby\nnearby\nnear\n\ndistant\nvery distant\n\n");
    for (const given of [folder, path]) {
      const classes = readClasses(given);
      assert.equal(classes.length, 6);
      assert.deepEqual(classes[3], { key: "3", names: [""], label: "(blank, 3)" });
      assert.deepEqual(new ClassAnswers(classes).find("3"), 3);
    }
  });

  it("is a list or an object of numbers, in their order", () => {
    assert.equal(shown(json(["cat", ["dog", "hound"]])), two);
    assert.equal(shown(json({ "1": ["dog", "hound"], "0": "cat" })), two);
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`${11 - i}`, `c${11 - i}`]),
    );
    assert.match(shown(json(many)), /^c0: c0; c1: .*c10: c10; c11: c11$/);
    assert.equal(shown(json({ dog: 1, cat: 0 })), "cat: cat; dog: dog");
    const config = { model_type: "vit", id2label: { "0": "cat", "1": "dog" } };
    assert.equal(shown(json(config)), "cat: cat; dog: dog");
    const imagenet = { "0": ["n01440764", "tench"], "1": ["n01484850", "great_white_shark"] };
    assert.equal(shown(json(imagenet)), "n01440764: tench; n01484850: great white shark");
  });

  it("may number its lines, or give WordNet's ids, with remarks between", () => {
    const text = (content: string): string => shown(file("lines.txt", content));
    for (const lines of ["0 cat\n1 dog\n", "0: cat\n1: dog", "0\tcat\n1\tdog", "0. cat\n1. dog"]) {
      assert.equal(text(lines), "cat: cat; dog: dog", lines);
    }
    assert.equal(text("1, cat\n2, dog\n"), "1: cat; 2: dog");
    assert.equal(text("# of 2026\ncat\n#\n#1 fan\n"), "cat: cat; #1 fan: #1 fan");
    const ids = "n01440764 tench, Tinca tinca\nn01484850\tgreat white shark\n";
    assert.equal(text(ids), "n01440764: tench, Tinca tinca; n01484850: great white shark");
    // Names, and no numbers of names.
    for (const lines of ["1 dog\n2 dogs\n3 dogs", "7\n8", "2 eggs\n4 eggs", "0.5 mm\n1.0 mm"]) {
      assert.equal(
        text(lines),
        lines
          .split("\n")
          .map((one) => `${one}: ${one}`)
          .join("; "),
      );
    }
  });

  it("may lie inside another object, or be a list of categories", () => {
    assert.equal(shown(json({ classes: ["cat", "dog"], version: 2 })), "cat: cat; dog: dog");
    assert.equal(shown(json({ cifar: ["cat", "dog"] })), "cat: cat; dog: dog");
    assert.equal(shown(json({ label2id: { dog: 1, cat: 0 } })), "cat: cat; dog: dog");
    const categories = [
      { id: 1, name: "person", supercategory: "person" },
      { id: 17, name: "cat" },
    ];
    assert.equal(shown(json({ info: {}, categories })), "1: person; 17: cat");
    assert.equal(shown(json({ cat: 1, dog: 2 })), "1: cat; 2: dog");
    assert.equal(shown(json({ "1": "cat", "2": ["dog", "hound"] })), "1: cat; 2: dog, hound");
    const answers = new ClassAnswers(readClasses(json(categories)));
    const found = ["17", "cat", "17.0", "0"].map((one) => answers.find(one));
    assert.deepEqual(found, [1, 1, 1, undefined]);
  });

  it("is an object of answers and their names", () => {
    const value = { dog: ["hound", "dog"], n01440764: ["tench"], n01484850: "shark", b: "bird" };
    const wanted = "dog: dog, hound; n01440764: tench; n01484850: shark; b: bird";
    assert.equal(shown(json(value)), wanted);
  });

  it("may have classes of one name, told apart by their numbers", () => {
    const classes = readClasses(file("twins.txt", "missile\ncrane\nmissile\n"));
    assert.deepEqual(
      classes.map(({ key, label, names }) => [key, label, ...names]),
      [
        ["missile (0)", "missile (0)", "missile"],
        ["crane", "crane", "crane"],
        ["missile (2)", "missile (2)", "missile"],
      ],
    );
    const answers = new ClassAnswers(classes);
    assert.deepEqual(
      ["0", "1", "2", "crane", "missile"].map((one) => answers.find(one)),
      [...[0, 1, 2, 1, undefined]],
    );
    assert.match(answers.problem("missile"), /^several classes have this name; label .* by number/);
  });
});

describe("the class of an answer", () => {
  const find = (classes: Parameters<typeof readClasses>[0], ...answers: unknown[]): unknown[] => {
    const index = new ClassAnswers(readClasses(classes));
    return answers.map((answer) => index.find(answer));
  };

  it("is found by name, by further names, and by number", () => {
    const classes = ["cat", "dog"];
    assert.deepEqual(find(classes, "dog", "1", 1, 1n, Object(1), " 1\n"), [1, 1, 1, 1, 1, 1]);
    assert.deepEqual(find(classes, "1.0", "0.00", "2.0"), [1, 0, undefined]);
    assert.deepEqual(find(["3", "5"], "5.0", 3, "1.0"), [1, 0, undefined]);
    assert.deepEqual(find(classes, "2", "-1", "1.5", "01", "", 0.5, null, undefined, ["cat"]), [
      ...Array.from({ length: 9 }, () => undefined),
    ]);
    const several = [["dog", "hound"], "cat"] as unknown as string[];
    assert.deepEqual(find(several, "hound", "cat", "0"), [0, 1, 0]);
  });

  it("is the one whose name it is, where names are numbers", () => {
    const digits = ["1", "2", "0"];
    assert.deepEqual(find(digits, "0", "1", 2, "3"), [2, 0, 1, undefined]);
    assert.deepEqual(find(["3", "5"], "1", "5"), [undefined, 1]);
  });

  it("is found whatever spaces there are around the names", () => {
    const spaced = [" cat ", "dog\n", "cat"];
    assert.deepEqual(find(spaced, "cat", " dog", "1"), [2, 1, 1]);
    assert.deepEqual(find([" cat ", "dog"], "cat"), [0]);
  });

  it("is a key before it is a further name of another class", () => {
    const classes = [["dog", "cat"], "cat"] as unknown as string[];
    assert.deepEqual(find(classes, "cat", "dog"), [1, 0]);
  });

  it("is said to be missing with what was seen", () => {
    const plain = new ClassAnswers(readClasses(["cat", "dog"]));
    assert.equal(plain.problem("bird"), "no class has this name");
    assert.match(plain.problem(42), /and as a number, counted from 0, it is not below 2$/);
    const digits = new ClassAnswers(readClasses(["3", "5"]));
    assert.match(digits.problem("1"), /classes that are named by numbers are not counted$/);
  });
});
