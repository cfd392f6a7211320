import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, describe, it } from "node:test";

import { openSource } from "../../data/sources/open-source.ts";
import { readSamples, type SampleText } from "../../data/sources/read-sample.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { ClassAnswers } from "../class-answers.ts";
import { isBenchmarkSet, openBenchmarkSet } from "./benchmark-set.ts";

const goldens = new URL("../../../../test/goldens/benchmark-sets/", import.meta.url);
const at = (name: string): string => new URL(name, goldens).pathname;
const golden = JSON.parse(readFileSync(at("read.json"), "utf8")) as {
  sets: Record<
    string,
    { classes: string[] | null; templates: string[] | null; outputs: unknown[] }
  >;
  metadata: number[][];
};

const top = mkdtempSync(join(tmpdir(), "limn-benchmark-set-"));
after(() => rmSync(top, { recursive: true }));
let copies = 0;
/** A copy of a set that may be damaged. */
function copyOf(name: string): string {
  const folder = join(top, `${copies++}`, name);
  cpSync(at(name), folder, { recursive: true });
  return folder;
}

async function textsOf(source: SourceSpec): Promise<SampleText[]> {
  const texts: SampleText[] = [];
  for await (const sample of readSamples(await openSource(source))) {
    assert.ok("text" in sample, JSON.stringify(sample));
    texts.push(sample.text);
  }
  return texts;
}

describe("openBenchmarkSet, given something damaged", () => {
  const refuses = (path: string, message: RegExp, options: { split?: string } = {}): void =>
    assert.throws(() => openBenchmarkSet(path, options), { message });

  it("names what is no set, and the splits that there are", () => {
    refuses(
      join(top, "absent"),
      /^Expected the folder of a set at .*absent but received nothing there/,
    );
    refuses(at("read.json"), /received a file; check/);
    const empty = join(top, "empty");
    mkdirSync(empty);
    refuses(
      empty,
      /^Expected test\/nshards\.txt in .*empty for a set of CLIP_benchmark .* fetch the set/,
    );
    refuses(at("wds_classes"), /^Expected train\/nshards\.txt .* it has test: name one/, {
      split: "train",
    });
  });

  it("names nshards.txt that is missing or no number, and shards that are missing", () => {
    const folder = copyOf("wds_classes");
    const file = join(folder, "test", "nshards.txt");
    for (const text of ["", "0", "-1", "three", "1e2", "999999"]) {
      writeFileSync(file, text);
      refuses(folder, /^Expected a number from 1 to 100000 in .*nshards\.txt but received "/);
    }
    writeFileSync(file, "12\n");
    refuses(
      folder,
      /^Expected 12 shards, as .*nshards\.txt says, but received 3: 3\.tar, .*7\.tar and 4 more are missing; fetch/,
    );
    writeFileSync(file, "3");
    rmSync(join(folder, "test", "1.tar"));
    refuses(folder, /received 2: 1\.tar is missing/);
    rmSync(file);
    refuses(folder, /^Expected the number of shards in .*nshards\.txt but cannot read it/);
  });

  it("names an unknown kind, no classes, and templates without a place", () => {
    const folder = copyOf("wds_labels");
    writeFileSync(join(folder, "dataset_type.txt"), "Multi-label\n");
    refuses(
      folder,
      /^Expected one of classification, .* in .*dataset_type\.txt but received "multi-label"; .*Did you mean "multilabel"\?$/,
    );
    writeFileSync(join(folder, "dataset_type.txt"), "MULTILABEL\n");
    assert.equal(openBenchmarkSet(folder).type, "multilabel");
    const templates = join(folder, "zeroshot_classification_templates.txt");
    writeFileSync(templates, "a photo of a {c}.\n\na photo\n");
    refuses(folder, /with \{\} or \{c\} in .*templates\.txt, .* received "a photo" \(line 3\)/);
    rmSync(templates);
    assert.equal(openBenchmarkSet(folder).templates, undefined);
    writeFileSync(join(folder, "classnames.txt"), "\n");
    refuses(folder, /classnames\.txt.*it holds no class/);
  });

  it("tells of shards that are not read", () => {
    const folder = copyOf("wds_classes");
    writeFileSync(join(folder, "test", "nshards.txt"), "1\n");
    const { source, notes } = openBenchmarkSet(folder);
    assert.deepEqual(
      [source.shards].flat().map((one) => basename(one)),
      ["0.tar"],
    );
    assert.match(
      notes.join(),
      /^1\.tar, 2\.tar in .* lie behind the 1 shard of nshards\.txt and are not read$/,
    );
  });
});

describe("a set of CLIP_benchmark", () => {
  it("is told from other folders", () => {
    assert.ok(isBenchmarkSet(at("wds_classes")));
    assert.ok(isBenchmarkSet(at("wds_classes/test")));
    assert.ok(!isBenchmarkSet(at("")));
    assert.ok(!isBenchmarkSet(at("read.json")));
    const photos = join(top, "photos");
    mkdirSync(join(photos, "test"), { recursive: true });
    writeFileSync(join(photos, "classnames.txt"), "cat\ndog\n");
    assert.ok(!isBenchmarkSet(photos));
  });

  it("has the classes, templates and answers that CLIP_benchmark reads", async () => {
    for (const [name, { classes, templates, outputs }] of Object.entries(golden.sets)) {
      for (const path of [at(name), at(`${name}/test`)]) {
        const set = openBenchmarkSet(path);
        assert.deepEqual(
          set.classes.flatMap(({ names }) => names),
          classes ?? [],
          name,
        );
        const placed = set.templates?.map((one) => one.replace("{}", "{c}"));
        assert.deepEqual(placed, templates ?? undefined);
        const index = new ClassAnswers(set.classes);
        const texts = await textsOf(set.source);
        const found = texts.map(({ captions, label, meta }) => {
          if (set.type === "retrieval") return captions;
          return set.type === "multilabel" ? meta?.["npy"] : index.find(label);
        });
        // Captions lose the spaces around them.
        const wanted = outputs.map((one) =>
          set.type === "retrieval" ? (one as string[]).map((text) => text.trim()) : one,
        );
        assert.deepEqual(found, wanted, name);
      }
    }
  });

  it("may have its texts beside the shards", () => {
    const folder = copyOf("wds_labels");
    const flat = join(folder, "test");
    for (const name of ["classnames.txt", "dataset_type.txt"]) {
      cpSync(join(folder, name), join(flat, name));
      rmSync(join(folder, name));
    }
    const set = openBenchmarkSet(flat);
    assert.deepEqual([set.folder, set.type, set.classes.length], [flat, "multilabel", 3]);
    assert.ok(existsSync([set.source.shards].flat()[0] ?? ""));
  });

  it("gives metadata under names", async () => {
    const npyColumns = ["region", "year", "y"];
    const { source } = openBenchmarkSet(at("wds_metadata"), { npyColumns });
    const metas = (await textsOf(source)).map(({ meta }) => npyColumns.map((name) => meta?.[name]));
    assert.deepEqual(metas, golden.metadata);
  });
});
