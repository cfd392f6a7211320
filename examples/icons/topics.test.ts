import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readSuite, openBenchmarkSet } from "limn/evaluate";

import { buildIcons, type SetSource } from "./dataset.ts";
import { fakeSet } from "./fake-packages.ts";
import { readIcons } from "./read-set.ts";
import { buildTopics, membersOf, topics } from "./topics.ts";

const root = mkdtempSync(join(tmpdir(), "limn-topics-"));
after(() => rmSync(root, { recursive: true }));

const body = '<path fill="currentColor" d="M2 12l8-8v6h12v4H10v6z"/>';

function source(prefix: string, role: SetSource["role"], names: readonly string[]): SetSource {
  const icons = Object.fromEntries(names.map((name) => [name, { body }]));
  return { prefix, role, version: "1.0.0", read: () => fakeSet(prefix, { icons }) };
}

test("an icon belongs to the one word of the topic that its name holds", () => {
  const names = ["sun", "cloud-rain", "clouds", "sunset", "moon-outline", "car"];
  const icons = readIcons(source("a", "test", names).read());
  assert.deepEqual(
    membersOf(icons, topics["weather"] ?? []).map(({ icon, word }) => [icon.name, word]),
    [
      ["sun", "sun"],
      ["clouds", "cloud"],
      ["moon-outline", "moon"],
    ],
  );
  // Words of several topics may be equal, those of one are not.
  for (const [topic, list] of Object.entries(topics)) {
    assert.equal(new Set(list).size, list.length, topic);
  }
  assert.equal(Object.keys(topics).length, 21);
});

test("topics of the held-out sets are a suite, and too few words are none", async () => {
  const train = Array.from({ length: 5 }, (_, i) =>
    source(`train-${i}`, "train", ["sun", "moon", "cloud", "wind"]),
  );
  const sets = [
    ...train,
    source("held-out", "test", ["sun", "moon", "cloud", "cloud-off", "wind", "hammer"]),
  ];
  const built = await buildIcons({
    sets,
    directory: root,
    ...{ imageSize: 32, vocabSize: 520, unseenShare: 0 },
  });
  const file = await buildTopics(built, sets);
  assert.equal(await buildTopics(built, sets), file);
  const suite = await readSuite(file ?? "");
  assert.deepEqual(
    suite.sets.map(({ name, main }) => [name, main]),
    [["weather", "zeroShot/top1"]],
  );
  const weather = openBenchmarkSet(join(built.folder, "topics", "weather"));
  assert.deepEqual(
    weather.classes.map(({ label }) => label),
    ["sun", "moon", "cloud", "wind"],
  );
  assert.ok(existsSync(join(weather.split, "0.tar")));
  const tar = readFileSync(join(weather.split, "0.tar"), "latin1");
  assert.match(tar, /"author":"held-out's","set":"held-out","style":"plain"/);
});
