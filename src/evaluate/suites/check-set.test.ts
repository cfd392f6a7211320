import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { tarOf } from "../../data/sources/samples.test.helper.ts";
import { checkSet, type CheckedSet, type CheckSetOptions } from "./check-set.ts";
import { captioned, classified, type SetDefinition } from "./suite.ts";

const goldens = new URL("../../../../test/goldens/", import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), "limn-check-set-"));
after(() => rmSync(root, { recursive: true }));

let copies = 0;
/** A set in a folder of its own, which `damage` changes. */
function setOf(
  golden: string,
  facts: Partial<SetDefinition>,
  damage: (folder: string) => void = () => undefined,
): SetDefinition {
  const name = `${copies++}`;
  cpSync(join(goldens, "benchmark-sets", golden), join(root, name), { recursive: true });
  damage(join(root, name));
  const make = golden === "wds_captions" ? captioned : classified;
  return { ...make(name, name, { folders: [name] }), ...facts };
}

async function problemsOf(set: SetDefinition, options: CheckSetOptions = {}): Promise<string> {
  const { state, problems } = await checkSet(set, { root, ...options });
  assert.equal(state, "damaged", problems.join());
  return problems.join("; ");
}

const picture = readFileSync(join(goldens, "pictures", "odd.png"));

test("what is missing or cannot be opened is said", async () => {
  const missing = await checkSet(classified("a", "A", { folders: ["a", "b"] }), { root });
  assert.deepEqual([missing.state, missing.problems], ["missing", [`no a or b in ${root}`]]);
  const far: SetDefinition = { ...classified("a", "A", {}), at: "hf://datasets/org/name" };
  const hub = { offline: true, cacheFolder: join(root, "cache"), environment: {} };
  assert.equal((await checkSet(far, { root, hub })).state, "missing");
  const shard = setOf("wds_classes", {}, (folder) => rmSync(join(folder, "test", "2.tar")));
  assert.match(await problemsOf(shard), /2\.tar is missing/);
  const templates = setOf("wds_classes", {}, (folder) =>
    writeFileSync(join(folder, "zeroshot_classification_templates.txt"), "a {c}\na photo\n"),
  );
  assert.match(await problemsOf(templates), /received "a photo" \(line 2\)/);
});

test("counts are held against the published ones", async () => {
  const other = setOf("wds_classes", { templates: 3 });
  const { state, notes } = await checkSet(other, { root });
  assert.deepEqual([state, notes], ["there", ["2 templates where 3 were published"]]);
  const without = setOf("wds_classes", { templates: 3 }, (folder) =>
    rmSync(join(folder, "zeroshot_classification_templates.txt")),
  );
  assert.equal(await problemsOf(without), "0 templates where 3 were published");
  const set = setOf("wds_classes", { samples: 8, classes: 4 });
  assert.equal(
    await problemsOf(set),
    "7 samples where 8 were published; 5 classes where 4 were published",
  );
});

test("bad samples, labels of no class, missing captions and metadata that is not whole are named", async () => {
  const shard = (files: Record<string, string | Buffer>) => (folder: string) => {
    writeFileSync(join(folder, "test", "0.tar"), tarOf(files));
  };
  const cut = setOf("wds_metadata", {}, (folder) => {
    const file = join(folder, "test", "0.tar");
    writeFileSync(file, readFileSync(file).subarray(0, 2000));
  });
  assert.match(
    await problemsOf(cut),
    /0\.tar: the shard ends without the mark that ends a tar file/,
  );
  const label = shard({ "a.png": picture, "a.cls": "0", "b.png": picture, "b.cls": "2" });
  assert.match(
    await problemsOf(setOf("wds_metadata", {}, label)),
    /sample b but received "2": .*not below 2/,
  );
  const some = shard({
    "a.png": picture,
    "a.cls": "0",
    "b.png": picture,
    "b.cls": "1",
    "b.npy": npy(),
  });
  assert.equal(
    await problemsOf(setOf("wds_metadata", {}, some)),
    "1 sample without a .npy file, such as a",
  );
  const asked = setOf("wds_metadata", { npyColumns: ["region", "year", "y"] }, some);
  assert.match(await problemsOf(asked), /a in .*0\.tar: it has no \.npy file for region, year, y/);
  const silent = shard({ "a.png": picture, "a.txt": "one", "b.png": picture, "b.cls": "1" });
  const captions = setOf("wds_captions", {}, (folder) => {
    silent(folder);
    writeFileSync(join(folder, "test", "nshards.txt"), "1");
  });
  assert.equal(await problemsOf(captions), "1 sample without a caption");
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`${i}.cls`, "0"]));
  const listed = await problemsOf(setOf("wds_metadata", {}, shard(many)));
  assert.match(listed, /no image among its files .*; 3 more bad samples/);
});

test("pictures are decoded where that is asked for", async () => {
  const damage = (folder: string): void => {
    const bytes = Buffer.from(picture);
    bytes.fill(0, 60, bytes.length - 20);
    const files = { "a.png": picture, "a.cls": "0", "b.png": bytes, "b.cls": "1" };
    writeFileSync(join(folder, "test", "0.tar"), tarOf(files));
  };
  const set = setOf("wds_metadata", {}, damage);
  assert.equal((await checkSet(set, { root })).state, "there");
  assert.match(await problemsOf(set, { decode: true }), /^b in .*0\.tar: /);
});

test("a whole set has its counts, and notes about what does no harm", async () => {
  const set = setOf("wds_classes", { samples: 7, classes: 5 });
  const seen: number[] = [];
  const whole = await checkSet(set, { root, onSamples: (samples) => seen.push(samples) });
  assert.deepEqual(whole, {
    name: set.name,
    title: set.title,
    state: "there",
    problems: [],
    notes: [],
    found: { samples: 7, shards: 3, classes: 5, templates: 2 },
    expected: { samples: 7, classes: 5, templates: undefined },
  } satisfies CheckedSet);
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
  const fewer = setOf("wds_classes", {}, (folder) =>
    writeFileSync(join(folder, "test", "nshards.txt"), "1"),
  );
  const { state, notes } = await checkSet(fewer, { root });
  assert.equal(state, "there");
  assert.match(notes[0] ?? "", /1\.tar, 2\.tar in .* lie behind the 1 shard/);
  assert.equal(notes[1], "2 classes of 5 without a sample: (blank, 3), 1");
});

function npy(): Buffer {
  const { vectors } = JSON.parse(readFileSync(join(goldens, "npy.json"), "utf8")) as {
    vectors: Record<string, { file: string }>;
  };
  return Buffer.from(vectors["int8"]?.file ?? "", "base64");
}
