import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { startLocalHub } from "../../../test/support/local-hub.ts";
import { fairFaceObjectives, objectiveNames } from "../../evaluate/audit/texts/prompts.ts";
import { auditOf } from "./audit-arguments.ts";

const folder = mkdtempSync(path.join(tmpdir(), "limn-audit-arguments-"));
after(() => rmSync(folder, { recursive: true }));
const notes: string[] = [];
const ask = (
  operand: string,
  flags: Parameters<typeof auditOf>[1] = {},
): ReturnType<typeof auditOf> => auditOf(operand, flags, (text) => void notes.push(text));

/** A set in the layout of CLIP_benchmark whose shard is never opened here. */
function setCalled(name: string, classes: readonly string[]): string {
  const set = path.join(folder, name);
  mkdirSync(path.join(set, "test"), { recursive: true });
  writeFileSync(path.join(set, "classnames.txt"), classes.join("\n"));
  writeFileSync(path.join(set, "test", "nshards.txt"), "1");
  writeFileSync(path.join(set, "test", "0.tar"), "");
  return set;
}

async function columnsOf(...args: Parameters<typeof ask>): Promise<readonly string[] | undefined> {
  const { source } = await ask(...args);
  return source.kind === "webdataset" ? source.npyColumns : undefined;
}

const faceColumns = ["age", "gender", "race", "race_binary"];

test("numbers of published sets and of faces have their names, unless others are given", async () => {
  const dollarStreet = setCalled("wds_dollar_street_test", ["bed", "stove"]);
  assert.deepEqual(await columnsOf(dollarStreet), ["income_ds", "income_meta", "region"]);
  assert.deepEqual(await columnsOf(path.join(dollarStreet, "test")), [
    "income_ds",
    "income_meta",
    "region",
  ]);
  assert.deepEqual(await columnsOf(dollarStreet, { "npy-columns": "a, b" }), ["a", "b"]);
  const objectives = objectiveNames.flatMap((name) =>
    fairFaceObjectives[name].classes.map((one) => `${name}:${one}`),
  );
  assert.deepEqual(await columnsOf(setCalled("mine", objectives)), faceColumns);
  const plain = setCalled("other", ["cat", "dog"]);
  assert.equal(await columnsOf(plain), undefined);
  assert.deepEqual(await columnsOf(plain, { protocol: "fairface" }), faceColumns);
  const spec = JSON.stringify({ kind: "webdataset", shards: "x.tar", npyColumns: ["c"] });
  assert.deepEqual(await columnsOf(spec, { protocol: "fairface" }), ["c"]);
});

test("classes are those beside the shards, unless others are given", async () => {
  const set = setCalled("beside", ["cat", "dog"]);
  assert.equal((await ask(set)).classes, set);
  assert.equal((await ask(set, { classes: "mine.txt" })).classes, "mine.txt");
  assert.equal((await ask("a.csv")).classes, undefined);
});

test("words for values are a list by number, or by value", async () => {
  const file = path.join(folder, "names.json");
  writeFileSync(file, '{"gender": ["man", "woman"], "race": {"3": "black"}}');
  const { valueNames } = await ask("a.csv", { names: file });
  assert.deepEqual(valueNames, { gender: { 0: "man", 1: "woman" }, race: { 3: "black" } });
  for (const [text, wrong] of [
    ["[]", /received no object/],
    ['{"gender": "man"}', /received no list for gender/],
    ['{"gender": null}', /received no list for gender/],
    ['{"gender": [1]}', /received no text for 0 of gender/],
    ["{", /cannot read .*names\.json/],
  ] as const) {
    writeFileSync(file, text);
    await assert.rejects(ask("a.csv", { names: file }), { name: "UsageError", message: wrong });
  }
});

test("groups may be several, crossed or not, and parts may be left out", async () => {
  const asked = await ask("a.csv", { groups: ["a", "b, c"], without: ["queries", "projections"] });
  assert.deepEqual(asked.groups, [["a"], ["b", "c"]]);
  assert.deepEqual([asked.queries, asked.associations, asked.debias], [[], true, false]);
  assert.equal((await ask("a.csv")).queries, "people");
  for (const groups of ["a,,b", "a,a", ","]) {
    await assert.rejects(
      ask("a.csv", { groups: [groups] }),
      /Expected different keys for --groups/,
    );
  }
});

test("a set of the hub is a source, known by its name there", async (t) => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const file = (text: string): { bytes: Buffer; lfs: boolean } => ({
    bytes: Buffer.from(text),
    lfs: false,
  });
  const hub = await startLocalHub({
    "datasets/djghosh/wds_geode_test": {
      ...{ commit, revisions: ["main"] },
      files: {
        "classnames.txt": file("bag\ncar\n"),
        "test/nshards.txt": file("1"),
        "test/0.tar": file("x"),
      },
    },
  });
  const before = { ...process.env };
  Object.assign(process.env, {
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_CACHE: path.join(folder, "cache"),
  });
  t.after(async () => {
    process.env = before;
    await hub.close();
  });
  const asked = await ask("hf://datasets/djghosh/wds_geode_test");
  assert.equal(asked.title, "hf://datasets/djghosh/wds_geode_test");
  assert.deepEqual(asked.source.kind === "webdataset" && asked.source.npyColumns, [
    "region",
    "country",
  ]);
  const { classes } = asked;
  assert.ok(typeof classes === "string" && classes.includes("datasets--djghosh--wds_geode_test"));
  await assert.rejects(ask("hf://datasets/djghosh/none", { offline: true }), {
    failure: "offline",
  });
});
