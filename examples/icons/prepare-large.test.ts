import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { fakeSet } from "./fake-packages.ts";
import { largeSets } from "./prepare-large.ts";
import { authorOf } from "./sets.ts";

const root = mkdtempSync(join(tmpdir(), "limn-large-"));
const folder = join(root, "node_modules", "@iconify", "json");
const plain = (author: string, spdx = "MIT") => ({ author: { name: author }, license: { spdx } });
const others = Array.from({ length: 20 }, (_, i) => [`other-${i}`, plain(`author ${i}`)] as const);
const collections = Object.fromEntries([
  ["tabler", plain("Paweł Kuna")],
  ["mage", plain("MageIcons")],
  ["lucide", plain("Lucide Contributors", "ISC")],
  ["feather", plain("Cole Bemis")],
  ["vadivam", plain("Praveen Juge")],
  ["mynaui", plain("Praveen Juge")],
  ["free-of-gnu", plain("G", "GPL-3.0-or-later")],
  ["nobody-says", { author: { name: "N" }, license: {} }],
  ["brands", { ...plain("B"), category: "Logos" }],
  ["fa-brands", plain("F")],
  ["colours", { ...plain("C"), palette: true }],
  ...others,
]);

before(() => {
  mkdirSync(join(folder, "json"), { recursive: true });
  writeFileSync(join(folder, "collections.json"), JSON.stringify(collections));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ version: "2.0.0" }));
  writeFileSync(join(folder, "json", "tabler.json"), JSON.stringify(fakeSet("tabler")));
});
after(() => rmSync(root, { recursive: true, force: true }));

describe("the large data", () => {
  it("leaves out what is not free, coloured, or of another kind", () => {
    const names = new Set(largeSets(root, 0).map(({ prefix }) => prefix));
    for (const name of ["free-of-gnu", "nobody-says", "brands", "fa-brands", "colours"]) {
      assert.ok(!names.has(name), name);
    }
    assert.equal(names.size, 26);
  });
  it("keeps the roles of the quick start, and of whoever drew after them", () => {
    const roles = new Map(largeSets(root, 0).map(({ prefix, role }) => [prefix, role]));
    assert.equal(roles.get("tabler"), "train");
    assert.equal(roles.get("mynaui"), "train");
    assert.equal(roles.get("mage"), "validation");
    for (const name of ["lucide", "feather", "vadivam"]) assert.equal(roles.get(name), "test");
  });
  it("has every author on one side, in shares, drawn by the seed", () => {
    const sides = (seed: number) => {
      const sets = largeSets(root, seed);
      const authors = new Map<string, string>();
      for (const { prefix, role } of sets) {
        const author = authorOf(prefix, collections[prefix]?.author.name ?? "");
        assert.equal(authors.get(author) ?? role, role);
        authors.set(author, role);
      }
      return sets.filter(({ prefix }) => prefix.startsWith("other")).map(({ role }) => role);
    };
    const first = sides(0);
    const count = (role: string) => first.filter((each) => each === role).length;
    assert.deepEqual([count("test"), count("validation"), count("train")], [6, 2, 12]);
    assert.notDeepEqual(sides(1), first);
  });
  it("reads a set with its drawings when its turn comes", () => {
    const tabler = largeSets(root, 0).find(({ prefix }) => prefix === "tabler");
    assert.equal(tabler?.version, "2.0.0");
    assert.ok("bell" in (tabler?.read().icons ?? {}));
  });
});
