import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test, type TestContext } from "node:test";

import { startLocalHub, type LocalFile, type LocalHub } from "../../../test/support/local-hub.ts";
import { openBenchmarkSet } from "./benchmark-set.ts";
import { fetchSet, setFiles, type FetchSetOptions } from "./hub-set.ts";

const goldens = new URL("../../../../test/goldens/benchmark-sets/", import.meta.url).pathname;
const commit = "0123456789abcdef0123456789abcdef01234567";

/** A set of CLIP_benchmark as a repository, with a second split and what repositories have. */
function repository(name: string): Record<string, LocalFile> {
  const files: Record<string, LocalFile> = {};
  const bytesOf = (file: string): Buffer => readFileSync(join(goldens, name, file));
  for (const file of readdirSync(join(goldens, name), { recursive: true }).map(String)) {
    if (!/\.\w+$/.test(file)) continue;
    files[file] = { bytes: bytesOf(file), lfs: file.endsWith(".tar") };
    if (file.startsWith("test/")) files[file.replace("test/", "train/")] = files[file];
  }
  const plain = { bytes: Buffer.from("x"), lfs: false };
  return { ...files, "README.md": plain, ".gitattributes": plain };
}

interface Fixture {
  hub: LocalHub;
  cacheFolder: string;
  fetch: (reference: string, more?: FetchSetOptions) => Promise<string>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const plain = { bytes: Buffer.from("x"), lfs: false };
  const hub = await startLocalHub({
    "datasets/org/wds_classes": {
      commit,
      revisions: ["main"],
      files: repository("wds_classes"),
    },
    "datasets/org/photos": {
      commit,
      revisions: ["main"],
      files: {
        "README.md": plain,
        "a/1.jpg": plain,
        "a/1.txt": plain,
        "b/test.csv": plain,
        "x.py": plain,
      },
    },
  });
  const cacheFolder = mkdtempSync(join(tmpdir(), "limn-hub-set-"));
  t.after(async () => {
    await hub.close();
    rmSync(cacheFolder, { recursive: true });
  });
  const options = { cacheFolder, endpoint: hub.endpoint, environment: {}, backoffMs: 2 };
  return {
    hub,
    cacheFolder,
    fetch: (reference, more) => fetchSet(reference, { ...options, ...more }),
  };
}

test("what a repository has not is named, with what is near", async (t) => {
  const { fetch } = await fixture(t);
  await assert.rejects(fetch("hf://datasets/org/photos/c"), {
    failure: "not-found",
    message:
      /^Expected files of a set in hf:\/\/datasets\/org\/photos but received no "c"; ?(?:Did you mean "a"\?|check its page\.)$/,
  });
  await assert.rejects(
    fetch("hf://datasets/org/photos/b/tst.csv"),
    /Did you mean "b\/test\.csv"\?$/,
  );
  await assert.rejects(fetch("org/photos"), /write "hf:\/\/datasets\/org\/photos"/);
});

test("of a set of CLIP_benchmark one split and its texts are fetched, once", async (t) => {
  const { hub, fetch } = await fixture(t);
  const announced: string[] = [];
  const onFiles = (files: readonly { path: string }[]): void =>
    void announced.push(...files.map(({ path }) => path));
  const folder = await fetch("hf://datasets/org/wds_classes", { onFiles });
  const texts = ["classnames.txt", "zeroshot_classification_templates.txt"];
  const split = ["0.tar", "1.tar", "2.tar", "nshards.txt"];
  const there = (): string[] =>
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => /\.\w+$/.test(name))
      .sort();
  assert.deepEqual(there(), [texts[0], ...split.map((one) => `test/${one}`), texts[1]]);
  assert.deepEqual(announced.sort(), there());
  assert.equal(openBenchmarkSet(folder).classes.length, 5);
  hub.log.length = 0;
  assert.equal(await fetch("hf://datasets/org/wds_classes"), folder);
  assert.equal(hub.log.length, 1);
  const train = await fetch("hf://datasets/org/wds_classes/train");
  assert.equal(relative(folder, train), "train");
  assert.equal(openBenchmarkSet(train).classes.length, 5);
});

test("of other repositories the named folder or file is fetched, without cards and scripts", async (t) => {
  const { fetch } = await fixture(t);
  const file = await fetch("hf://datasets/org/photos/b/test.csv");
  assert.equal(readFileSync(file, "utf8"), "x");
  const files = ["README.md", "a/1.jpg", "a/1.txt", ".gitattributes", "b/test.csv", "x.py"].map(
    (path) => ({
      path,
      size: 1,
    }),
  );
  const chosen = (inside: string): string[] =>
    setFiles(files, inside, "test").map(({ path }) => path);
  assert.deepEqual(chosen(""), ["a/1.jpg", "a/1.txt", "b/test.csv"]);
  assert.deepEqual(chosen("a"), ["a/1.jpg", "a/1.txt"]);
  assert.deepEqual(chosen("a/1.txt"), ["a/1.txt"]);
});
