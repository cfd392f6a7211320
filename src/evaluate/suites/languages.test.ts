import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { readLanguages } from "./languages.ts";

const top = mkdtempSync(join(tmpdir(), "limn-languages-"));
after(() => rmSync(top, { recursive: true }));
let folders = 0;
function folderOf(files: Readonly<Record<string, unknown>>): string {
  const folder = join(top, String(folders++));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(
      join(folder, name),
      typeof content === "string" ? content : JSON.stringify(content),
    );
  }
  return folder;
}

const de = "de_classnames.json";
const deTemplates = "de_zeroshot_classification_templates.json";

describe("readLanguages, given something else", () => {
  const refuses = (files: Readonly<Record<string, unknown>>, message: RegExp): void =>
    assert.throws(() => readLanguages(folderOf(files), "vtab/pets", { classes: 2 }), {
      name: "DataError",
      message,
    });

  it("names the file and what is wrong with it", () => {
    assert.throws(
      () => readLanguages(join(top, "absent"), "pets"),
      /folder of languages at .*absent/,
    );
    refuses({}, /^Expected class names of vtab\/pets in .* no file such as de_classnames\.json/);
    refuses({ [de]: "[1]" }, /an object of lists.*de_classnames\.json.*\(it is no object\)/);
    refuses({ [de]: "{" }, /could not read one/);
    refuses({ [de]: { petz: ["a"] } }, /names of other sets \(petz\); add/);
    refuses({ [de]: { "vtab/pet": ["a"] } }, /Did you mean "vtab\/pet"\?$/);
    refuses(
      { [de]: { pets: "a" } },
      /a list of texts for pets in .*de_classnames\.json but received "a"/,
    );
    refuses({ [de]: { pets: [] } }, /a list of texts for pets .* received \[\]/);
    refuses({ [de]: { pets: ["a", 1] } }, /a list of texts for pets/);
    refuses(
      { [de]: { pets: ["a"] } },
      /^Expected 2 classes of vtab\/pets in .*de_classnames.json but received 1;/,
    );
    refuses(
      { [de]: { pets: ["a", "b"] }, [deTemplates]: { pets: ["ein {c}", "ein Foto"] } },
      /for vtab\/pets in .*templates\.json but received "ein Foto" \(number 2\); mark/,
    );
    refuses(
      { [de]: { pets: ["a", "b"] }, [deTemplates]: { pets: { a: ["ein {c}"] } } },
      /a list of texts for pets in .*templates\.json but received \{"a"/,
    );
  });
});

describe("readLanguages", () => {
  it("gives the languages that name the set, each with its templates or ImageNet's", () => {
    const folder = folderOf({
      [de]: { pets: [" Katze ", ""], cars: ["Auto"] },
      [deTemplates]: { pets: ["ein {c}", "{}"], imagenet1k: ["ein Foto: {c}"] },
      "it_classnames.json": { "vtab/pets": ["gatto", "gatto"], pets: ["no"] },
      "it_zeroshot_classification_templates.json": { imagenet1k: ["una foto di {c}."] },
      "pt-br_classnames.json": { pets: ["gato", "cachorro"] },
      "en_classnames.json": { cars: ["car"] },
      "cupl_prompts.json": {},
    });
    const found = readLanguages(folder, "vtab/pets", { classes: 2 });
    assert.deepEqual(
      found.map(({ language, classes, templates }) => [
        language,
        classes.map(({ key, names, label }) => [key, ...names, label]),
        templates,
      ]),
      [
        [
          "de",
          [
            ["0", "Katze", "Katze"],
            ["1", "", "(blank, 1)"],
          ],
          ["ein {}", "{}"],
        ],
        [
          "it",
          [
            ["0", "gatto", "gatto (0)"],
            ["1", "gatto", "gatto (1)"],
          ],
          ["una foto di {}."],
        ],
        [
          "pt-br",
          [
            ["0", "gato", "gato"],
            ["1", "cachorro", "cachorro"],
          ],
          undefined,
        ],
      ],
    );
  });
});
