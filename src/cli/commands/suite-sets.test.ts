import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startLocalHub, type LocalFile } from "../../../test/support/local-hub.ts";
import { runLimn } from "../../../test/support/run-limn.ts";

const goldens = new URL("../../../../test/goldens/benchmark-sets/", import.meta.url).pathname;
const top = mkdtempSync(path.join(tmpdir(), "limn-suite-sets-"));
after(() => rmSync(top, { recursive: true }));
const root = path.join(top, "sets");
mkdirSync(root);
cpSync(path.join(goldens, "wds_classes"), path.join(root, "wds_vtab-pets"), { recursive: true });

const mine = path.join(top, "mine.json");
const sets = [
  { name: "labels", source: path.join(goldens, "wds_labels"), samples: 3, classes: 3 },
  {
    name: "far",
    hub: "hf://datasets/org/wds_far",
    tasks: [{ kind: "zeroShot" }],
    samples: 7,
  },
];
writeFileSync(mine, JSON.stringify({ title: "My own", sets }));

test("what is no suite and no set of it is refused", async () => {
  const unknown = await runLimn("suite", "check", "datacomp38", root);
  assert.equal(unknown.code, 3);
  assert.match(unknown.err, /Did you mean "datacomp-38"\?/);
  const stray = await runLimn("suite", "fetch", "vtab-13", root, "--only", "vtab/pet");
  assert.equal(stray.code, 2);
  assert.match(stray.err, /after --only but received "vtab\/pet"; .*Did you mean "vtab\/pets"\?/);
  assert.equal((await runLimn("suite", "fetch", "vtab-13")).code, 2);
});

test("suites, their sets and where they are can be listed", async () => {
  const all = await runLimn("suite", "list");
  assert.match(all.out, /^suite +sets +what it is\n-+\ndatacomp-38 +38 /);
  const one = await runLimn("suite", "list", "vtab-13", root);
  assert.equal(one.code, 0);
  assert.match(
    one.out,
    /\nvtab\/pets +Oxford-IIIT Pet +3,669 +37 +meanPerClass +2\.7 % +\S*wds_vtab-pets\n/,
  );
  assert.match(one.out, /\nvtab\/dtd .* 2\.1 % +missing\n/);
  assert.match(one.out, /\n1 of 13 sets are there\n$/);
  const own = JSON.parse((await runLimn("suite", "list", mine, root, "--json")).out) as {
    title: string;
    sets: { name: string; place: string | null }[];
  };
  assert.deepEqual(
    [own.title, ...own.sets.map(({ name, place }) => [name, place])],
    ["My own", ["labels", path.join(goldens, "wds_labels")], ["far", null]],
  );
});

test("checking ends with 1 unless every set is whole", async () => {
  const found = await runLimn(
    "suite",
    "check",
    "vtab-13",
    root,
    "--only",
    "vtab/pets",
    "--only",
    "vtab/dtd",
  );
  assert.equal(found.code, 1);
  assert.deepEqual(found.out.split("\n"), [
    `missing  vtab/dtd: no wds_vtab-dtd_test, wds_vtab-dtd or vtab-dtd in ${root}`,
    "damaged  vtab/pets",
    "           7 samples where 3,669 were published",
    "           5 classes where 37 were published",
    "           note: 2 templates where 1 was published",
    "",
    "0 of 2 sets are whole, 1 missing, 1 damaged",
    `To fetch what is missing: limn suite fetch vtab-13 ${root}`,
    "",
  ]);
  const whole = await runLimn("suite", "check", mine, "--only", "labels", "--decode", "--json");
  assert.equal(whole.code, 0);
  assert.deepEqual((JSON.parse(whole.out) as { sets: { found: unknown }[] }).sets[0]?.found, {
    samples: 3,
    shards: 1,
    classes: 3,
    templates: 1,
  });
});

test("what is missing is fetched, and then whole", async (t) => {
  const folder = path.join(goldens, "wds_classes");
  const names = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /\.\w+$/.test(name));
  const files = Object.fromEntries(
    names.map((name): [string, LocalFile] => [
      name,
      { bytes: readFileSync(path.join(folder, name)), lfs: name.endsWith(".tar") },
    ]),
  );
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const hub = await startLocalHub({
    "datasets/org/wds_far": { commit, revisions: ["main"], files },
  });
  const before = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: path.join(top, "cache") });
  t.after(async () => {
    process.env = before;
    await hub.close();
  });
  const offline = await runLimn("suite", "fetch", mine, root, "--offline");
  assert.equal(offline.code, 1);
  assert.match(offline.err, /since the network may not be used/);
  const fetched = await runLimn("suite", "fetch", mine, root);
  assert.equal(fetched.code, 0);
  assert.match(fetched.err, /^far: 6 files, 51\.\d kB\n/);
  assert.deepEqual(fetched.out.split("\n"), [
    `there    labels in ${path.join(goldens, "wds_labels")}`,
    `fetched  far in ${path.join(root, "wds_far")}`,
    "",
    "2 sets: 1 fetched, 1 there before",
    "",
  ]);
  const checked = await runLimn("suite", "check", mine, root);
  assert.equal(checked.code, 0);
  assert.match(
    checked.out,
    /\nok {7}far: 3 shards, 7 samples, 5 classes, 2 templates as published\n/,
  );
});
