import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  addingKeywords,
  captionsByLanguage,
  categoryWords,
  testCaptions,
  trainingCaptions,
} from "./captions.ts";
import { emojiClasses } from "./classes.ts";
import { codeKey, conceptsOf, nameKey } from "./concepts.ts";
import { buildEmojiDataset } from "./dataset.ts";
import { emojiEvaluations, type EvaluatedSample } from "./evaluation.ts";
import { artworkBox, frameSide } from "./pictures.ts";
import { identicalPictures } from "./render.ts";
import type { Categories, Emoji, Style } from "./sources.ts";
import { classFiles, emojiSuites } from "./suites.ts";
import { chooseSplit, splitOf, type Splittable } from "./split.ts";

const categories: Categories = {
  groups: { "animals-nature": "animals & nature", flags: "flags" },
  subgroups: { "animal-mammal": "mammals", "country-flag": "country flags" },
};

const fox: Emoji = {
  hexcode: "1F98A",
  emoji: "🦊",
  label: "fox",
  otherNames: ["fox face"],
  group: "animals-nature",
  subgroup: "animal-mammal",
  wordings: {
    en: { name: "fox", keywords: ["animal", "fox", "sly", "wild"] },
    de: { name: "Fuchs", keywords: ["fuchs", "gesicht", "tier"] },
  },
};

const options = { languages: ["en", "de", "fr"], keywordsPerCaption: 2, englishWeight: 2 };

function table(labels: readonly string[], group: string, subgroup: string): Splittable[] {
  const members = labels.map((label, index) => ({
    hexcode: `${group}-${index}`,
    label,
    group,
    subgroup,
  }));
  const concepts = conceptsOf(members);
  return members.map((one) => ({ ...one, concept: concepts.get(one.hexcode) ?? "" }));
}

const animals = table(
  "tiger face,tiger,cow face,cow,fox,owl,bat,ox,dog,pig face,pig,ram,bee,ant,elk,hen".split(","),
  "animals-nature",
  "animal-mammal",
);
const flags = table(["flag: Chad", "flag: Mali", "flag: Peru"], "flags", "country-flag");
const shares = { seed: 0, unseenShare: 0.3, validationShare: 0.2 };

describe("options", () => {
  const given = { packages: "none", directory: "none", writeShards: () => Promise.reject() };

  it("refuses an unknown option", async () => {
    await assert.rejects(
      buildEmojiDataset({ ...given, imagesize: 32 } as never),
      /received imagesize; known: seed, languages, imageSize/,
    );
  });

  it("names the missing package and what installs it", async () => {
    await assert.rejects(
      buildEmojiDataset(given),
      /Expected the package emoji-datasource-google .* run `npm install`/,
    );
  });

  it("refuses a share outside [0, 1)", () => {
    assert.throws(
      () => chooseSplit(animals, { ...shares, unseenShare: 1 }),
      /Expected a share in \[0, 1\) for unseenShare but received 1/,
    );
  });
});

describe("concepts", () => {
  it("drops what tells variants apart", () => {
    assert.equal(nameKey("woman mountain biking", "people-body"), "biking mountain");
    assert.equal(nameKey("tiger face", "animals-nature"), "tiger");
    assert.equal(nameKey("family: man, woman, boy", "people-body"), "family");
    assert.equal(nameKey("man’s shoe", "objects"), "shoe");
    assert.equal(nameKey("light blue heart", "smileys-emotion"), "heart");
    assert.equal(nameKey("one-thirty", "travel-places"), nameKey("six o’clock", "travel-places"));
    assert.equal(nameKey("flag: Black Sea", "flags"), "flag sea");
  });

  it("drops gender, direction and skin from code points", () => {
    assert.equal(codeKey("1F469-200D-2695-FE0F"), codeKey("1F9D1-200D-2695-FE0F"));
    assert.equal(codeKey("1F6B6-200D-2642-FE0F-200D-27A1-FE0F"), codeKey("1F6B6"));
    assert.equal(codeKey("1F91D-1F3FB"), "1F91D");
    assert.notEqual(codeKey("1F98A"), codeKey("1F431"));
  });

  it("joins what any of the rules joins", () => {
    const members = [
      { hexcode: "1F9D1-200D-2695", label: "health worker", group: "people-body" },
      { hexcode: "1F468-200D-2695", label: "medic", group: "people-body" },
      { hexcode: "A", label: "man medic", group: "people-body" },
      { hexcode: "26C4", label: "snowman without snow", group: "travel-places" },
      { hexcode: "2603", label: "snowman", group: "travel-places" },
      { hexcode: "1F98A", label: "fox", group: "animals-nature" },
    ];
    const concepts = conceptsOf(members);
    const first = "1F9D1-200D-2695";
    assert.deepEqual(
      members.map((one) => concepts.get(one.hexcode)),
      [first, first, first, "26C4", "26C4", "1F98A"],
    );
  });
});

describe("split", () => {
  it("never splits a concept, whatever the seed", () => {
    for (let seed = 0; seed < 50; seed++) {
      const { unseen } = chooseSplit(animals, { ...shares, seed });
      const sides = new Map<string, boolean>();
      for (const { concept, hexcode } of animals) {
        assert.equal(sides.get(concept) ?? unseen.has(hexcode), unseen.has(hexcode), concept);
        sides.set(concept, unseen.has(hexcode));
      }
      assert.ok(unseen.size > 0 && unseen.size <= Math.round(0.3 * animals.length));
    }
  });

  it("keeps flags and whole kinds in training", () => {
    const hearts = table(
      ["red", "blue", "green", "black", "white", "brown", "grey"].map((one) => `${one} heart`),
      "smileys-emotion",
      "heart",
    );
    const { unseen } = chooseSplit([...flags, ...hearts], { ...shares, unseenShare: 0.9 });
    assert.equal(unseen.size, 0);
  });

  it("depends on the seed and not on the order", () => {
    const chosen = chooseSplit(animals, shares);
    const reversed = chooseSplit([...animals].reverse(), shares);
    assert.deepEqual([...chosen.unseen].sort(), [...reversed.unseen].sort());
    assert.deepEqual([...chosen.validation].sort(), [...reversed.validation].sort());
    const other = chooseSplit(animals, { ...shares, seed: 1 });
    assert.notDeepEqual([...chosen.unseen].sort(), [...other.unseen].sort());
  });

  it("trains on two vendors and on no unseen emoji", () => {
    const choice = { unseen: new Set(["U"]), validation: new Set(["V"]) };
    const of = (hexcode: string, style: Style): unknown => splitOf(hexcode, style, choice);
    assert.equal(of("S", "google"), "train");
    assert.equal(of("S", "twitter"), "train");
    assert.equal(of("S", "openmoji"), "test-vendor");
    assert.equal(of("S", "openmojiLines"), "test-lines");
    assert.equal(of("V", "google"), "train");
    assert.equal(of("V", "twitter"), "validation");
    for (const style of ["google", "twitter", "openmoji", "openmojiLines"] as const) {
      assert.equal(of("U", style), "test-concepts");
    }
    assert.equal(splitOf("S", "openmojiLines", choice, false), undefined);
  });
});

describe("captions", () => {
  it("says category names as words", () => {
    assert.equal(categoryWords("animals-nature", categories.groups), "animals and nature");
    assert.equal(categoryWords("food-asian", {}), "asian food");
    assert.equal(categoryWords("no-message", {}), "no message");
  });

  it("leaves out keywords that the name says already", () => {
    const wording = { name: "hot beverage", keywords: ["Beverage", "coffee", "hot", "tea"] };
    assert.deepEqual(addingKeywords(wording), ["coffee", "tea"]);
  });

  it("weights English and skips languages without a name", () => {
    const byLanguage = captionsByLanguage(fox, categories, options);
    assert.deepEqual(byLanguage, {
      en: ["fox", "fox: animal, sly", "fox face: wild", "fox, mammals, animals and nature"],
      de: ["Fuchs: gesicht, tier"],
    });
    assert.equal(trainingCaptions(byLanguage, options).length, 9);
    assert.deepEqual(testCaptions(fox, options), ["fox", "fox: animal, sly"]);
  });
});

describe("pictures", () => {
  it("finds what can be seen", () => {
    const rgba = new Uint8Array(4 * 3 * 4);
    for (const [x, y] of [
      [1, 1],
      [3, 2],
    ] as const) {
      rgba[(y * 4 + x) * 4 + 3] = 255;
    }
    assert.deepEqual(artworkBox(rgba, 4, 3), { left: 1, top: 1, width: 3, height: 2 });
    assert.deepEqual(artworkBox(new Uint8Array(48), 4, 3), {
      left: 0,
      top: 0,
      width: 4,
      height: 3,
    });
  });

  it("fills the frame but enlarges small artwork only so far", () => {
    const frame = { imageSize: 64, fill: 0.9, zoom: 1.25 };
    assert.equal(frameSide({ width: 90, height: 45 }, 100, frame), 100);
    assert.equal(frameSide({ width: 10, height: 10 }, 100, frame), 80);
    assert.equal(frameSide({ width: 100, height: 10 }, 100, { ...frame, fill: 1 }), 100);
  });

  it("keeps one of identical pictures and finds identical line drawings", () => {
    const emoji = ["Svalbard", "Norway", "Chad", "Mali"].map((label) => ({
      hexcode: label,
      label,
    }));
    const hashes = (...all: string[]): Map<string, { pixelHash: string }> =>
      new Map(all.map((pixelHash, index) => [emoji[index]?.hexcode ?? "", { pixelHash }]));
    const { dropped, lines } = identicalPictures(emoji, {
      google: hashes("no", "no", "td", "ml"),
      twitter: hashes("sv", "no", "td", "ml"),
      openmoji: hashes("sv", "no", "td", "ml"),
      openmojiLines: hashes("box", "cross", "box", "box"),
    });
    assert.deepEqual([...dropped], ["Svalbard"]);
    assert.deepEqual([...lines], ["Chad", "Mali"]);
  });
});

describe("evaluations", () => {
  it("counts candidates and chance per part", () => {
    const owl = { ...fox, hexcode: "1F989", label: "owl" };
    const concepts = new Map([fox, owl].map((one) => [one.hexcode, one.hexcode]));
    const classes = emojiClasses([fox, owl], categories, concepts, new Set(["1F989"]));
    assert.deepEqual(classes.groups, [
      { key: "animals-nature", names: ["animals and nature", "mammals, animals and nature"] },
    ]);
    const sample = {
      isFlag: false,
      group: "animals-nature",
      subgroup: "animal-mammal",
      captions: ["a", "b"],
    };
    const samples: EvaluatedSample[] = [
      { ...sample, split: "train", style: "google", label: "fox" },
      { ...sample, split: "test-vendor", style: "openmoji", label: "fox" },
      { ...sample, split: "test-concepts", style: "google", label: "owl" },
    ];
    const parts = emojiEvaluations(samples, classes);
    assert.deepEqual(
      parts.map((part) => [part.id, part.sampleCount, part.tasks.map((task) => task.id)]),
      [
        ["vendor", 1, ["name", "category", "subcategory", "english"]],
        ["unseen", 1, ["name", "name-among-unseen", "category", "subcategory", "english"]],
      ],
    );
    const [name, among] = parts[1]?.tasks ?? [];
    assert.ok(name?.kind === "zero-shot" && among?.kind === "zero-shot");
    assert.deepEqual([name.candidateCount, name.chance.top1], [2, 0.5]);
    assert.deepEqual([among.candidateCount, among.chance.top5], [1, 1]);
    assert.deepEqual(JSON.parse(JSON.stringify(parts)), parts);

    const shards = { shards: ["shard-000000.tar"] };
    const all = { train: shards, validation: shards, "test-lines": shards };
    const suites = emojiSuites("data", parts, {
      ...all,
      "test-vendor": shards,
      "test-concepts": shards,
    });
    assert.deepEqual(suites[1]?.where, { style: "google" });
    assert.deepEqual(suites[1]?.source.shards, [join("data", "test-concepts", "shard-000000.tar")]);
    assert.deepEqual(suites[1]?.tasks[1], {
      kind: "zeroShot",
      name: "name-among-unseen",
      title: "Which emoji is it, among those never trained on?",
      classes: join("data", "classes", "emoji-unseen.json"),
      answer: "label",
      templates: "bare",
    });
    assert.deepEqual(classFiles(classes)["emoji-unseen.json"], [{ key: "owl", names: ["owl"] }]);
  });
});

describe("built dataset", () => {
  it("is built once, and again where a shard is cut", async () => {
    const root = await mkdtemp(join(tmpdir(), "limn-emoji-"));
    try {
      const { makePackages } = await import("./fake-packages.ts");
      await makePackages(root);
      const writeShards = async (to: {
        directory: string;
        samples: Iterable<{ key: string }>;
      }): Promise<{ shards: string[] }> => {
        const path = join(to.directory, "shard-000000.tar");
        await writeFile(path, [...to.samples].map(({ key }) => key).join("\n"));
        return { shards: [path] };
      };
      const directory = join(root, "data");
      const build = { packages: root, directory, writeShards, validationShare: 0.5 };
      const first = await buildEmojiDataset(build);
      assert.equal(first.built, true);
      assert.equal(first.dataset.emoji, 2);
      assert.equal(first.dataset.splits.train.pictures, 3);
      assert.equal(first.dataset.splits["test-vendor"].pictures, 2);
      const second = await buildEmojiDataset(build);
      assert.equal(second.built, false);
      assert.deepEqual(second, { ...first, built: false });
      const shard = join(directory, "train", "shard-000000.tar");
      const whole = await readFile(shard, "utf8");
      await writeFile(shard, whole.slice(1));
      assert.equal((await buildEmojiDataset(build)).built, true);
      assert.equal(await readFile(shard, "utf8"), whole);
      assert.equal((await buildEmojiDataset({ ...build, seed: 7 })).built, true);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});
