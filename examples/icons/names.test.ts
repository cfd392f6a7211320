import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { fakeSet } from "./fake-packages.ts";
import { resolveOptions, defaultOptions } from "./options.ts";
import { readIcons, setInfo } from "./read-set.ts";
import { captionsOf } from "./samples.ts";
import { authorOf, isPermissive, quickstartSets, type Role } from "./sets.ts";
import { placeIcons, rankedBy, type PlacedIcon } from "./split.ts";
import { conceptOf, nameWords, singularOf } from "./words.ts";

const body = '<path d="M0 0h9v9z"/>';

describe("options", () => {
  it("refuse what is unknown or out of range", () => {
    assert.throws(
      () => resolveOptions({ imagesize: 32 } as never),
      /received imagesize; known: seed/,
    );
    assert.throws(() => resolveOptions({ unseenShare: 1 }), /share in \[0, 1\) for unseenShare/);
    assert.throws(() => resolveOptions({ seed: 1.5 }), /whole number for seed but received 1\.5/);
    for (const imageSize of [0, 48, 32.5]) {
      assert.throws(() => resolveOptions({ imageSize }), /a multiple of 32 for imageSize/);
    }
  });
});

describe("the words of a name", () => {
  for (const [name, words] of [
    ["trash-2", "trash"],
    ["battery-2", "battery 2"],
    ["Arrow_Left-alt", "arrow left"],
    ["outline", "outline"],
    ["wi-fi-off", "wifi off"],
    ["123", "123"],
  ] as const) {
    it(`of ${name} are "${words}"`, () => assert.equal(nameWords(name).join(" "), words));
  }
  it("are one concept in any order and number, without words that mean nothing", () => {
    assert.equal(conceptOf(["chart", "of", "pies"]), conceptOf(["pie", "chart"]));
    assert.notEqual(conceptOf(["arrow", "left"]), conceptOf(["arrow", "right"]));
    assert.equal(conceptOf(["the"]), "the", "a name keeps a word");
    assert.notEqual(conceptOf(["book", "a"]), conceptOf(["book"]));
  });
  it("lose a plural only where it is one", () => {
    const plurals = ["batteries", "boxes", "arrows", "bus", "lens", "glass", "news", "gas"];
    assert.equal(plurals.map(singularOf).join(" "), "battery box arrow bus lens glass news gas");
  });
});

describe("a set", () => {
  it("keeps one drawing of each style, of the size nearest to 24", () => {
    const icons = {
      "bell-16-solid": { body },
      "bell-24-solid": { body },
      "bell-24-regular": { body },
    };
    const suffixes = { "16-solid": "", "24-solid": "", "24-regular": "" };
    const read = readIcons(fakeSet("sizes", { icons, suffixes }));
    assert.deepEqual(
      read.map(({ name, words, style }) => [name, words.join(" "), style]),
      [
        ["bell-24-solid", "bell", "solid"],
        ["bell-24-regular", "bell", "regular"],
      ],
    );
  });
  it("shows which ends are styles, where it does not say so", () => {
    const names = ["bell", "bell-fill", "heart", "heart-fill", "chart-line"];
    const icons = Object.fromEntries(names.map((name) => [name, { body }]));
    const read = readIcons(fakeSet("ends", { icons }));
    const words = read.map((icon) => icon.words.join(" "));
    assert.deepEqual(words, ["bell", "bell", "heart", "heart", "chart line"]);
    assert.deepEqual(
      read.map(({ style }) => style),
      ["", "fill", "", "fill", ""],
    );
  });
  it("leaves out what moves, hides, has letters of a font, or refers to elsewhere", () => {
    const bad = ["<animate/>", "<text>a</text>", '<image href="file:///etc/passwd"/>', "<style/>"];
    const icons = Object.fromEntries(bad.map((each, i) => [`bad-${i}-x`, { body: each }]));
    const hidden = { body, hidden: true };
    const read = readIcons(fakeSet("bad", { icons: { ...icons, hidden, good: { body } } }));
    assert.deepEqual(
      read.map(({ name }) => name),
      ["good"],
    );
  });
  it("has other names of a drawing, but not those of a turned one", () => {
    const read = readIcons(
      fakeSet("aliases", {
        icons: { bin: { body } },
        aliases: {
          trash: { parent: "bin" },
          bins: { parent: "bin" },
          "bin-turned": { parent: "bin", rotate: 1 },
        },
      }),
    );
    assert.deepEqual(read[0]?.aliases, [["trash"]]);
  });
  it("belongs to whom it was drawn after", () => {
    assert.equal(authorOf("feather", "Cole Bemis"), authorOf("lucide", "Lucide Contributors"));
    assert.equal(authorOf("mdi", "Pictogrammers"), authorOf("material-symbols", "Google"));
    assert.equal(setInfo(fakeSet("meteor-icons")).author, "Lucide Contributors");
  });
  it("of the quick start has one role, and no training author is asked about", () => {
    const prefixes = quickstartSets.map(({ prefix }) => prefix);
    assert.equal(new Set(prefixes).size, prefixes.length);
    for (const role of ["train", "validation", "test"] as const) {
      assert.ok(quickstartSets.some((set) => set.role === role));
    }
  });
  it("has a licence that is known to be permissive", () => {
    const good = ["MIT", "Apache-2.0", "CC-BY-4.0", "CC0-1.0", "ISC"];
    assert.ok(good.every(isPermissive));
    const bad = ["GPL-3.0-or-later", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "unknown", ""];
    assert.ok(!bad.some(isPermissive));
  });
});

describe("the split", () => {
  const roles = new Map<string, Role>([
    ["t", "test"],
    ["v", "validation"],
  ]);
  const options = { ...defaultOptions, trainAuthors: 2, testAuthors: 3, unseenShare: 0.25 };
  const sets = ["a", "b", "c", "t", "v"].map((prefix) => fakeSet(prefix));
  const icons = sets.flatMap(readIcons);
  const placed = placeIcons(icons, roles, options);

  it("trains on no drawing of an unseen concept, whatever name says so", () => {
    const unseen = new Set(placed.filter((each) => each.unseen).map(({ concept }) => concept));
    assert.equal(unseen.size, 3, "a quarter of twelve");
    const training = placed.filter(({ split }) => split === "train");
    assert.equal(training.length, 3 * 9);
    assert.ok(training.every(({ concept }) => !unseen.has(concept)));
    const [one = ""] = unseen;
    const other = fakeSet("d", {
      icons: { thing: { body } },
      aliases: { [one.replaceAll(" ", "-")]: { parent: "thing" } },
    });
    const again = placeIcons([...icons, ...readIcons(other)], roles, options);
    assert.ok(!again.some(({ icon }) => icon.set === "d"));
  });
  it("asks only for what enough authors drew", () => {
    const few = placeIcons(icons, roles, { ...options, testAuthors: 4, unseenShare: 0 });
    assert.ok(few.every(({ known }) => !known));
    assert.ok(few.some(({ split }) => split === "train"));
    const two = readIcons(fakeSet("a2", { info: fakeSet("a").info as never }));
    const same = placeIcons([...icons, ...two], roles, {
      ...options,
      testAuthors: 4,
      unseenShare: 0,
    });
    assert.ok(
      same.every(({ known }) => !known),
      "two sets of one author are one",
    );
  });
  it("depends on no order", () => {
    const turned = placeIcons([...icons].reverse(), roles, options);
    const keys = (list: PlacedIcon[]) =>
      list.map(({ icon, unseen }) => `${icon.set} ${icon.name} ${unseen}`).sort();
    assert.deepEqual(keys(turned), keys(placed));
    assert.deepEqual(rankedBy(["x", "y", "z"], "s"), rankedBy(["z", "x", "y"], "s"));
  });
  it("takes of an icon's names the one that most authors use", () => {
    const house = fakeSet("t", {
      icons: { house: { body } },
      aliases: { heart: { parent: "house" } },
    });
    const [own] = placeIcons([...icons, ...readIcons(house)], roles, options).slice(-1);
    assert.deepEqual([own?.concept, own?.label], ["heart", "heart"]);
  });
  it("leaves out brands, but not a word that its set also has for something else", () => {
    const brands = fakeSet("e", {
      icons: { "brand-heart": { body }, heart: { body }, "brand-bell": { body } },
    });
    const all = { ...options, unseenShare: 0 };
    const after = placeIcons([...icons, ...readIcons(brands)], roles, all);
    assert.ok(!after.some(({ concept }) => concept === "bell"));
    const own = after.filter(({ icon }) => icon.set === "e").map(({ icon }) => icon.name);
    assert.deepEqual(own, ["heart"]);
  });
  it("captions to train on hold all names, captions to ask with the concept alone", () => {
    const icon = { ...icons[0], words: ["bin"], aliases: [["trash"], ["waste"]], category: "home" };
    const place = (split: Role) => ({ ...placed[0], icon, split, label: "trash" }) as PlacedIcon;
    assert.deepEqual(captionsOf(place("train")), ["bin", "bin", "trash", "waste", "bin, home"]);
    assert.deepEqual(captionsOf(place("test")), ["trash"]);
  });
});
