import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { fingerprintSource } from "../../data/data-fingerprint.ts";
import { checkSameData, sampleData, type RunData } from "./run-data.ts";

const root = mkdtempSync(join(tmpdir(), "limn-run-data-"));
after(() => rmSync(root, { recursive: true }));

const sources: Record<string, (folder: string) => SourceSpec> = {
  shards: (folder) => ({
    kind: "webdataset",
    shards: [join(folder, "a.tar"), join(folder, "b.tar")],
  }),
  table: (folder) => ({ kind: "table", file: join(folder, "table.csv") }),
  pictures: (folder) => ({ kind: "folder", directory: join(folder, "pictures") }),
  "metadata in a folder": (folder) => ({ kind: "folder", directory: join(folder, "dataset") }),
};

/** One of each, with a file of more than the parts that are looked at. */
function fresh(): string {
  const folder = mkdtempSync(join(root, "a-"));
  writeFileSync(join(folder, "a.tar"), Buffer.alloc(1 << 20));
  writeFileSync(join(folder, "b.tar"), Buffer.alloc(1024));
  writeFileSync(join(folder, "table.csv"), "image,caption\na.png,a\n");
  mkdirSync(join(folder, "pictures"));
  for (const key of ["a", "b"]) writeFileSync(join(folder, "pictures", `${key}.png`), "png");
  writeFileSync(join(folder, "pictures", "a.txt"), "one");
  writeFileSync(join(folder, "a.png"), "png");
  mkdirSync(join(folder, "dataset"));
  writeFileSync(join(folder, "dataset", "a.png"), "png");
  writeFileSync(join(folder, "dataset", "metadata.jsonl"), '{"file_name":"a.png","text":"one"}\n');
  return folder;
}

for (const [kind, source] of Object.entries(sources)) {
  test(`${kind}: a copy elsewhere, written at another time, is the same data`, async () => {
    const folder = fresh();
    const first = await sampleData(source(folder));
    const copy = join(root, `copy-${kind}`);
    cpSync(folder, copy, { recursive: true });
    for (const name of ["a.tar", "table.csv"]) utimesSync(join(copy, name), 1, 1);
    assert.deepEqual(await sampleData(source(copy)), first);
    checkSameData("run", first, await sampleData(source(copy)));
    checkSameData("run", undefined, first);
  });
}

const changes: [string, keyof typeof sources, (folder: string) => void][] = [
  ["a byte at the beginning", "shards", (folder) => flip(join(folder, "a.tar"), 0)],
  ["a byte at the end", "shards", (folder) => flip(join(folder, "a.tar"), (1 << 20) - 1)],
  ["a byte in the middle", "shards", (folder) => flip(join(folder, "a.tar"), 1 << 19)],
  ["a byte anywhere", "shards", (folder) => flip(join(folder, "a.tar"), 200_000)],
  ["a size", "shards", (folder) => writeFileSync(join(folder, "b.tar"), Buffer.alloc(1025))],
  ["a file that is missing", "shards", (folder) => rmSync(join(folder, "b.tar"))],
  [
    "a row",
    "table",
    (folder) => writeFileSync(join(folder, "table.csv"), "image,caption\nb.png,a\n"),
  ],
  [
    "a further picture",
    "pictures",
    (folder) => writeFileSync(join(folder, "pictures", "c.png"), ""),
  ],
  [
    "a picture's size",
    "pictures",
    (folder) => writeFileSync(join(folder, "pictures", "a.png"), ""),
  ],
  [
    "another picture of the same size",
    "pictures",
    (folder) => writeFileSync(join(folder, "pictures", "a.png"), "gnp"),
  ],
  [
    "another caption of the same size",
    "pictures",
    (folder) => writeFileSync(join(folder, "pictures", "a.txt"), "two"),
  ],
  [
    "another caption of the same size",
    "metadata in a folder",
    (folder) => {
      const text = '{"file_name":"a.png","text":"two"}\n';
      writeFileSync(join(folder, "dataset", "metadata.jsonl"), text);
    },
  ],
  [
    "another picture",
    "metadata in a folder",
    (folder) => writeFileSync(join(folder, "dataset", "a.png"), "gnp"),
  ],
  ["another picture", "table", (folder) => writeFileSync(join(folder, "a.png"), "gnp")],
  ["a picture that is missing", "table", (folder) => rmSync(join(folder, "a.png"))],
];
for (const [what, kind, change] of changes) {
  test(`${kind}: ${what} makes other data`, async () => {
    const folder = fresh();
    const source = sources[kind]!(folder);
    const before = await sampleData(source);
    const print = await fingerprintSource(source);
    change(folder);
    const now = await sampleData(source);
    assert.notEqual((await fingerprintSource(source)).digest, print.digest);
    assert.throws(() => checkSameData("run", before, now), {
      name: "DataError",
      message:
        /^Expected the data that run was trained on, \d files? of \d+ bytes, for data\.train/,
    });
  });
}

test("of what is too large to be read whole, beginning, middle and end are", async () => {
  const folder = fresh();
  const source = sources["shards"]!(folder);
  const sample = (): Promise<RunData> => sampleData(source, { contentsUpTo: 1000 });
  const before = await sample();
  flip(join(folder, "a.tar"), 200_000);
  assert.deepEqual(await sample(), before);
  flip(join(folder, "a.tar"), 1 << 19);
  assert.notDeepEqual(await sample(), before);
});

test("a table's pictures that were all replaced are noticed, however many there are", async () => {
  const folder = mkdtempSync(join(root, "many-"));
  const count = 2000;
  const names = Array.from({ length: count }, (_, i) => `${i}.png`);
  writeFileSync(
    join(folder, "table.csv"),
    `image,caption\n${names.map((name) => `${name},a\n`).join("")}`,
  );
  for (const name of names) writeFileSync(join(folder, name), "one");
  const spec: SourceSpec = { kind: "table", file: join(folder, "table.csv") };
  const before = await sampleData(spec);
  assert.deepEqual(await sampleData(spec), before);
  for (const name of names) writeFileSync(join(folder, name), "two");
  const now = await sampleData(spec);
  assert.throws(() => checkSameData("run", before, now), {
    name: "DataError",
    message: /received other pictures or captions of the same names; put it back/,
  });
});

test("a checkpoint of an earlier version knows of no pictures", async () => {
  const spec = sources["table"]!(fresh());
  const { pictures, ...earlier } = await sampleData(spec);
  assert.match(String(pictures), /^[0-9a-f]{32}$/);
  checkSameData("run", earlier, await sampleData(spec));
});

test("how the data is read belongs to it", async () => {
  const folder = fresh();
  const { kind, file } = sources["table"]!(folder) as { kind: "table"; file: string };
  const before = await sampleData({ kind, file });
  const now = await sampleData({ kind, file, caption: "caption" });
  assert.notEqual(before.digest, now.digest);
});

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(file, bytes);
}
