import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { openSource } from "../sources/open-source.ts";
import { blocksOf, rawHeader, workspace } from "../sources/samples.test.helper.ts";
import type { Entry, Part, Source } from "../sources/source.ts";
import { tarEnd, tarEntry } from "../sources/tar-format.ts";
import { type Cursor, type OrderOptions, visit } from "./order.ts";

/** Parts of these sizes; every sample of a compressed part holds 10 bytes. */
function fakeSource(
  sizes: number[],
  { listed = false, compressed = false } = {},
): Source & { reads: number } {
  const source: Source & { reads: number } = {
    name: "fake",
    listed,
    reads: 0,
    reading: { captionKeys: [], captionPerLine: false },
    parts: sizes.map((size, number): Part => {
      const at = (i: number): Entry => {
        source.reads += 1;
        const bytes = compressed ? { bytes: new Uint8Array(10) } : {};
        const image = { file: `part-${number}`, offset: i, ...bytes };
        return { ref: { key: `${number}/${i}`, file: `part-${number}`, image } };
      };
      return {
        path: `part-${number}`,
        compressed,
        async *read(): AsyncGenerator<Entry> {
          for (let i = 0; i < size; i++) yield at(i);
        },
        ...(listed ? { list: { length: size, at } } : {}),
      };
    }),
  };
  return source;
}

const options = (more: Partial<OrderOptions> = {}): OrderOptions => ({
  seed: 1,
  shuffle: true,
  window: 7,
  windowBytes: Infinity,
  epochs: 3,
  ...more,
});

const START: Cursor = { epoch: 0, part: 0, entry: 0, offset: 0 };

async function walk(
  source: Source,
  given: OrderOptions,
  start = START,
  most = Infinity,
): Promise<{ keys: string[]; cursors: Cursor[] }> {
  const keys: string[] = [];
  const cursors: Cursor[] = [];
  for await (const step of visit(source, given, start)) {
    if (keys.length === most) break;
    const caption = step.kind === "example" ? step.example.caption : undefined;
    const suffix = caption === undefined ? "" : `#${caption}`;
    keys.push(
      step.kind === "example" ? `${step.epoch}:${step.example.entry.ref!.key}${suffix}` : "end",
    );
    cursors.push(step.next);
  }
  return { keys, cursors };
}

/** The keys of each epoch. */
function epochs(keys: string[]): string[][] {
  const result: string[][] = [[]];
  for (const key of keys) {
    if (key === "end") result.push([]);
    else result.at(-1)!.push(key.slice(key.indexOf(":") + 1));
  }
  return result.slice(0, -1);
}

const SIZES = [5, 0, 9, 1, 12, 3];
const ALL = SIZES.flatMap((size, part) => Array.from({ length: size }, (_, i) => `${part}/${i}`));

const kinds: [string, () => Source, Partial<OrderOptions>][] = [
  ["shards", () => fakeSource(SIZES), {}],
  ["shards in a window of one", () => fakeSource(SIZES), { window: 1 }],
  ["shards in one window", () => fakeSource(SIZES), { window: 1000 }],
  ["compressed shards", () => fakeSource(SIZES, { compressed: true }), { windowBytes: 35 }],
  ["a listed source", () => fakeSource([30], { listed: true }), {}],
  ["a listed source of parts", () => fakeSource(SIZES, { listed: true }), {}],
  [
    "two examples per listed sample",
    () => fakeSource(SIZES, { listed: true }),
    { expand: () => [0, 1] },
  ],
  ["two examples per sample", () => fakeSource(SIZES), { expand: () => [0, 1] }],
];

describe("visit", () => {
  it("refuses a position behind the end of its window", async () => {
    const start = { ...START, offset: 8 };
    await assert.rejects(
      walk(fakeSource(SIZES), options(), start),
      /Expected the source that the position was saved for/,
    );
  });
  it("in stored order when it does not shuffle", async () => {
    const { keys } = await walk(fakeSource(SIZES), options({ shuffle: false, epochs: 2 }));
    assert.deepEqual(epochs(keys), [ALL, ALL]);
  });
  for (const [name, make, more] of kinds) {
    it(`${name}: every epoch is a permutation, another one each time, the same for a seed`, async () => {
      const { keys } = await walk(make(), options(more));
      const orders = epochs(keys);
      assert.equal(orders.length, 3);
      const sorted = orders.map((order) => order.toSorted().join());
      assert.equal(new Set(sorted).size, 1);
      assert.equal(new Set(orders[0]).size, orders[0]!.length);
      if (more.expand === undefined && name !== "a listed source")
        assert.equal(sorted[0], ALL.toSorted().join());
      assert.equal(new Set(orders.map((order) => order.join())).size, 3);
      assert.deepEqual((await walk(make(), options(more))).keys, keys);
      assert.notDeepEqual((await walk(make(), options({ ...more, seed: 2 }))).keys, keys);
    });
    it(`${name}: resumes exactly behind every example and every end of an epoch`, async () => {
      const { keys, cursors } = await walk(make(), options(more));
      for (const [i, cursor] of cursors.entries()) {
        const copy = JSON.parse(JSON.stringify(cursor)) as Cursor;
        const rest = await walk(make(), options(more), copy);
        assert.deepEqual(rest.keys, keys.slice(i + 1), `behind ${i}`);
      }
    });
  }
  for (const [name, make, more] of kinds) {
    for (const [size, batchSize] of [
      [2, 3],
      [3, 2],
      [4, 1],
    ] as const) {
      it(`${name}: ${size} ranks with batches of ${batchSize} take the whole order together`, async () => {
        const { keys } = await walk(make(), options(more));
        const whole = keys.filter((key) => key !== "end");
        const shares: string[][] = [];
        for (let rank = 0; rank < size; rank++) {
          const given = options({ ...more, share: { rank, size, batchSize } });
          const { keys: own, cursors } = await walk(make(), given);
          shares.push(own.filter((key) => key !== "end"));
          assert.equal(own.length - shares[rank]!.length, 3, "ends of epochs");
          for (const [i, cursor] of cursors.entries()) {
            const copy = JSON.parse(JSON.stringify(cursor)) as Cursor;
            const rest = await walk(make(), given, copy);
            assert.deepEqual(rest.keys, own.slice(i + 1), `rank ${rank} behind ${i}`);
          }
        }
        const batches = Math.ceil(whole.length / (size * batchSize));
        const together = Array.from({ length: batches }, (_, k) =>
          shares.flatMap((own) => own.slice(k * batchSize, (k + 1) * batchSize)),
        );
        assert.deepEqual(together.flat(), whole);
      });
    }
  }
  it("orders a listed source as one window of its entries", async () => {
    for (const expand of [undefined, () => [0, 1, 2]]) {
      for (const shuffle of [true, false]) {
        const given = options({ shuffle, window: Infinity, ...(expand && { expand }) });
        const listed = await walk(fakeSource(SIZES, { listed: true }), given);
        assert.deepEqual(listed, await walk(fakeSource(SIZES), given));
      }
    }
  });
  it("makes a listed source's entries when they are visited, not before", async () => {
    const source = fakeSource([100_000], { listed: true });
    await walk(source, options(), START, 10);
    assert.ok(source.reads < 20, `${source.reads} entries were made`);
  });
  it("resumes without reading what came before its shard", async () => {
    const sizes = new Array<number>(100).fill(20);
    const given = options({ window: 30, epochs: undefined });
    const { cursors } = await walk(fakeSource(sizes), given, START, 1500);
    const source = fakeSource(sizes);
    // To the start of the window, the window, and two more ahead of it.
    await walk(source, given, cursors.at(-1), 10);
    assert.ok(source.reads <= 20 + 3 * 30, `${source.reads} entries were read`);
  });
});

describe("visit of shards on disk", () => {
  const { top, write } = workspace("order");
  const file = (name: string): Buffer => tarEntry(name, Buffer.from(name));
  /** Samples with what a walk carries along: links before and in a sample, and global records. */
  const shard = (number: number): Buffer[] => {
    const members = [rawHeader("g", { type: "g", size: 13 }), blocksOf("13 comment=x\n")];
    for (let i = 0; i < 4 + 3 * number; i++) {
      const key = `${number}/${i}`;
      if (i % 4 === 3)
        members.push(rawHeader(`${key}.txt`, { type: "1", link: `${number}/0.txt` }));
      members.push(file(`${key}.jpg`));
      if (i % 4 === 2) members.push(rawHeader(`${key}.txt`, { type: "2", link: "0.txt" }));
      else if (i % 4 !== 3) members.push(file(`${key}.txt`));
      // From here on a walk needs what stood before, so there are no bytes.
      if (number === 2 && i === 6) {
        members.push(rawHeader("g", { type: "g", size: 14 }), blocksOf("14 linkpath=x\n"));
      }
    }
    return [...members, tarEnd()];
  };
  for (const ending of [".tar", ".tar.gz"]) {
    for (const more of [{}, { shuffle: false, window: 3 }]) {
      it(`resumes exactly with the cursor's byte and without it: ${ending} ${JSON.stringify(more)}`, async () => {
        for (const number of [0, 1, 2]) {
          const bytes = Buffer.concat(shard(number));
          write(`${number}${ending}`, ending === ".tar" ? bytes : gzipSync(bytes));
        }
        const source = await openSource({ kind: "webdataset", shards: `${top}/{0..2}${ending}` });
        const given = options({ window: 5, ...more, epochs: 2 });
        const { steps, cursors } = await stepsOf(source, given, START);
        assert.equal(steps.length, 2 * (4 + 7 + 10 + 1));
        const within = cursors.filter(({ entry }) => entry > 0);
        const seeking = within.filter(({ byte }) => byte !== undefined);
        if (ending === ".tar") assert.ok(seeking.length > 0 && seeking.length < within.length);
        else assert.equal(seeking.length, 0);
        for (const [i, cursor] of cursors.entries()) {
          const { byte: _, ...older } = cursor;
          for (const start of [cursor, older, { ...older, byte: 512 }]) {
            const rest = await stepsOf(source, given, start);
            assert.deepEqual(rest.steps, steps.slice(i + 1), `behind ${i}`);
          }
          const rest = await stepsOf(source, given, cursor);
          assert.deepEqual(rest.cursors, cursors.slice(i + 1), `cursors behind ${i}`);
        }
      });
    }
  }
  it("does not read what stands before its window in the shard", async () => {
    const key = (i: number): string => `${i}`.padStart(2, "0");
    const bytes = Buffer.concat([
      ...Array.from({ length: 20 }, (_, i) => file(`${key(i)}.jpg`)),
      tarEnd(),
    ]);
    const shards = write("one.tar", bytes);
    const source = await openSource({ kind: "webdataset", shards });
    const given = options({ epochs: 1 });
    const { steps, cursors } = await stepsOf(source, given, START);
    const cursor = cursors[9]!;
    assert.equal(cursor.byte, 7 * 1024);
    // The first name is kept: by it a shard is told from other archives.
    write("one.tar", bytes.fill(0xff, 100, cursor.byte));
    assert.deepEqual((await stepsOf(source, given, cursor)).steps, steps.slice(10));
  });
});

/** The examples, and the cursors behind them. */
async function stepsOf(
  source: Source,
  given: OrderOptions,
  start: Cursor,
): Promise<{ steps: unknown[]; cursors: Cursor[] }> {
  const steps: unknown[] = [];
  const cursors: Cursor[] = [];
  for await (const step of visit(source, given, start)) {
    steps.push(step.kind === "example" ? [step.epoch, step.example] : "end");
    cursors.push(JSON.parse(JSON.stringify(step.next)) as Cursor);
  }
  return { steps, cursors };
}
