/** The cache that huggingface_hub wrote is read, and limn writes the same one. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { lstatSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { startLocalHub } from "../../test/support/local-hub.ts";
import { fetchDataset } from "./fetch-dataset.ts";
import { fetchModel } from "./fetch-model.ts";

type Entry = { readonly link: string } | { readonly base64: string };

interface Golden {
  readonly commit: string;
  readonly files: Readonly<Record<string, { readonly base64: string; readonly lfs: boolean }>>;
  readonly cache: Readonly<Record<string, Entry>>;
  readonly datasetCache: Readonly<Record<string, Entry>>;
}

const file = new URL("../../../test/goldens/hub-cache.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
const choose = (files: readonly { path: string }[]) => files.map((file) => file.path);
const skip = process.platform === "win32" && "links need a right on Windows";

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-hub-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function describe(folder: string): Record<string, Entry> {
  const described: Record<string, Entry> = {};
  for (const name of readdirSync(folder, { recursive: true }).map(String)) {
    const found = lstatSync(path.join(folder, name));
    if (found.isSymbolicLink()) described[name] = { link: readlinkSync(path.join(folder, name)) };
    else if (found.isFile()) {
      described[name] = { base64: readFileSync(path.join(folder, name)).toString("base64") };
    }
  }
  return described;
}

const kinds = [
  ["a model", fetchModel, "hf://org/model", golden.cache],
  ["a data set", fetchDataset, "hf://datasets/org/data", golden.datasetCache],
] as const;

for (const [kind, fetch, reference, cache] of kinds) {
  test(`${kind} that huggingface_hub has fetched is found without network`, { skip }, async (t) => {
    const cacheFolder = emptyFolder(t);
    for (const [name, entry] of Object.entries(cache)) {
      const target = path.join(cacheFolder, name);
      mkdirSync(path.dirname(target), { recursive: true });
      if ("link" in entry) symlinkSync(entry.link, target);
      else writeFileSync(target, Buffer.from(entry.base64, "base64"));
    }
    const options = { choose, cacheFolder, offline: true, environment: {} };
    for (const revision of ["main", "refs/pr/1", golden.commit]) {
      const folder = await fetch(`${reference}@${revision}`, options);
      for (const [name, { base64 }] of Object.entries(golden.files)) {
        assert.equal(readFileSync(path.join(folder, name)).toString("base64"), base64);
      }
    }
  });

  test(
    `limn leaves the same cache of ${kind}, byte for byte and link for link`,
    { skip },
    async (t) => {
      const files = Object.entries(golden.files).map(([name, { base64, lfs }]) => [
        name,
        { bytes: Buffer.from(base64, "base64"), lfs },
      ]);
      const repository = {
        commit: golden.commit,
        revisions: ["main", "refs/pr/1"],
        files: Object.fromEntries(files),
      };
      const hub = await startLocalHub({ "org/model": repository, "datasets/org/data": repository });
      t.after(() => hub.close());
      const cacheFolder = emptyFolder(t);
      const options = { choose, cacheFolder, endpoint: hub.endpoint, environment: {} };
      for (const revision of ["main", "refs/pr/1"]) {
        await fetch(`${reference}@${revision}`, options);
      }
      assert.deepEqual(describe(cacheFolder), cache);
    },
  );
}
