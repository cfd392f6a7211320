import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { runLimn } from "../../../test/support/run-limn.ts";
import { saveTinyModel, tinyPicture } from "../../../test/support/tiny-model.ts";
import { tarOf } from "../../data/sources/samples.test.helper.ts";
import { writeShards } from "../../data/write-shards.ts";
import type { PackSample } from "../../data/sample.ts";
import type { AuditCard } from "../../evaluate/audit/audit-card.ts";
import { fairFaceObjectives, objectiveNames } from "../../evaluate/audit/texts/prompts.ts";

const COUNT = 80;
let folder: string;
let model: string;
/** Shards with `classnames.txt` beside them, and records with region, home and income. */
let shards: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "limn-audit-cli-"));
  model = await saveTinyModel(join(folder, "model"));
  const samples: PackSample[] = [];
  for (let i = 0; i < COUNT; i++) {
    const meta = { region: i % 2 === 0 ? "north" : "south", home: i >> 2, income: 100 + i };
    const image = await tinyPicture(i);
    samples.push({
      key: `s${i}`,
      image,
      extension: "png",
      captions: ["x"],
      classIndex: String(i % 3),
      meta,
    });
  }
  await writeShards({ samples, directory: join(folder, "set"), samplesPerShard: 40 });
  writeFileSync(join(folder, "set", "classnames.txt"), "cat\ndog\nsheep\n");
  shards = join(folder, "set");
});
after(() => rmSync(folder, { recursive: true }));

const quick = ["--resamples", "20", "--without", "associations", "--without", "projections"];

async function fails(args: string[], code: number, message: RegExp): Promise<void> {
  const result = await runLimn("audit", model, ...args);
  assert.equal(result.code, code, result.err);
  assert.match(result.err, message);
  assert.equal(result.out, "");
}

describe("limn audit", () => {
  it("refuses flags and files that say nothing", async () => {
    await fails([shards], 2, /Expected keys of the samples' records for groups/);
    await fails([shards, "--groups", "region,"], 2, /Expected different keys for --groups/);
    await fails([shards, "--groups", "regin"], 3, /Did you mean "region"\?/);
    await fails(
      [shards, "--groups", "region", "--positive", "cow"],
      2,
      /one of 3 classes for positive/,
    );
    await fails([shards, "--groups", "region", "--html", "a.txt"], 2, /ends in \.html for --html/);
    await fails(
      [shards, "--groups", "region", "--names", "none.json"],
      2,
      /cannot read none\.json/,
    );
    const wrong = join(folder, "wrong.json");
    writeFileSync(wrong, '{"region": {"0": 1}}');
    await fails([shards, "--groups", "region", "--names", wrong], 2, /no text for 0 of region/);
    writeFileSync(join(folder, "empty.txt"), "\n\n");
    const queries = ["--queries", join(folder, "empty.txt")];
    await fails(
      [shards, "--groups", "region", ...queries],
      2,
      /Expected queries in .* received none/,
    );
    await fails(
      [shards, "--groups", "region", "--without", "faces"],
      2,
      /one of queries, associations/,
    );
    await fails(
      [shards, "--groups", "region", "--npy-columns", "a,b"],
      3,
      /has no \.npy file for a, b/,
    );
    await fails(
      [join(folder, "set.csv"), "--groups", "a", "--npy-columns", "a"],
      2,
      /means nothing/,
    );
  });

  it("leaves a file that is no page of limn's as it is, and writes its own again", async () => {
    const html = join(folder, "page.html");
    writeFileSync(html, "mine");
    const args = [shards, "--groups", "region", ...quick, "--without", "queries", "--html", html];
    await fails(args, 2, /or a page of limn's, but .*page\.html is another file/);
    assert.equal(readFileSync(html, "utf8"), "mine");
    rmSync(html);
    for (let run = 0; run < 2; run++) {
      const { code, err } = await runLimn("audit", model, ...args);
      assert.equal(code, 0, err);
    }
    assert.match(readFileSync(html, "utf8"), /<title>Audit card<\/title>.*By region/s);
  });

  it("takes the classes beside the shards, and prints the card for people and as JSON", async () => {
    const queries = join(folder, "queries.txt");
    writeFileSync(queries, "a pet\n\na farm\n");
    const args = [shards, "--groups", "region", "--cluster", "home", "--income", "income"];
    const some = [...args, "--positive", "dog", "--queries", queries, ...quick];
    const text = await runLimn("audit", model, ...some);
    assert.equal(text.code, 0, text.err);
    assert.match(text.out, /^Audit of .* 80 pictures\n/);
    assert.match(text.out, /\nregion +n +top-1 +ECE\nnorth +40 /);
    assert.match(text.out, /No finding is not the same as no bias/);
    assert.match(text.err, /Auditing pictures/);
    const json = await runLimn("audit", model, ...some, "--json");
    const card = JSON.parse(json.out) as AuditCard;
    assert.deepEqual([card.format, card.count, card.positive], ["limn-audit-card", 80, "dog"]);
    assert.deepEqual(card.classes?.names, ["cat", "dog", "sheep"]);
    assert.deepEqual(card.cluster, { key: "home", count: 20 });
    assert.deepEqual(card.skew[0]?.prompts, 2);
    assert.deepEqual([card.income?.count, card.income?.k], [80, 1]);
    assert.deepEqual([card.associations, card.debiasing], [[], []]);
  });

  it("knows FairFace's set by its classes and the numbers in its .npy files", async () => {
    const set = join(folder, "wds_fairface_test");
    const names = objectiveNames.flatMap((name) =>
      fairFaceObjectives[name].classes.map((one) => `${name}:${one}`),
    );
    const templates = objectiveNames.map(
      (name) => `${name}:${fairFaceObjectives[name].templates[0]?.replace("{}", "{c}")}`,
    );
    await writeFaces(join(set, "test"));
    writeFileSync(join(set, "classnames.txt"), names.join("\n"));
    writeFileSync(join(set, "zeroshot_classification_templates.txt"), templates.join("\n"));
    const args = [
      "audit",
      model,
      set,
      "--protocol",
      "fairface",
      "--least",
      "5",
      ...quick,
      "--json",
    ];
    const { code, out, err } = await runLimn(...args, "--without", "queries");
    assert.equal(code, 0, err);
    const card = JSON.parse(out) as AuditCard;
    assert.equal(card.faces?.prompts, "set");
    assert.deepEqual(
      card.faces.tables.map(({ key, rows }) => [key, rows.map(({ count }) => count)]).slice(0, 1),
      [["acc_race", [6, 34]]],
    );
    assert.deepEqual(
      card.accuracy.map(({ keys }) => keys),
      [["race"], ["gender"]],
    );
  });
});

/** 40 faces in a shard as DataComp has them: a picture, and age, gender, race, race_binary in `key.npy`. */
async function writeFaces(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 40; i++) {
    const race = i % 7;
    files[`s${i}.png`] = await tinyPicture(i);
    files[`s${i}.npy`] = int64Vector([i % 9, i % 2, race, race === 1 ? 0 : 1]);
  }
  writeFileSync(join(directory, "0.tar"), tarOf(files));
  writeFileSync(join(directory, "nshards.txt"), "1");
}

/** As numpy.save writes a vector of int64: NEP 1, version 1.0. */
function int64Vector(numbers: readonly number[]): Uint8Array {
  const header = `{'descr': '<i8', 'fortran_order': False, 'shape': (${numbers.length},), }`;
  const padded = `${header.padEnd(117)}\n`;
  const lead = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length, 0]);
  const values = Buffer.from(BigInt64Array.from(numbers, BigInt).buffer);
  return Buffer.concat([lead, Buffer.from(padded, "latin1"), values]);
}
